// Namespaces of sandboxes and containers: network, pid, ipc, user.
//
// Pure functions, any thread. Source: contract 02 §2.3.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/objects.hpp"
#include "base/result.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

// The IDs given to a pod with a user namespace: container IDs 0..length-1 are host_first..host_first+length-1.
struct UserNamespaceRange {
  std::uint32_t host_first = 0;
  std::uint32_t length = 0;
  bool operator==(const UserNamespaceRange&) const = default;
};

// hostUsers is false.
bool wants_user_namespace(const api::Pod& pod);
// Fails when the pod wants a user namespace and the named handler ("" = the default) does not offer them. No handlers
// at all: a runtime that is too old to tell.
Status check_user_namespace_support(const api::Pod& pod, const std::string& runtime_handler,
                                    const std::vector<cri::RuntimeHandler>& handlers);

// `range` is used only by pods that want a user namespace; without it they are an error.
Result<cri::NamespaceOption> make_namespace_options(const api::Pod& pod,
                                                    const std::optional<UserNamespaceRange>& range);
// The same for an ephemeral container that looks at another container: mode TARGET where it would be CONTAINER.
// An empty `target_id` changes nothing.
cri::NamespaceOption with_target(cri::NamespaceOption options, const std::string& target_id);

}  // namespace keelson::agent
