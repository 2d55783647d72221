// The flags of keelson-fake-apiserver.
//
// Pure. What fails is `invalid` and names the flag and what was expected.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "tests/support/api/fake_api.hpp"

namespace keelson::fakes {

struct ApiServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  std::string directory;
  std::vector<std::string> nodes;
  std::vector<std::string> names;  // of the serving certificate
  std::map<std::string, ApiUser> tokens;
  std::string control;  // path of the control socket
  bool http1_only = false;
  bool schedule = false;
  bool service_accounts = false;
  bool help = false;
};

extern const char kApiServerUsage[];

Result<ApiServerOptions> parse_api_server_options(const std::vector<std::string>& arguments);

}  // namespace keelson::fakes
