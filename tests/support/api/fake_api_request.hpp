// RequestInfo: what a request line asks of the API: verb, resource, name, options.
//
// Pure; any thread. Source: the API's path conventions (contract 01 §10).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/api/fake_api_kinds.hpp"

namespace keelson::fakes {

struct RequestInfo {
  std::string
      verb;  // get list watch create update patch delete deletecollection; for other paths the method, lower case
  std::string path;
  std::map<std::string, std::string> query;  // decoded

  // Of a resource's path; `kind` is null when nobody serves it.
  bool resource_request = false;
  std::string group;
  std::string version;
  std::string plural;
  std::string ns;
  std::string name;
  std::string subresource;
  const ApiKind* kind = nullptr;

  std::string option(const std::string& name) const {
    const auto found = query.find(name);
    return found == query.end() ? std::string() : found->second;
  }
  bool flag(const std::string& name) const {
    const std::string value = option(name);
    return value == "true" || value == "1";
  }
};

RequestInfo parse_request(std::string_view method, std::string_view target);
std::string percent_decode(std::string_view text, bool plus_is_space);

}  // namespace keelson::fakes
