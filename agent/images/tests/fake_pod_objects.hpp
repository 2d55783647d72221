// FakePodObjects: the secrets, service accounts and tokens that a test gives to pods.
//
// Owner: a test. Thread: the loop.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/sync/pod_objects.hpp"

namespace keelson::agent::testing {

class FakePodObjects final : public PodObjects {
 public:
  std::map<std::string, api::core::Secret> secrets;           // by name; of any namespace
  std::map<std::string, api::core::ServiceAccount> accounts;  // by name
  std::map<std::string, int> tokens_asked;                    // by audience
  std::string token_prefix = "token";                         // PREFIX-POD-AUDIENCE

  void hold(const api::PodPtr&) override {}
  void release(const std::string&) override {}
  base::Task<Result<std::shared_ptr<const ObjectResolver>>> objects_of(api::PodPtr, api::core::Container) override {
    co_return std::shared_ptr<const ObjectResolver>();
  }
  base::Task<Result<std::shared_ptr<const api::core::ConfigMap>>> config_map(api::PodPtr, std::string name) override {
    co_return Error(ErrorKind::not_found, "configmap \"" + name + "\" not found");
  }
  base::Task<Result<std::shared_ptr<const api::core::Secret>>> secret(api::PodPtr, std::string name) override {
    const auto found = secrets.find(name);
    if (found == secrets.end()) co_return Error(ErrorKind::not_found, "secret \"" + name + "\" not found");
    co_return std::make_shared<const api::core::Secret>(found->second);
  }
  base::Task<Result<std::string>> token(api::PodPtr pod, std::string audience, std::int64_t) override {
    ++tokens_asked[audience];
    if (token_prefix.empty()) co_return Error(ErrorKind::unavailable, "no tokens today");
    co_return token_prefix + "-" + pod->metadata().uid() + "-" + audience;
  }
  base::Task<Result<std::shared_ptr<const api::core::ServiceAccount>>> service_account(api::PodPtr pod) override {
    const auto found = accounts.find(pod->spec().serviceaccountname());
    if (found == accounts.end()) co_return Error(ErrorKind::not_found, "no such service account");
    co_return std::make_shared<const api::core::ServiceAccount>(found->second);
  }
  std::vector<ServiceInfo> services_for(const std::string&) const override { return {}; }
  bool services_synced() const override { return true; }

  // A secret of type dockerconfigjson with one login.
  void add_login(const std::string& name, const std::string& registry, const std::string& user,
                 const std::string& password) {
    api::core::Secret secret;
    secret.mutable_metadata()->set_name(name);
    secret.mutable_metadata()->set_namespace_("ns");
    secret.mutable_metadata()->set_uid("uid-" + name);
    secret.set_type("kubernetes.io/dockerconfigjson");
    (*secret.mutable_data())[".dockerconfigjson"] =
        R"({"auths":{")" + registry + R"(":{"username":")" + user + R"(","password":")" + password + R"("}}})";
    secrets[name] = std::move(secret);
  }
  void add_account(const std::string& name, const std::map<std::string, std::string>& annotations = {}) {
    api::core::ServiceAccount account;
    account.mutable_metadata()->set_name(name);
    account.mutable_metadata()->set_namespace_("ns");
    account.mutable_metadata()->set_uid("uid-" + name);
    for (const auto& [key, value] : annotations) (*account.mutable_metadata()->mutable_annotations())[key] = value;
    accounts[name] = std::move(account);
  }
};

}  // namespace keelson::agent::testing
