#include "static-pods/url_source.hpp"

#include <algorithm>
#include <utility>

namespace keelson::static_pods {
namespace {

constexpr base::Duration kFetchLimit = std::chrono::seconds(12);  // the client itself gives up after 10 s
constexpr base::Duration kReadLimit = std::chrono::seconds(30);

Result<Manifest> read_on_pool(const std::string& body, const Origin& origin) { return read_manifest(body, origin); }

}  // namespace

std::string shown_url(const std::string& url) {
  const auto scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  const auto start = scheme + 3;
  const auto end = std::min(url.find_first_of("/?#", start), url.size());
  const auto at = url.rfind('@', end);
  if (at == std::string::npos || at < start) return url;
  return url.substr(0, start) + url.substr(at + 1);
}

UrlSource::UrlSource(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, base::Logger log, UrlConfig config,
                     Listener& listener, Fetch fetch)
    : clock_(clock),
      pool_(pool),
      log_(log),
      config_(std::move(config)),
      listener_(listener),
      fetch_(std::move(fetch)),
      shown_(shown_url(config_.url)),
      problems_(clock, log),
      gate_(loop) {}

void UrlSource::start() { base::spawn(gate_, "static-pods url", run()); }

base::Task<void> UrlSource::stop() { co_await gate_.stop(); }

base::Task<void> UrlSource::run() {
  for (;;) {
    const auto next = clock_.steady_now() + config_.period;
    co_await poll();
    co_await clock_.sleep_until(next);
  }
}

base::Task<void> UrlSource::poll() {
  // Named locals: GCC 12 destroys aggregates twice that are built inside an awaiting expression.
  std::function<Result<std::string>()> get = std::bind(fetch_, config_.url, config_.headers);
  auto body = co_await pool_.run<std::string>("GET " + shown_, kFetchLimit, std::move(get));
  problems_.begin();
  if (!body.ok()) {
    problems_.note(shown_, body.error().to_string(), false, delivered_);
  } else if (!body_ || *body_ != *body) {
    Manifest manifest;
    bool read = true;
    if (!body->empty()) {
      const Origin origin{Origin::Kind::url, config_.url, config_.node_name};
      std::function<Result<Manifest>()> parse = std::bind(read_on_pool, *body, origin);
      auto parsed = co_await pool_.run<Manifest>("read pods of " + shown_, kReadLimit, std::move(parse));
      read = parsed.ok();
      if (read) manifest = std::move(*parsed);
      if (!read) problems_.note(shown_, parsed.error().to_string(), false, delivered_);
    }
    if (read) {
      body_ = std::move(*body);
      take(std::move(manifest));
    }
  }
  if (!body_error_.empty()) problems_.note(shown_, body_error_, false, delivered_);
  if (!body_warning_.empty()) problems_.note(shown_, body_warning_, true, false);
  if (!duplicate_.empty()) problems_.note(shown_, duplicate_, false, false);
  problems_.finish();
}

void UrlSource::take(Manifest manifest) {
  body_error_ = join(manifest.errors);
  body_warning_ = body_error_.empty() ? join(manifest.warnings) : "";
  if (!body_error_.empty()) return;
  duplicate_.clear();
  std::vector<StaticPod> pods;
  std::set<std::string> names;
  std::map<std::string, std::string> seen;
  for (auto& pod : manifest.pods) {
    const auto& metadata = pod.metadata();
    const std::string name = metadata.name() + "_" + metadata.namespace_();
    const bool first_name = names.insert(name).second;
    const bool first_uid = names.insert("uid " + metadata.uid()).second;
    if (!first_name || !first_uid) {
      duplicate_ = "metadata.name: Duplicate value: two pods are called " + metadata.namespace_() + "/" +
                   metadata.name() + "; the first one counts";
      if (!first_name) {
        const std::string message = "Error validating pod " + name + "(" + metadata.uid() +
                                    ") from http due to duplicate pod name \"" + metadata.name() + "\", ignoring";
        listener_.on_event({std::make_shared<const api::Pod>(std::move(pod)), "Warning", "FailedValidation", message});
      } else {
        duplicate_ = "metadata.uid: Duplicate value: two pods have UID " + metadata.uid() + "; the first one counts";
      }
      continue;
    }
    const auto known = seen_.find(metadata.uid());
    const std::string when = known == seen_.end() ? format_seen(clock_.now()) : known->second;
    seen[metadata.uid()] = when;
    (*pod.mutable_metadata()->mutable_annotations())[kConfigSeen] = when;
    pods.push_back({std::make_shared<const api::Pod>(std::move(pod)), shown_});
  }
  seen_ = std::move(seen);
  delivered_ = true;
  listener_.on_pods(std::move(pods));
}

}  // namespace keelson::static_pods
