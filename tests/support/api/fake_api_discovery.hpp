// Everything that is no resource: versions, groups, resource lists, OpenAPI, health.
//
// Pure; any thread. As much as kubectl needs. Source: the API's discovery documents.
#pragma once

#include <string>

#include "tests/support/api/fake_api.hpp"
#include "tests/support/api/fake_api_request.hpp"

namespace keelson::fakes {

ApiAnswer serve_discovery(const ApiRequest& request, const RequestInfo& info, const std::string& server_version);

}  // namespace keelson::fakes
