#include "kube-client/tests/cert_csr_server.hpp"

#include <algorithm>

#include "api/envelope.hpp"
#include "api/json_codec.hpp"

namespace keelson::kube::testing {
namespace {

using SigningRequestList = k8s::certificates::v1::CertificateSigningRequestList;

const std::string kPath = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

std::string parameter(const std::string& target, const std::string& name) {
  const std::size_t at = target.find(name + "=");
  if (at == std::string::npos) return {};
  std::string value = target.substr(at + name.size() + 1);
  value = value.substr(0, value.find('&'));
  const std::size_t equals = value.find("%3D");
  return equals == std::string::npos ? value : value.replace(equals, 3, "=");
}

std::string selected_name(const std::string& target) {
  const std::string selector = parameter(target, "fieldSelector");
  return selector.substr(selector.find('=') + 1);
}

}  // namespace

class CsrServer::Stream final : public HttpStream {
 public:
  Stream(CsrServer& server, std::string name) : server_(server), name_(std::move(name)), pieces_(server.loop_) {
    headers_ = server.headers();
    server_.watches_.insert(this);
  }
  ~Stream() override { server_.watches_.erase(this); }
  int status() const override { return 200; }
  const Headers& headers() const override { return headers_; }
  base::Task<Result<std::string>> read() override {
    auto piece = co_await pieces_.receive();
    co_return piece;
  }
  void push(std::string bytes) { pieces_.send(std::move(bytes)); }
  const std::string& name() const { return name_; }

 private:
  CsrServer& server_;
  std::string name_;
  Headers headers_;
  base::Mailbox<std::string> pieces_;
};

class CsrServer::Connection final : public Transport {
 public:
  Connection(CsrServer& server, std::string user) : server_(server), user_(std::move(user)) {}
  base::Task<Result<HttpResponse>> send(HttpRequest request, base::Duration) override {
    co_return server_.answer(user_, request);
  }
  base::Task<Result<std::unique_ptr<HttpStream>>> open(HttpRequest request, base::Duration) override {
    co_return server_.watch(user_, request);
  }
  void close_idle() override {}
  void close_all() override {}

 private:
  CsrServer& server_;
  std::string user_;
};

namespace {

// A head with a body that has arrived whole.
class WholeStream final : public HttpStream {
 public:
  explicit WholeStream(HttpResponse response) : response_(std::move(response)) {}
  int status() const override { return response_.status; }
  const Headers& headers() const override { return response_.headers; }
  base::Task<Result<std::string>> read() override { co_return std::exchange(response_.body, {}); }

