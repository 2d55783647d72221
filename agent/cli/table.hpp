// Columns of text, aligned with two spaces between them; the last column is never padded. Pure.
#pragma once

#include <string>
#include <vector>

namespace keelson::agent {

using TableRow = std::vector<std::string>;

std::string format_table(const std::vector<TableRow>& rows, const std::string& indent = "");
// Control characters and newlines as spaces: what a container says must not repaint the terminal.
std::string one_line(const std::string& text);

}  // namespace keelson::agent
