// FakeApiHandler: a FakeApi as what stands behind a FakeApiServer.
//
// Owner: whoever owns the FakeApi; outlives the server. Thread: the loop.
#pragma once

#include "tests/support/api/fake_api.hpp"
#include "tests/support/api/fake_api_server.hpp"

namespace keelson::fakes {

class FakeApiHandler final : public ApiHandler {
 public:
  explicit FakeApiHandler(FakeApi& api) : api_(api) {}
  base::Task<ApiAnswer> handle(ApiRequest request) override { return api_.handle(std::move(request)); }
  std::optional<ApiUser> user_of_token(const std::string& token) const override { return api_.user_of_token(token); }

 private:
  FakeApi& api_;
};

}  // namespace keelson::fakes
