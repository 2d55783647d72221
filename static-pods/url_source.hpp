// UrlSource: the static pods that a URL gives.
//
// GETs the URL every `period` with the configured headers, at most 10 s for the whole exchange, redirects followed,
// server certificates checked against the system's. A body equal to the last one is not looked at again. An empty body
// means no pods; else it is a Pod or a PodList, JSON or YAML. Anything bad (no answer, a status other than 200, a body
// that is not good as a whole) leaves the last good pods as they are and is in problems(). Until the first good answer
// nothing is delivered: the source is not ready, so nobody will take its pods for gone.
//
// Neither header values nor the URL's user and password are ever logged.
//
// Owner: agent/wiring. Thread: the loop; requests are made on the blocking pool, values in, values out. Stops: stop()
// ends the polling; a request in flight ends by itself. Source: contract 02 section 4; 01 section 2.2 (staticPodURL,
// staticPodURLHeader, httpCheckFrequency).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "static-pods/manifest.hpp"
#include "static-pods/problem_list.hpp"
#include "static-pods/source.hpp"

namespace keelson::static_pods {

using HttpHeaders = std::multimap<std::string, std::string>;

struct UrlConfig {
  std::string url;
  HttpHeaders headers;
  std::string node_name;
  base::Duration period = std::chrono::seconds(20);
};

// The body of a 200 answer. Blocking, for the pool. `fetch_url` is the real one; tests bring their own.
using Fetch = std::function<Result<std::string>(const std::string& url, const HttpHeaders& headers)>;
Result<std::string> fetch_url(const std::string& url, const HttpHeaders& headers);

// The URL without user and password, for people.
std::string shown_url(const std::string& url);

class UrlSource {
 public:
  UrlSource(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, base::Logger log, UrlConfig config,
            Listener& listener, Fetch fetch = fetch_url);

  void start();
  base::Task<void> stop();

  std::vector<Problem> problems() const { return problems_.list(); }
  bool delivered() const { return delivered_; }

 private:
  base::Task<void> run();
  base::Task<void> poll();
  void take(Manifest manifest);

  base::Clock& clock_;
  base::BlockingPool& pool_;
  base::Logger log_;
  UrlConfig config_;
  Listener& listener_;
  Fetch fetch_;
  std::string shown_;
  ProblemList problems_;
  std::optional<std::string> body_;  // the last one, good or bad
  std::string body_error_;           // what is wrong with it
  std::string body_warning_;
  std::string duplicate_;
  std::map<std::string, std::string> seen_;  // kubernetes.io/config.seen by UID
  bool delivered_ = false;
  base::Gate gate_;
};

}  // namespace keelson::static_pods
