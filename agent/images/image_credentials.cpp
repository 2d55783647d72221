#include "agent/images/image_credentials.hpp"

#include <iterator>

namespace keelson::agent {
namespace {

void append(std::vector<Credential>& all, std::vector<Credential> more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

base::Task<Result<std::vector<Credential>>> ImageCredentials::find(api::PodPtr pod, PullSecretsPtr secrets,
                                                                   std::string repository) {
  std::vector<Credential> all;
  if (secrets != nullptr && !secrets->ok()) co_return secrets->error();
  if (secrets != nullptr) append(all, secrets->value().lookup(repository));
  const std::shared_ptr<const Keyring> node = co_await node_.keyring();
  append(all, node->lookup(repository));
  auto answered = co_await plugins_.find(std::move(pod), std::move(repository));
  append(all, std::move(answered));
  co_return all;
}

}  // namespace keelson::agent
