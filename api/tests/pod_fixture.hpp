// Pods from YAML for the tests of defaulting and validation.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "api/document.hpp"
#include "api/json_codec.hpp"
#include "api/objects.hpp"

namespace keelson::api::testing {

inline core::Pod pod_from(const Node& node) {
  core::Pod pod;
  const auto status = decode(node, pod);
  EXPECT_TRUE(status.ok()) << status.error().to_string();
  return pod;
}

inline core::Pod pod_from_yaml(const std::string& yaml) {
  const auto node = parse_document(yaml);
  EXPECT_TRUE(node.ok()) << node.error().to_string() << "\n" << yaml;
  return node.ok() ? pod_from(*node) : core::Pod();
}

inline std::string golden_text(const std::string& name) {
  std::ifstream file(std::string(KEELSON_SOURCE_DIR) + "/tests/golden/data/" + name);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

// `body` indented by `spaces`, for embedding in a larger YAML text.
inline std::string indented(const std::string& body, int spaces) {
  std::string text;
  std::istringstream lines(body);
  for (std::string line; std::getline(lines, line);) text += std::string(spaces, ' ') + line + "\n";
  return text;
}

}  // namespace keelson::api::testing
