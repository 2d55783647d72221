#include <openssl/rand.h>
#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <nlohmann/json.hpp>

#include "tests/support/api/node_streams.hpp"
#include "tests/support/api/server_internal.hpp"
#include "tests/support/api/server_proxy.hpp"

namespace keelson::fakes::server {
namespace {

std::string bearer_token(const ApiRequest& request) {
  const auto* value = kube::find_header(request.headers, "authorization");
  if (value == nullptr || value->size() < 7) return {};
  std::string scheme = value->substr(0, 7);
  for (auto& c : scheme) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return scheme == "bearer " ? value->substr(7) : std::string();
}

std::string gzip(const std::string& body) {
  z_stream stream{};
  KEELSON_CHECK(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, body.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  KEELSON_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

bool accepts_gzip(const std::optional<std::string>& accepted) {
  return accepted && accepted->find("gzip") != std::string::npos;
}

std::string new_audit_id() {
  unsigned char bytes[16];
  RAND_bytes(bytes, sizeof bytes);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += {kHex[bytes[i] >> 4], kHex[bytes[i] & 15]};
  }
  return out;
}

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text;
}

void add_missing(kube::Headers& headers, const char* name, std::string value) {
  if (kube::find_header(headers, name) == nullptr) headers.emplace_back(name, std::move(value));
}

void finish(const FakeApiServerOptions& options, const std::optional<std::string>& accepted, ApiAnswer& answer) {
  add_missing(answer.headers, "audit-id", new_audit_id());
  add_missing(answer.headers, "cache-control", "no-cache, private");
  add_missing(answer.headers, "date", http_date());
  if (!answer.body.empty()) add_missing(answer.headers, "content-type", "application/json");
  const bool plain = kube::find_header(answer.headers, "content-encoding") == nullptr;
  if (plain && answer.stream == nullptr && answer.body.size() >= options.gzip_from && accepts_gzip(accepted)) {
    answer.body = gzip(answer.body);
    answer.headers.emplace_back("content-encoding", "gzip");
    answer.headers.emplace_back("vary", "Accept-Encoding");
  }
}

}  // namespace

std::optional<ApiUser> authenticate(const ApiHandler& backend, const PeerCertificate& peer, const ApiRequest& request) {
  auto user = peer.user();
  const auto token = bearer_token(request);
  if (!user && !token.empty()) user = backend.user_of_token(token);
  if (!user) {
    if (peer.present() || !token.empty()) return std::nullopt;
    return ApiUser{};
  }
  auto& groups = user->groups;
  if (std::find(groups.begin(), groups.end(), "system:authenticated") == groups.end()) {
    groups.emplace_back("system:authenticated");
  }
  return user;
}

InProgress::InProgress(FakeApiServerCounts& counts) : counts_(counts) {
  ++counts_.requests;
  ++counts_.in_progress;
  counts_.most_in_progress = std::max(counts_.most_in_progress, counts_.in_progress);
}

ApiAnswer status_answer(int code, const std::string& reason, const std::string& message) {
  ApiAnswer answer;
  answer.status = code;
  answer.headers.emplace_back("content-type", "application/json");
  nlohmann::ordered_json status;
  status["kind"] = "Status";
  status["apiVersion"] = "v1";
  status["metadata"] = nlohmann::ordered_json::object();
  status["status"] = "Failure";
  status["message"] = message;
  if (!reason.empty()) status["reason"] = reason;
  status["code"] = code;
  answer.body = status.dump() + "\n";
  return answer;
}

bool may_have_body(const std::string& method, int status) {
  return method != "HEAD" && status != 204 && status != 304 && status >= 200;
}

base::Task<ApiAnswer> answer_request(Host* host, PeerCertificate peer, ApiRequest request) {
  std::optional<std::string> accepted;
  if (const auto* value = kube::find_header(request.headers, "accept-encoding")) accepted = *value;
  const auto user = authenticate(host->backend, peer, request);
  ApiAnswer answer;
  if (!user) {
    answer = status_answer(401, "Unauthorized", "Unauthorized");
  } else if (is_node_stream(request.target) && host->options.nodes != nullptr) {
    request.user = *user;
    answer = co_await host->options.nodes->answer(std::move(request));
  } else if (is_node_stream(request.target)) {
    answer = status_answer(501, "NotImplemented", "this server does not reach the node's own port: " + request.target);
  } else {
    request.user = *user;
    answer = co_await host->backend.handle(std::move(request));
  }
  finish(host->options, accepted, answer);
  co_return answer;
}

}  // namespace keelson::fakes::server
