#include "agent/images/credential_plugins.hpp"

#include <algorithm>

#include "agent/sync/containers.hpp"
#include "base/sha256.hpp"
#include "base/when_all.hpp"

namespace keelson::agent {
namespace {

using base::Task;
using Scope = PluginResponse::Scope;

constexpr base::Duration kRunLimit = std::chrono::minutes(1);
constexpr base::Duration kPurgePeriod = std::chrono::minutes(15);
constexpr std::int64_t kTokenSeconds = 3600;
constexpr std::size_t kShownError = 1024;

bool fits(const config::CredentialProvider& provider, const std::string& image) {
  return std::any_of(provider.match_images.begin(), provider.match_images.end(),
                     [&](const std::string& pattern) { return matches_image(pattern, image); });
}

// The end of what a program has said, on one line.
std::string one_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  if (text.size() > kShownError) text.erase(0, text.size() - kShownError);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return text;
}

PluginCacheKey account_key(const config::CredentialProvider& provider, const api::Pod& pod,
                           const std::optional<PluginAccount>& account) {
  PluginCacheKey key;
  if (!account) return key;
  key.account = account->account;
  key.annotations = account->annotations;
  if (provider.token_attributes->cache_type == "Token") {
    key.pod_uid = pod.metadata().uid();
    key.token_hash = base::sha256_hex(account->token);
  }
  return key;
}

}  // namespace

// The run's end, however it ends: whoever waits has an answer.
class CredentialPlugins::Landing {
 public:
  Landing(Plugin* plugin, std::shared_ptr<Flight> flight, const PluginCacheKey& key)
      : plugin_(plugin), flight_(std::move(flight)), key_(key) {}
  ~Landing() {
    if (!flight_->logins) flight_->logins.emplace();
    flight_->ended.notify();
    plugin_->flights.erase(key_);
  }
  Landing(const Landing&) = delete;
  Landing& operator=(const Landing&) = delete;

 private:
  Plugin* plugin_;
  std::shared_ptr<Flight> flight_;
  PluginCacheKey key_;
};

CredentialPlugins::CredentialPlugins(base::Loop& loop, base::Clock& clock, ProgramRunner* runner, PodObjects& objects,
                                     PluginSettings settings, base::Logger log)
    : loop_(loop),
      clock_(clock),
      runner_(runner),
      objects_(objects),
      directory_(std::move(settings.directory)),
      environment_(std::move(settings.environment)),
      log_(std::move(log)) {
  KEELSON_CHECK(runner != nullptr || settings.providers.empty());
  for (auto& provider : settings.providers) {
    plugins_.push_back(std::make_unique<Plugin>());
    plugins_.back()->provider = std::move(provider);
    plugins_.back()->purged = clock_.steady_now();
  }
}

Task<std::vector<Credential>> CredentialPlugins::find(api::PodPtr pod, std::string repository) {
  std::vector<Task<Answer>> questions;
  for (const auto& plugin : plugins_) {
    if (fits(plugin->provider, repository)) questions.push_back(ask(plugin.get(), pod, repository));
  }
  if (questions.empty()) co_return std::vector<Credential>{};
  auto answers = co_await base::when_all(std::move(questions));
  Keyring keyring;
  for (const Answer& answer : answers) keyring.add(answer.origin, answer.logins);
  co_return keyring.lookup(repository);
}

Task<CredentialPlugins::Answer> CredentialPlugins::ask(Plugin* plugin, api::PodPtr pod, std::string image) {
  Answer answer;
  Question question;
  question.image = std::move(image);
  const auto& attributes = plugin->provider.token_attributes;
  const bool has_account = !pod->spec().serviceaccountname().empty();
  if (attributes && !has_account && attributes->require_service_account) co_return answer;
  if (attributes && has_account) {
    auto account = co_await account_of(plugin, pod);
    if (!account.ok()) complain(*plugin, *pod, account.error());
    if (!account.ok() || !*account) co_return answer;
    answer.origin.account = (*account)->account;
    question.account = std::move(*account);
  }
  question.key = account_key(plugin->provider, *pod, question.account);
  if (auto known = kept(*plugin, question)) {
    answer.logins = std::move(*known);
    co_return answer;
  }
  const std::shared_ptr<Flight> flight = board(plugin, question);
  while (!flight->logins) co_await flight->ended.wait();
  answer.logins = *flight->logins;
  co_return answer;
}

Task<Result<std::optional<PluginAccount>>> CredentialPlugins::account_of(const Plugin* plugin, api::PodPtr pod) {
  const auto& attributes = *plugin->provider.token_attributes;
  auto account = co_await objects_.service_account(pod);
  if (!account.ok()) co_return account.error().wrap("while reading its service account");
  const auto& meta = (*account)->metadata();
  PluginAccount out;
  out.account = {meta.namespace_(), meta.name(), meta.uid()};
  for (const std::string& key : attributes.required_service_account_annotation_keys) {
    const auto found = meta.annotations().find(key);
    if (found == meta.annotations().end()) co_return std::optional<PluginAccount>();
    out.annotations[key] = found->second;
  }
  for (const std::string& key : attributes.optional_service_account_annotation_keys) {
    const auto found = meta.annotations().find(key);
    if (found != meta.annotations().end()) out.annotations[key] = found->second;
  }
  auto token = co_await objects_.token(pod, attributes.service_account_token_audience, kTokenSeconds);
  if (!token.ok()) co_return token.error();
  out.token = std::move(*token);
  co_return std::optional<PluginAccount>(std::move(out));
}