 private:
  HttpResponse response_;
};

}  // namespace

CsrServer::CsrServer(base::Loop& loop, base::Clock& clock, TestCa& ca) : loop_(loop), clock_(clock), ca_(ca) {}

CsrServer::~CsrServer() = default;

Transport& CsrServer::transport(const std::string& user) {
  auto& connection = connections_[user];
  if (connection == nullptr) connection = std::make_unique<Connection>(*this, user);
  return *connection;
}

Headers CsrServer::headers() const {
  return {{"content-type", binary ? "application/vnd.kubernetes.protobuf" : "application/json"}};
}

HttpResponse CsrServer::object(int status, const google::protobuf::Message& message) const {
  return {status, headers(), binary ? api::encode_binary(message) : api::encode_json(message)};
}

HttpResponse CsrServer::failure(int status, const std::string& reason, const std::string& message) const {
  api::meta::Status body;
  body.set_status("Failure");
  body.set_reason(reason);
  body.set_message(message);
  body.set_code(status);
  return object(status, body);
}

Result<HttpResponse> CsrServer::answer(const std::string& user, const HttpRequest& request) {
  if (away) {
    log.push_back(user + " (away)");
    return Error(ErrorKind::unavailable, "connect: connection refused");
  }
  if (request.target.starts_with("/healthz")) {
    log.push_back(user + " healthz");
    return HttpResponse{sick ? 500 : 200, {}, sick ? "bad" : "ok"};
  }
  const bool single = request.target.starts_with(kPath + "/");
  const std::string name = single ? request.target.substr(kPath.size() + 1) : selected_name(request.target);
  log.push_back(user + " " +
                (request.method == "POST" ? "POST"
                 : single                 ? "GET " + name
                                          : "LIST metadata.name=" + name));
  if (refuse_status != 0) return failure(refuse_status, "Refused", "refused");
  if (request.method == "POST") return create(request.body);
  const auto found = requests.find(name);
  if (single) return found == requests.end() ? failure(404, "NotFound", "no " + name) : object(200, found->second);
  SigningRequestList list;
  list.mutable_metadata()->set_resourceversion(std::to_string(counter_));
  if (found != requests.end()) *list.add_items() = found->second;
  return object(200, list);
}

HttpResponse CsrServer::create(const std::string& body) {
  SigningRequest request;
  const Status read =
      body.starts_with("k8s") ? api::decode_binary_into(body, request) : api::decode_json_into(body, request);
  if (!read.ok()) return failure(400, "BadRequest", read.error().to_string());
  ++counter_;
  auto& metadata = *request.mutable_metadata();
  if (metadata.name().empty()) metadata.set_name(metadata.generatename() + std::to_string(counter_));
  if (requests.count(metadata.name()) != 0) return failure(409, "AlreadyExists", "it exists");
  metadata.set_uid("uid-" + std::to_string(counter_));
  metadata.set_resourceversion(std::to_string(counter_));
  last_name_ = metadata.name();
  requests[last_name_] = request;
  const HttpResponse response = object(201, request);
  switch (policy) {
    case Policy::sign: sign(last_name_); break;
    case Policy::deny: settle(last_name_, "Denied", "No", "not you"); break;
    case Policy::fail: settle(last_name_, "Failed", "SignerValidationFailure", "bad names"); break;
    case Policy::hold: break;
  }
  return response;
}

void CsrServer::sign(const std::string& name) {
  const std::string pem = ca_.sign(requests.at(name).spec().request(), clock_.now(), lifetime);
  settle(name, "Approved", "AutoApproved", "Auto approving");
  requests.at(name).mutable_status()->set_certificate(pem);
  tell("MODIFIED", requests.at(name));
}

void CsrServer::settle(const std::string& name, const std::string& type, const std::string& reason,
                       const std::string& message) {
  auto& request = requests.at(name);
  auto* condition = request.mutable_status()->add_conditions();
  condition->set_type(type);
  condition->set_status("True");
  condition->set_reason(reason);
  condition->set_message(message);
  request.mutable_metadata()->set_resourceversion(std::to_string(++counter_));
  tell("MODIFIED", request);
}

void CsrServer::remove(const std::string& name) {
  const SigningRequest gone = requests.at(name);
  requests.erase(name);
  tell("DELETED", gone);
}

void CsrServer::tell(const std::string& type, const SigningRequest& request) {
  const auto format = binary ? api::WireFormat::protobuf : api::WireFormat::json;
  for (Stream* stream : watches_) {
    if (stream->name() == request.metadata().name()) stream->push(api::encode_watch_event(type, request, format));
  }
}

void CsrServer::end_watches() { say_to_watches({}); }

void CsrServer::say_to_watches(const std::string& bytes) {
  for (Stream* stream : watches_) stream->push(bytes);
}

std::size_t CsrServer::count(const std::string& prefix) const {
  return static_cast<std::size_t>(
      std::count_if(log.begin(), log.end(), [&](const std::string& line) { return line.starts_with(prefix); }));
}

Result<std::unique_ptr<HttpStream>> CsrServer::watch(const std::string& user, const HttpRequest& request) {
  if (away) return Error(ErrorKind::unavailable, "connect: connection refused");
  const std::string name = selected_name(request.target);
  const bool initial = parameter(request.target, "sendInitialEvents") == "true";
  log.push_back(user + " WATCH metadata.name=" + name + (initial ? " initial" : ""));
  std::unique_ptr<HttpStream> refused;
  if (refuse_status != 0) refused = std::make_unique<WholeStream>(failure(refuse_status, "Refused", "refused"));
  if (initial && !initial_events) {
    refused = std::make_unique<WholeStream>(failure(422, "Invalid", "sendInitialEvents is forbidden"));
  }
  if (refused != nullptr) return refused;
  auto stream = std::make_unique<Stream>(*this, name);
  const auto found = requests.find(name);
  const auto format = binary ? api::WireFormat::protobuf : api::WireFormat::json;
  if (initial && found != requests.end()) stream->push(api::encode_watch_event("ADDED", found->second, format));
  if (initial) {
    SigningRequest bookmark;
    (*bookmark.mutable_metadata()->mutable_annotations())["k8s.io/initial-events-end"] = "true";
    stream->push(api::encode_watch_event("BOOKMARK", bookmark, format));
  }
  return std::unique_ptr<HttpStream>(std::move(stream));
}

}  // namespace keelson::kube::testing
