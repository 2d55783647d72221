// docs/configuration.md, made from the tables.
#pragma once

#include <string>

namespace keelson::config {

std::string configuration_markdown();

}  // namespace keelson::config
