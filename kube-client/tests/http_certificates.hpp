// TestAuthority: a certificate authority that lives for one test.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kube-client/credentials.hpp"

namespace keelson::kube::testing {

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);
  ~TestAuthority();
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  const std::string& pem() const { return pem_; }
  // `names` as OpenSSL writes them: "DNS:kube.test", "IP:127.0.0.1".
  Identity issue(const std::string& common_name, const std::vector<std::string>& names, long seconds = 3600) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::string pem_;
};

}  // namespace keelson::kube::testing
