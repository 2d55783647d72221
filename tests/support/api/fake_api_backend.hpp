// ApiBackend: the API server behind FakeApi: who may do what to which object, and what becomes of it.
//
// FakeApi is its front. The verbs are spread over files: fake_api_create, fake_api_update, fake_api_delete,
// fake_api_read, fake_api_serve (requests to verbs), fake_api_sub (sub-resources and reviews). Owner: FakeApi. Thread:
// the loop; no function waits. Source: contract 01 §6, §7, §9, §10; contract 02 §4.2, §11, §15.5; contract 05a.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/loop.hpp"
#include "tests/support/api/fake_api.hpp"
#include "tests/support/api/fake_api_failure.hpp"
#include "tests/support/api/fake_api_request.hpp"
#include "tests/support/api/fake_api_selection.hpp"
#include "tests/support/api/fake_api_store.hpp"
#include "tests/support/api/fake_api_watch.hpp"
#include "tests/support/api/fake_api_wire.hpp"

namespace keelson::fakes {

// Who writes, and whether it counts.
struct WriteOptions {
  ApiUser user;
  bool dry_run = false;
  bool may_create = false;  // server-side apply, and updates of kinds that allow it
};

struct Removal {
  ObjectPtr object;  // as it is now, or was last
  bool gone = false;
};

class FakeApiSigner;

class ApiBackend {
 public:
  ApiBackend(base::Loop& loop, base::Clock& clock);
  ~ApiBackend();

  struct Switches {
    bool node_limits = true;
    bool watch_list = true;
    bool protobuf = true;
    bool sign = true;
    bool mount_tokens = false;
  };
  Switches switches;
  std::map<std::string, ApiUser> tokens;

  ApiStore& store() { return store_; }
  const ApiStore& store() const { return store_; }
  ApiWatches& watches() { return watches_; }
  base::Clock& clock() { return clock_; }
  FakeApiSigner& signer() { return *signer_; }

  // A request to its answer; `stale`: reads see the state before the last change.
  ApiAnswer serve(const ApiRequest& request, const RequestInfo& info, bool stale);

  Outcome<ObjectPtr> create(const ApiKind& kind, NewObject object, const WriteOptions& options);
  Outcome<ObjectPtr> update(const ApiKind& kind, NewObject object, const std::string& subresource,
                            const WriteOptions& options);
  Outcome<ObjectPtr> patch(const ApiKind& kind, const std::string& ns, const std::string& name,
                           const std::string& subresource, const std::string& type, const std::string& body,
                           const WriteOptions& options);
  Outcome<Removal> remove(const ApiKind& kind, const std::string& ns, const std::string& name,
                          const api::meta::DeleteOptions& delete_options, const WriteOptions& options);
  Outcome<ObjectPtr> bind(const std::string& ns, const std::string& name, const std::string& node);

  static ApiUser administrator() { return {"system:admin", {"system:masters", "system:authenticated"}}; }

 private:
  // fake_api_serve.cpp
  Outcome<ApiAnswer> serve_resource(const ApiRequest& request, const RequestInfo& info, const Rendering& how,
                                    bool stale);
  Outcome<ApiAnswer> serve_create(const ApiRequest& request, const RequestInfo& info, const Rendering& how);
  Outcome<ApiAnswer> serve_update(const ApiRequest& request, const RequestInfo& info, const Rendering& how);
  Outcome<ApiAnswer> serve_patch(const ApiRequest& request, const RequestInfo& info, const Rendering& how);
  Outcome<ApiAnswer> serve_delete(const ApiRequest& request, const RequestInfo& info, const Rendering& how);
  Outcome<ApiAnswer> serve_delete_collection(const ApiRequest& request, const RequestInfo& info, const Rendering& how);
  WriteOptions write_options(const ApiRequest& request, const RequestInfo& info) const;
  // fake_api_read.cpp
  Outcome<ApiAnswer> serve_get(const RequestInfo& info, const Rendering& how, bool stale);
  Outcome<ApiAnswer> serve_list(const RequestInfo& info, const Rendering& how, bool stale);
  Outcome<ApiAnswer> serve_watch(const RequestInfo& info, const Rendering& how);
  // fake_api_sub.cpp
  Outcome<ApiAnswer> serve_sub_create(const ApiRequest& request, const RequestInfo& info, const Rendering& how);
  Outcome<ApiAnswer> serve_eviction(const ApiRequest& request, const RequestInfo& info, const Rendering& how);
  Outcome<ApiAnswer> serve_binding(const ApiRequest& request, const RequestInfo& info, const Rendering& how);
  Outcome<ApiAnswer> serve_token(const ApiRequest& request, const RequestInfo& info, const Rendering& how);
  Outcome<ApiAnswer> serve_review(const ApiRequest& request, const RequestInfo& info, const Rendering& how);

  // fake_api_create.cpp
  Refusal check_namespace(const ApiKind& kind, const google::protobuf::Message& object) const;
  Refusal prepare_new(const ApiKind& kind, google::protobuf::Message& object, const ApiUser& user);
  void after_create(const ApiKind& kind, const ObjectPtr& object);
  // fake_api_update.cpp
  Outcome<ObjectPtr> replace(const ApiKind& kind, const ObjectPtr& before, NewObject after,
                             const std::string& subresource, const WriteOptions& options);
  // fake_api_delete.cpp
  Outcome<Removal> remove_pod(const ObjectPtr& object, std::optional<std::int64_t> grace, const WriteOptions& options);
  void erase(const ApiKind& kind, const google::protobuf::Message& object);
  void empty_namespace(const std::string& ns);
  void finish_namespace(const std::string& ns);

  std::string new_uid();
  std::string new_suffix();
  std::uint64_t random();

  base::Clock& clock_;
  ApiStore store_;
  ApiWatches watches_;
  std::unique_ptr<FakeApiSigner> signer_;
  std::uint64_t random_state_ = 0x9e3779b97f4a7c15;
};

}  // namespace keelson::fakes
