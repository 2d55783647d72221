#include "tests/support/api/fake_api.hpp"

#include "tests/support/api/fake_api_backend.hpp"
#include "tests/support/api/fake_api_faults.hpp"
#include "tests/support/api/fake_api_signer.hpp"

namespace keelson::fakes {
namespace {

namespace core = api::core;
using base::Task;
using google::protobuf::Message;

constexpr std::string_view kBearer = "Bearer ";

NewObject clone(const Message& object) {
  NewObject out(object.New());
  out->MergeFrom(object);
  return out;
}

const ApiKind& known_kind(const google::protobuf::Descriptor* type) {
  const ApiKind* kind = kind_of(type);
  KEELSON_CHECK(kind != nullptr && "a type that the fake API server does not serve");
  return *kind;
}

Result<NewObject> typed(const Outcome<ObjectPtr>& outcome) {
  if (!outcome.ok()) return to_error(outcome.failure());
  return clone(**outcome);
}

}  // namespace

struct FakeApi::State {
  State(base::Loop& loop, base::Clock& state_clock) : clock(state_clock), backend(loop, state_clock) {}

  // Who asks, when the request itself carries a token; 401 for one that nobody knows.
  Refusal authenticate(ApiRequest& request) const {
    const std::string* header = kube::find_header(request.headers, "authorization");
    if (header == nullptr || request.user.name != ApiUser().name) return std::nullopt;
    if (!header->starts_with(kBearer)) return plain_failure(401, 0);
    const auto found = backend.tokens.find(header->substr(kBearer.size()));
    if (found == backend.tokens.end()) return plain_failure(401, 0);
    request.user = found->second;
    return std::nullopt;
  }

  ApiAnswer serve(ApiRequest& request, const RequestInfo& info, bool stale) {
    if (auto refused = authenticate(request)) return render_failure({}, *refused);
    return backend.serve(request, info, stale);
  }

  void note(const ApiRequest& request, const RequestInfo& info, int status) {
    if (!logs) return;
    ApiLogEntry entry;
    entry.at = clock.now();
    entry.verb = info.verb;
    entry.target = request.target;
    entry.status = status;
    entry.user = request.user.name;
    entry.content_type = body_type(request.headers);
    entry.body = body_as_json(request);
    log.push_back(std::move(entry));
  }

  base::Clock& clock;
  ApiBackend backend;
  ApiFaults faults;
  bool logs = true;
  std::vector<ApiLogEntry> log;
};

FakeApi::FakeApi(base::Loop& loop, base::Clock& clock) : loop_(loop), state_(std::make_shared<State>(loop, clock)) {
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    core::Namespace ns;
    ns.mutable_metadata()->set_name(name);
    KEELSON_CHECK(create(ns).ok() && "a namespace of the start");
  }
}

FakeApi::~FakeApi() { cut_watches(); }

Task<ApiAnswer> FakeApi::handle(ApiRequest request) { return answer(state_, std::move(request)); }

Task<ApiAnswer> FakeApi::answer(std::shared_ptr<State> state, ApiRequest request) {
  const RequestInfo info = parse_request(request.method, request.target);
  const FaultPlan plan = state->faults.take(request.method, request.target);
  if (plan.latency > base::Duration::zero()) co_await state->clock.sleep_for(plan.latency);
  if (plan.hang) co_await state->clock.sleep_until(base::SteadyTime::max());
  const bool fails = plan.reset || plan.status != 0;
  ApiAnswer out;
  if (!fails || plan.after_effect) out = state->serve(request, info, plan.stale);
  if (plan.reset) {
    out = ApiAnswer();
    out.status = 0;
    out.reset = true;
  } else if (plan.status != 0) {
    auto how = negotiate(request.headers, info, state->backend.switches.protobuf);
    const ApiFailure failed = plain_failure(plan.status, plan.retry_after);
    out = render_failure(how.ok() ? *how : Rendering(), failed);
  }
  if (plan.half_body) out = halved(std::move(out));
  state->note(request, info, out.status);
  co_return out;
}