void CredentialPlugins::complain(const Plugin& plugin, const api::Pod& pod, const Error& error) const {
  log_.warning("A credential plugin is not asked for the pod's image",
               {{"plugin", plugin.provider.name}, {"pod", pod_path(pod)}, {"err", error}});
}

// --- What is kept ---

std::optional<DockerConfig> CredentialPlugins::kept(Plugin& plugin, const Question& question) {
  const base::SteadyTime now = clock_.steady_now();
  if (now - plugin.purged > kPurgePeriod) {
    std::erase_if(plugin.cache, [&](const auto& entry) { return entry.second.until <= now; });
    plugin.purged = now;
  }
  for (const Scope scope : {Scope::image, Scope::registry, Scope::global}) {
    PluginCacheKey key = question.key;
    key.what = cache_subject(scope, question.image);
    const auto found = plugin.cache.find(key);
    if (found != plugin.cache.end() && now < found->second.until) return found->second.logins;
  }
  return std::nullopt;
}

void CredentialPlugins::keep(Plugin& plugin, const Question& question, const PluginResponse& response) {
  const base::Duration duration = response.cache_duration.value_or(plugin.provider.default_cache_duration);
  if (duration <= base::Duration::zero()) return;
  const base::SteadyTime now = clock_.steady_now();
  PluginCacheKey key = question.key;
  key.what = cache_subject(response.scope, question.image);
  plugin.cache[key] = {response.logins,
                       duration > base::SteadyTime::max() - now ? base::SteadyTime::max() : now + duration};
}

// --- Runs ---

std::shared_ptr<CredentialPlugins::Flight> CredentialPlugins::board(Plugin* plugin, const Question& question) {
  PluginCacheKey key = question.key;
  key.what = question.image;
  if (question.account) key.token_hash = base::sha256_hex(question.account->token);
  const auto under_way = plugin->flights.find(key);
  if (under_way != plugin->flights.end()) return under_way->second;
  auto flight = std::make_shared<Flight>(loop_);
  if (gate_ == nullptr || gate_->stopping()) {
    flight->logins.emplace();
    return flight;
  }
  plugin->flights[key] = flight;
  base::spawn(*gate_, "credential plugin " + plugin->provider.name, fly(plugin, flight, question, key));
  return flight;
}

Task<void> CredentialPlugins::fly(Plugin* plugin, std::shared_ptr<Flight> flight, Question question,
                                  PluginCacheKey key) {
  const Landing landing(plugin, flight, key);
  const base::SteadyTime begun = clock_.steady_now();
  auto response = co_await run(plugin, question);
  metrics_.durations[{plugin->provider.name}].observe(clock_.steady_now() - begun);
  if (!response.ok()) {
    ++metrics_.errors[{plugin->provider.name}];
    log_.error("A credential plugin has no logins",
               {{"plugin", plugin->provider.name}, {"image", question.image}, {"err", response.error()}});
    co_return;
  }
  keep(*plugin, question, *response);
  flight->logins = std::move(response->logins);
}

base::ProcessRequest CredentialPlugins::process_request(const Plugin& plugin, const Question& question) const {
  base::ProcessRequest request;
  request.command = directory_ + "/" + plugin.provider.name;
  request.args = plugin.provider.args;
  request.environment = environment_;
  for (const auto& [name, value] : plugin.provider.env) request.environment[name] = value;
  request.input = plugin_request(plugin.provider.api_version, question.image, question.account);
  request.limit = kRunLimit;
  return request;
}

Task<Result<PluginResponse>> CredentialPlugins::run(const Plugin* plugin, Question question) {
  base::ProcessRequest request = process_request(*plugin, question);
  auto ended = co_await runner_->run(std::move(request));
  if (!ended.ok()) co_return ended.error();
  if (ended->signal != 0 || ended->exit_code != 0) {
    const std::string how = ended->signal != 0 ? "was killed by signal " + std::to_string(ended->signal)
                                               : "exited with status " + std::to_string(ended->exit_code);
    co_return Error(ErrorKind::unavailable, "it " + how + ": " + one_line(std::move(ended->err)));
  }
  auto response = parse_plugin_response(ended->out, plugin->provider.api_version);
  if (!response.ok()) co_return response.error().wrap("while reading its answer");
  const bool token_cached =
      plugin->provider.token_attributes && plugin->provider.token_attributes->cache_type == "Token";
  if (question.account && !token_cached && echoes_token(*response, question.account->token)) {
    co_return Error(ErrorKind::invalid,
                    "it answers the service account's token as a password, which needs cacheType Token");
  }
  co_return response;
}

}  // namespace keelson::agent
