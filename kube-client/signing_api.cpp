#include "kube-client/signing_api.hpp"

#include "base/gate.hpp"
#include "kube-client/api_error.hpp"
#include "kube-client/watch_query.hpp"
#include "kube-client/wire.hpp"

namespace keelson::kube {
namespace {

using SigningRequestList = k8s::certificates::v1::CertificateSigningRequestList;

constexpr base::Duration kHealthLimit = std::chrono::seconds(1);
constexpr base::Duration kGrace = std::chrono::seconds(30);  // of a watch beyond its own length

Selection selection_of(const std::string& name) {
  Selection selection;
  selection.field_selector = "metadata.name=" + name;
  return selection;
}

Call list_call(const std::string& path, const Selection& selection) {
  Call call;
  call.path = path;
  call.query = {{"fieldSelector", selection.field_selector}};
  call.answer = &SigningRequestList::default_instance();
  return call;
}

Error deleted(const std::string& name) {
  return Error(ErrorKind::not_found, "certificate signing request " + name + " was deleted");
}

// What an event says about our request; an ERROR event is the failure itself.
Result<std::optional<Result<std::string>>> outcome_of_event(const api::WatchEvent& event, const std::string& name,
                                                            const std::string& uid) {
  using Outcome = std::optional<Result<std::string>>;
  if (event.type == "ERROR") {
    const auto* status = event.object.as<api::meta::Status>();
    if (status != nullptr) return error_of(*status);
    return Error(ErrorKind::invalid, "a watch event ERROR without a Status");
  }
  const auto* request = event.object.as<SigningRequest>();
  if (request == nullptr || event.type == "BOOKMARK" || request->metadata().name() != name) return Outcome();
  if (event.type == "DELETED") return Outcome(Result<std::string>(deleted(name)));
  return outcome_of(*request, uid);
}

}  // namespace

SigningRequest make_signing_request(const std::string& name, std::string_view signer, std::string request_pem) {
  SigningRequest request;
  if (name.empty()) {
    request.mutable_metadata()->set_generatename("csr-");
  } else {
    request.mutable_metadata()->set_name(name);
  }
  auto* spec = request.mutable_spec();
  spec->set_request(std::move(request_pem));
  spec->set_signername(std::string(signer));
  spec->add_usages("digital signature");
  spec->add_usages(signer == kServingSigner ? "server auth" : "client auth");
  return request;
}

std::optional<Result<std::string>> outcome_of(const SigningRequest& request, const std::string& uid) {
  const std::string what = "certificate signing request " + request.metadata().name();
  if (request.metadata().uid() != uid) return Error(ErrorKind::conflict, what + " is another one now");
  bool approved = false;
  for (const auto& condition : request.status().conditions()) {
    const std::string why = ", reason: " + condition.reason() + ", message: " + condition.message();
    if (condition.type() == "Denied") return Error(ErrorKind::permission_denied, what + " was denied" + why);
    if (condition.type() == "Failed") return Error(ErrorKind::invalid, what + " failed" + why);
    approved = approved || condition.type() == "Approved";
  }
  if (!approved || request.status().certificate().empty()) return std::nullopt;
  return Result<std::string>(request.status().certificate());
}

KubeSigningApi::KubeSigningApi(Client& client, base::Random& random, base::Logger log)
    : client_(client), random_(random), log_(std::move(log)) {}

base::Task<Result<SigningRequest>> KubeSigningApi::create(SigningRequest request) {
  auto created = co_await client_.create<SigningRequest>({}, std::move(request));
  co_return created;
}

base::Task<Result<SigningRequest>> KubeSigningApi::get(std::string name) {
  auto found = co_await client_.get<SigningRequest>({}, std::move(name));
  co_return found;
}

base::Task<Status> KubeSigningApi::healthz() {
  auto text = co_await client_.get_text("/healthz", kHealthLimit);
  if (!text.ok()) co_return std::move(text).error();
  co_return Status();
}

base::Task<Result<std::string>> KubeSigningApi::await_certificate(std::string name, std::string uid) {
  base::Backoff backoff(std::chrono::seconds(1), std::chrono::seconds(30), 2.0, 0.1);
  while (true) {
    auto outcome = co_await follow(name, uid);
    if (outcome.ok() && outcome->has_value()) co_return std::move(**outcome);
    if (outcome.ok()) {
      backoff.reset();
    } else {
      log_.warning("Waiting for a certificate failed, trying again", {{"csr", name}, {"err", outcome.error()}});
    }
    co_await client_.clock().sleep_for(backoff.next(random_));
  }
}

base::Task<Result<KubeSigningApi::Outcome>> KubeSigningApi::follow(std::string name, std::string uid) {
  const Selection selection = selection_of(name);
  const std::string path = path_of(resource_of(SigningRequest::descriptor()), {});
  Call call = list_call(path, selection);
  auto answer = co_await client_.call(std::move(call));
  if (!answer.ok()) co_return std::move(answer).error();
  const auto& list = static_cast<const SigningRequestList&>(**answer);
  if (list.items().empty()) co_return Outcome(Result<std::string>(deleted(name)));
  Outcome now = outcome_of(list.items(0), uid);
  if (now) co_return now;

  const std::chrono::seconds length = watch_length(selection, random_);
  Query query = watch_list_query(selection, {}, length);
  auto stream = co_await client_.open(path, std::move(query));
  if (!stream.ok() && stream.error().kind() == ErrorKind::invalid) {  // it knows no initial events
    Query plain = watch_query(selection, list.metadata().resourceversion(), length);
    auto again = co_await client_.open(path, std::move(plain));
    stream = std::move(again);
  }
  if (!stream.ok()) co_return std::move(stream).error();
  auto outcome =
      co_await base::with_timeout(client_.clock(), length + kGrace, read_watch(std::move(*stream), name, uid));
  if (!outcome) co_return Outcome();
  co_return std::move(*outcome);
}

base::Task<Result<KubeSigningApi::Outcome>> KubeSigningApi::read_watch(std::unique_ptr<HttpStream> stream,
                                                                       std::string name, std::string uid) {
  const auto format = format_of(stream->headers(), {});
  if (!format.ok()) co_return format.error();
  api::WatchReader reader(*format);
  while (true) {
    auto piece = co_await stream->read();
    if (!piece.ok()) co_return std::move(piece).error();
    if (piece->empty()) co_return Outcome();
    reader.feed(*piece);
    while (true) {
      auto event = reader.next();
      if (!event.ok()) co_return std::move(event).error();
      if (!event->has_value()) break;
      auto outcome = outcome_of_event(**event, name, uid);
      if (!outcome.ok() || outcome->has_value()) co_return outcome;
    }
  }
}

}  // namespace keelson::kube