void FakeApi::add_token(std::string token, ApiUser user) { state_->backend.tokens[std::move(token)] = std::move(user); }

std::optional<ApiUser> FakeApi::user_of_token(const std::string& token) const {
  const auto found = state_->backend.tokens.find(token);
  if (found == state_->backend.tokens.end()) return std::nullopt;
  return found->second;
}

void FakeApi::enforce_node_limits(bool on) { state_->backend.switches.node_limits = on; }
void FakeApi::offer_watch_list(bool on) { state_->backend.switches.watch_list = on; }
void FakeApi::offer_protobuf(bool on) { state_->backend.switches.protobuf = on; }
void FakeApi::sign_requests(bool on) { state_->backend.switches.sign = on; }
void FakeApi::mount_service_account_tokens(bool on) { state_->backend.switches.mount_tokens = on; }
kube::Identity FakeApi::authority() const { return state_->backend.signer().authority(); }
std::string FakeApi::ca_certificate() const { return state_->backend.signer().ca_certificate(); }

void FakeApi::cut_watches(const std::string& plural) { state_->backend.watches().end(plural); }
void FakeApi::compact() { state_->backend.store().compact(); }
std::size_t FakeApi::open_watches() const { return state_->backend.watches().size(); }

void FakeApi::add_fault(ApiFault fault) { state_->faults.add(std::move(fault)); }
void FakeApi::remove_fault(const std::string& id) { state_->faults.remove(id); }
void FakeApi::clear_faults() { state_->faults.clear(); }

const std::vector<ApiLogEntry>& FakeApi::log() const { return state_->log; }
void FakeApi::keep_log(bool on) { state_->logs = on; }
void FakeApi::clear_log() { state_->log.clear(); }

void FakeApi::on_change(std::function<void(const std::string& type, const Message& object)> listener) {
  state_->backend.store().on_change([listener = std::move(listener)](const ApiChange& change) {
    if (change.after == nullptr) return listener("DELETED", *change.last);
    listener(change.before == nullptr ? "ADDED" : "MODIFIED", *change.after);
  });
}

Status FakeApi::bind(const std::string& ns, const std::string& pod, const std::string& node) {
  const auto bound = state_->backend.bind(ns, pod, node);
  if (!bound.ok()) return to_error(bound.failure());
  return {};
}

Result<NewObject> FakeApi::do_create(const Message& object) {
  const WriteOptions options{ApiBackend::administrator()};
  return typed(state_->backend.create(known_kind(object.GetDescriptor()), clone(object), options));
}

Result<NewObject> FakeApi::do_update(const Message& object, const std::string& subresource) {
  const WriteOptions options{ApiBackend::administrator()};
  return typed(state_->backend.update(known_kind(object.GetDescriptor()), clone(object), subresource, options));
}

NewObject FakeApi::do_get(const google::protobuf::Descriptor* type, const std::string& ns,
                          const std::string& name) const {
  const ObjectPtr found = state_->backend.store().get(known_kind(type), ns, name);
  return found == nullptr ? nullptr : clone(*found);
}

std::vector<NewObject> FakeApi::do_list(const google::protobuf::Descriptor* type, const std::string& ns) const {
  std::vector<NewObject> out;
  for (const auto& [key, object] : state_->backend.store().all(known_kind(type))) {
    if (ns.empty() || meta_of(*object).namespace_() == ns) out.push_back(clone(*object));
  }
  return out;
}

Status FakeApi::do_remove(const google::protobuf::Descriptor* type, const std::string& ns, const std::string& name,
                          std::optional<std::int64_t> grace) {
  api::meta::DeleteOptions options;
  if (grace) options.set_graceperiodseconds(*grace);
  const auto removed =
      state_->backend.remove(known_kind(type), ns, name, options, WriteOptions{ApiBackend::administrator()});
  if (!removed.ok()) return to_error(removed.failure());
  return {};
}

}  // namespace keelson::fakes
