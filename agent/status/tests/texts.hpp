// Pods and statuses as JSON text, for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "api/document.hpp"
#include "api/json_codec.hpp"
#include "api/objects.hpp"

namespace keelson::agent::testing {

inline api::Pod parse_pod(const std::string& text) {
  const auto node = api::parse_json(text);
  EXPECT_TRUE(node.ok()) << text << ": " << node.error().to_string();
  api::Pod pod;
  if (!node.ok()) return pod;
  const Status status = api::decode(*node, pod);
  EXPECT_TRUE(status.ok()) << text << ": " << status.error().to_string();
  return pod;
}

inline api::core::PodStatus parse_status(const std::string& text) {
  return parse_pod("{\"status\":" + text + "}").status();
}

}  // namespace keelson::agent::testing
