// /statusz and /flagz: what runs here since when, and the command line's flags, as text for people or as objects.
//
// Owner: the agent's wiring. Thread: the loop. Stops: with the connection's task. What fails: the client takes none of
// the forms (406 with a Status object).
// Source: contract 05 §6 "/statusz", "/flagz"; the API's types config.k8s.io/v1beta1 Statusz and Flagz.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "agent/server/message.hpp"
#include "base/clock.hpp"

namespace keelson::node_api {

// A page with its two faces; both are made only when they are wanted.
struct ZPage {
  std::string kind;                                // "Statusz"
  std::string text_type;                           // Content-Type of the text when the client has asked for text
  std::function<std::string()> text;               // below the warning
  std::function<nlohmann::ordered_json()> fields;  // those behind metadata
};
server::Response zpage_answer(const server::Request& request, const ZPage& page);

// What never changes while the agent runs.
struct StatuszFacts {
  base::SystemTime started{};
  std::string go_version;          // of what built the agent
  std::string binary_version;      // "1.36.2"
  std::string emulation_version;   // "1.36"
  std::vector<std::string> paths;  // of the server's routes, in any order; their first segments are shown
};

// "/a", "/b" of "/a", "/b/c", "/a/": sorted, each once.
std::vector<std::string> first_segments(const std::vector<std::string>& paths);

class StatuszHandler final : public server::Handler {
 public:
  StatuszHandler(base::Clock& clock, StatuszFacts facts);
  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

 private:
  server::Response respond(const server::Request& request);
  std::string text();
  nlohmann::ordered_json fields() const;
  std::int64_t uptime_seconds() const;

  base::Clock& clock_;
  StatuszFacts facts_;
  std::size_t answers_ = 0;
};

class FlagzHandler final : public server::Handler {
 public:
  // Name to value, of all flags: flag_values().
  explicit FlagzHandler(std::map<std::string, std::string> flags) : flags_(std::move(flags)) {}
  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

 private:
  server::Response respond(const server::Request& request) const;

  std::map<std::string, std::string> flags_;
};

}  // namespace keelson::node_api
