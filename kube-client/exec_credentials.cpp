#include "kube-client/exec_credentials.hpp"

#include "api/document.hpp"
#include "api/json_text.hpp"
#include "api/time.hpp"
#include "base/process.hpp"
#include "kube-client/certificate_store.hpp"
#include "kube-client/x509.hpp"

namespace keelson::kube {
namespace {

constexpr base::Duration kLimit = std::chrono::seconds(60);
constexpr base::Duration kFailureKept = std::chrono::seconds(2);
constexpr std::size_t kShownError = 1024;

Error bad(std::string message) { return Error(ErrorKind::invalid, std::move(message)); }

// The end of what was said, on one line.
std::string one_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  if (text.size() > kShownError) text.erase(0, text.size() - kShownError);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return text;
}

Result<std::string> text_of(const api::Node& status, std::string_view key) {
  const api::Node* value = status.find(key);
  if (value == nullptr || value->is_null()) return std::string();
  if (!value->is_string()) return bad("status." + std::string(key) + ": expected a string");
  return value->text;
}

// The run's end, however it ends.
class Ended {
 public:
  Ended(bool& running, std::size_t& runs, base::Notification& bell) : running_(running), runs_(runs), bell_(bell) {}
  ~Ended() {
    running_ = false;
    ++runs_;
    bell_.notify();
  }
  Ended(const Ended&) = delete;
  Ended& operator=(const Ended&) = delete;

 private:
  bool& running_;
  std::size_t& runs_;
  base::Notification& bell_;
};

}  // namespace

std::string exec_info(const ExecPlugin& plugin) {
  std::string json = R"({"kind":"ExecCredential","apiVersion":)";
  api::append_quoted(json, plugin.api_version);
  json += R"(,"spec":{)";
  if (!plugin.cluster_json.empty()) json += R"("cluster":)" + plugin.cluster_json + ",";
  return json + R"("interactive":false}})";
}

Result<ExecAnswer> parse_exec_answer(std::string_view text, const std::string& api_version) {
  const auto document = api::parse_document(text);
  if (!document.ok()) return document.error();
  const api::Node* kind = document->find("kind");
  const api::Node* version = document->find("apiVersion");
  if (kind == nullptr || kind->text != "ExecCredential") return bad("expected an object of kind ExecCredential");
  if (version == nullptr || version->text != api_version) {
    return bad("expected apiVersion " + api_version + (version == nullptr ? "" : ", found " + version->text));
  }
  const api::Node* status = document->find("status");
  if (status == nullptr || !status->is_map()) return bad("there is no status in it");
  auto token = text_of(*status, "token");
  if (!token.ok()) return std::move(token).error();
  auto certificate = text_of(*status, "clientCertificateData");
  if (!certificate.ok()) return std::move(certificate).error();
  auto key = text_of(*status, "clientKeyData");
  if (!key.ok()) return std::move(key).error();
  auto expires = text_of(*status, "expirationTimestamp");
  if (!expires.ok()) return std::move(expires).error();

  if (certificate->empty() != key->empty()) return bad("expected clientCertificateData and clientKeyData together");
  if (token->empty() && certificate->empty()) return bad("there is neither token nor certificate in status");
  ExecAnswer answer;
  answer.token = std::move(*token);
  if (!certificate->empty()) {
    answer.identity = split_pem(*certificate, *key);
    const Status matches = check_key_pair(answer.identity->certificate_pem, answer.identity->key_pem);
    if (!matches.ok()) return matches.error();
  }
  if (!expires->empty()) {
    const auto time = api::parse_time(*expires);
    if (!time.ok()) return time.error().wrap("status.expirationTimestamp");
    answer.expires = api::to_system_time(*time);
  }
  return answer;
}

ExecCredentials::ExecCredentials(base::Loop& loop, base::Clock& clock, ExecPlugin plugin, Environment environment,
                                 base::Logger log)
    : loop_(loop),
      clock_(clock),
      plugin_(std::move(plugin)),
      environment_(std::move(environment)),
      log_(std::move(log)),
      ended_(loop) {
  for (const auto& [name, value] : plugin_.env) environment_[name] = value;
  environment_["KUBERNETES_EXEC_INFO"] = exec_info(plugin_);
}

bool ExecCredentials::usable() const {
  return answered_ && !refused_ && (!answer_.expires || clock_.now() < *answer_.expires);
}

bool ExecCredentials::failed_just_now() const {
  return failure_.has_value() && clock_.steady_now() - failed_at_ < kFailureKept;
}

base::Task<Result<std::string>> ExecCredentials::authorization() {
  if (!usable()) {
    if (!running_ && failed_just_now()) co_return *failure_;
    if (gate_ == nullptr || gate_->stopping()) co_return Error(ErrorKind::cancelled, "the exec plugin is stopped");
    const std::size_t before = runs_;
    if (!running_) {
      running_ = true;
      base::spawn(*gate_, "exec-credentials", run());
    }
    while (runs_ == before) co_await ended_.wait();
    if (failure_) co_return *failure_;
  }
  co_return answer_.token.empty() ? std::string() : "Bearer " + answer_.token;
}

base::Task<void> ExecCredentials::run() {
  const Ended ended(running_, runs_, ended_);
  failure_ = Error(ErrorKind::cancelled, "the exec plugin was stopped");
  failed_at_ = clock_.steady_now();
  auto answer = co_await ask();
  if (answer.ok()) {
    keep(std::move(*answer));
    co_return;
  }
  failure_ = std::move(answer).error().wrap("getting credentials from exec plugin " + plugin_.command);
  failed_at_ = clock_.steady_now();
  log_.error("No credentials from exec plugin", {{"err", *failure_}});
}

base::Task<Result<ExecAnswer>> ExecCredentials::ask() {
  base::ProcessRequest request;
  request.command = plugin_.command;
  request.args = plugin_.args;
  request.environment = environment_;
  request.limit = kLimit;
  auto result = co_await base::run_process(loop_, clock_, std::move(request));
  if (!result.ok()) {
    const bool hint = result.error().kind() == ErrorKind::not_found && !plugin_.install_hint.empty();
    if (!hint) co_return std::move(result).error();
    co_return Error(ErrorKind::not_found, result.error().message() + ": " + one_line(plugin_.install_hint));
  }
  if (result->signal != 0 || result->exit_code != 0) {
    const std::string how = result->signal != 0 ? "was killed by signal " + std::to_string(result->signal)
                                                : "exited with status " + std::to_string(result->exit_code);
    co_return Error(ErrorKind::unavailable, "it " + how + ": " + one_line(std::move(result->err)));
  }
  auto answer = parse_exec_answer(result->out, plugin_.api_version);
  if (!answer.ok()) co_return std::move(answer).error().wrap("while reading its answer");
  co_return answer;
}

void ExecCredentials::keep(ExecAnswer answer) {
  failure_.reset();
  refused_ = false;
  answered_ = true;
  const bool changed = answer.identity != answer_.identity;
  answer_ = std::move(answer);
  if (changed && listener_) listener_();
}

}  // namespace keelson::kube
