// Reads a page in the text format back, as a scraper does; for tests. Anything unexpected fails the test.
#pragma once

#include <gtest/gtest.h>

#include <charconv>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "agent/metrics/page.hpp"

namespace keelson::metrics::testing {

struct ReadSample {
  std::string suffix;  // "_bucket", "_sum", "_count", or nothing
  Labels labels;       // as written, `le` too
  std::string value;
  std::string time;
};

struct ReadFamily {
  std::string help;  // with its stability
  std::string type;
  std::vector<ReadSample> samples;

  std::vector<std::string> bounds() const {  // of the first series
    std::vector<std::string> out;
    for (const auto& sample : samples) {
      if (sample.suffix != "_bucket") break;
      out.push_back(sample.labels.back().second);
    }
    return out;
  }
  std::set<std::string> label_names() const {
    std::set<std::string> out;
    for (const auto& sample : samples) {
      for (const auto& [name, value] : sample.labels) out.insert(name);
    }
    return out;
  }
};
using ReadPage = std::map<std::string, ReadFamily>;

inline std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
    } else {
      ++i;
      out += text[i] == 'n' ? '\n' : text[i];
    }
  }
  return out;
}

// The labels between the braces of `line`; `at` comes to stand behind them.
inline Labels read_labels(const std::string& line, std::size_t& at) {
  Labels labels;
  while (line[at] != '}') {
    const auto equals = line.find('=', at);
    const std::string name = line.substr(at, equals - at);
    std::size_t end = equals + 2;
    while (line[end] != '"') end += line[end] == '\\' ? 2 : 1;
    labels.emplace_back(name, unescaped(line.substr(equals + 2, end - equals - 2)));
    at = end + 1;
    if (line[at] == ',') ++at;
  }
  ++at;
  return labels;
}

inline ReadPage read_text(const std::string& text) {
  ReadPage page;
  std::istringstream lines(text);
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# ")) {
      const bool help = line.starts_with("# HELP ");
      EXPECT_TRUE(help || line.starts_with("# TYPE ")) << line;
      const auto end = line.find(' ', 7);
      family = line.substr(7, end - 7);
      (help ? page[family].help : page[family].type) = unescaped(line.substr(end + 1));
      continue;
    }
    ReadSample sample;
    auto at = line.find_first_of("{ ");
    const std::string name = line.substr(0, at);
    EXPECT_TRUE(name.starts_with(family)) << line;
    sample.suffix = name.substr(family.size());
    if (line[at] == '{') sample.labels = read_labels(line, ++at);
    std::istringstream rest(line.substr(at));
    rest >> sample.value >> sample.time;
    page[family].samples.push_back(std::move(sample));
  }
  return page;
}

inline double number_of(const std::string& text) {
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

inline std::string read_recorded(const std::string& name) {
  std::ifstream in(std::string(KEELSON_SOURCE_DIR) + "/tests/golden/data/http/" + name);
  EXPECT_TRUE(in.good()) << name;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace keelson::metrics::testing
