// http_get(): one GET as the kubelet makes it for probes and lifecycle hooks.
//
// HTTP/1.1 on a connection of its own that is not kept; no proxy, no Accept-Encoding; TLS that verifies nothing;
// redirects are followed to the same host name only, at most ten requests in all; of the body the first 10 KiB are
// read. What fails is told in Go's words, which users know from events: `Get "http://10.0.0.1:80/": dial tcp
// 10.0.0.1:80: connect: connection refused`. Owner: the caller awaits it. Thread: the loop. Stops: with the awaiting
// task, or when the limit is over. Source: contract 02 §17, §18.
#pragma once

#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "probes/http_message.hpp"
#include "probes/network.hpp"
#include "probes/url.hpp"

namespace keelson::probes {

struct HttpGet {
  HttpGet() = default;  // no aggregate: see CONTRIBUTING about GCC 12

  Url url;
  HttpHeaders headers;     // as the pod gives them
  std::string user_agent;  // unless the headers name one
  base::Duration limit{};  // of everything, redirects and body included; zero: none
};

struct HttpOutcome {
  enum class Kind {
    answered,    // status and body are there; the status may be anything
    failed,      // no answer: error says why
    body_failed  // status is there, but the body could not be read: error says why
  };
  Kind kind = Kind::failed;
  int status = 0;
  std::string body;
  std::string error;
  // With failed: an HTTPS request was answered in plain HTTP. Hooks then try again without TLS.
  bool plain_http = false;
};

// `network` outlives the call.
base::Task<HttpOutcome> http_get(Network& network, HttpGet request);

}  // namespace keelson::probes
