#include "agent/node_api/zpages.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <ctime>
#include <set>

#include "agent/node_api/answers.hpp"
#include "agent/node_api/media_types.hpp"
#include "api/document.hpp"
#include "api/json_text.hpp"
#include "base/duration.hpp"

namespace keelson::node_api {
namespace {

using Json = nlohmann::ordered_json;
using Form = ZPageChoice::Form;

constexpr const char* kComponent = "kubelet";
constexpr const char* kGroup = "config.k8s.io";
constexpr const char* kPlain = "text/plain";
constexpr const char* kPlainUtf8 = "text/plain; charset=utf-8";
constexpr const char* kMediaTypes =
    "application/json, application/yaml, application/vnd.kubernetes.protobuf, text/plain";
// They change so that nobody parses the text.
constexpr std::array<std::string_view, 4> kSeparators = {":", ": ", "=", " "};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string text_head(const std::string& kind) {
  return "\n" + std::string(kComponent) + " " + lower(kind) +
         "\nWarning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees "
         "and "
         "is for debugging purposes only.\n";
}

bool is_true(std::string_view text) {
  constexpr std::array<std::string_view, 6> kTrue = {"1", "t", "T", "TRUE", "true", "True"};
  return std::find(kTrue.begin(), kTrue.end(), text) != kTrue.end();
}

// People who ask by hand get something to read.
bool wants_pretty(const server::Request& request) {
  if (const auto pretty = request.query_value("pretty"); pretty && !pretty->empty()) return is_true(*pretty);
  const std::string_view agent = request.header("User-Agent").value_or("");
  return agent.starts_with("curl") || agent.starts_with("Wget") || agent.starts_with("Mozilla/5.0");
}

std::string compact(const Json& object) {
  return escape_json(object.dump(-1, ' ', false, Json::error_handler_t::replace)) + "\n";
}
std::string indented(const Json& object) {
  return escape_json(object.dump(2, ' ', false, Json::error_handler_t::replace));
}
std::string yaml(const Json& object) {
  const auto node = api::parse_json(object.dump(-1, ' ', false, Json::error_handler_t::replace));
  KEELSON_CHECK(node.ok() && "what was just written can be read");
  return api::to_yaml(*node);
}

server::Response with_type(int status, std::string type, std::string body) {
  server::Response response;
  response.status = status;
  response.headers.emplace_back("Content-Type", std::move(type));
  response.body = std::move(body);
  return response;
}

server::Response not_acceptable(const server::Request& request) {
  const Json status = {{"kind", "Status"},
                       {"apiVersion", "v1"},
                       {"metadata", Json::object()},
                       {"status", "Failure"},
                       {"message", std::string("only the following media types are accepted: ") + kMediaTypes},
                       {"reason", "NotAcceptable"},
                       {"code", 406}};
  const auto form = choose_status(request.header("Accept").value_or(""));
  if (form == Form::yaml) return with_type(406, "application/yaml", yaml(status));
  const bool plain = form == Form::json && !wants_pretty(request);
  return with_type(406, "application/json", plain ? compact(status) : indented(status));
}

server::Response object_answer(const server::Request& request, const ZPage& page, const ZPageChoice& choice) {
  Json object = {{"kind", page.kind},
                 {"apiVersion", std::string(kGroup) + "/" + choice.version},
                 {"metadata", {{"name", kComponent}}}};
  object.update(page.fields());
  const std::string kind = std::string(";g=") + kGroup + ";v=" + choice.version + ";as=" + page.kind;
  server::Response response;
  if (choice.form == Form::yaml) {
    response = with_type(200, "application/yaml" + kind, yaml(object));
  } else {
    const bool pretty = choice.pretty || wants_pretty(request);
    response = with_type(200, "application/json" + kind, pretty ? indented(object) : compact(object));
  }
  if (choice.version == "v1alpha1") {
    response.headers.emplace_back("Warning", "299 - \"This version of the " + lower(page.kind) +
                                                 " endpoint is deprecated. Please use a newer version.\"");
  }
  return response;
}

// time.UnixDate in the node's own zone: "Mon Jan  2 15:04:05 UTC 2006".
std::string unix_date(base::SystemTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%a %b %e %H:%M:%S %Z %Y", &parts);
  return text.data();
}

std::string uptime_text(std::int64_t seconds) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%lld hr %02d min %02d sec", static_cast<long long>(seconds / 3600),
                static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  return text.data();
}

}  // namespace

server::Response zpage_answer(const server::Request& request, const ZPage& page) {
  const std::string_view accept = request.header("Accept").value_or("");
  const auto choice = choose_zpage(accept, page.kind);
  if (!choice) return not_acceptable(request);
  if (choice->form != Form::text) return object_answer(request, page, *choice);
  const bool unasked = accept.find_first_not_of(" \t") == std::string_view::npos;
  return with_type(200, unasked ? kPlainUtf8 : page.text_type, text_head(page.kind) + page.text());
}

std::vector<std::string> first_segments(const std::vector<std::string>& paths) {
  std::set<std::string> segments;
  for (const std::string& path : paths) {
    if (!path.starts_with('/')) continue;
    const std::string first = path.substr(0, path.find('/', 1));
    if (first != "/") segments.insert(first);
  }
  return {segments.begin(), segments.end()};
}

StatuszHandler::StatuszHandler(base::Clock& clock, StatuszFacts facts) : clock_(clock), facts_(std::move(facts)) {
  facts_.paths = first_segments(facts_.paths);
}

std::int64_t StatuszHandler::uptime_seconds() const {
  const auto up = std::chrono::duration_cast<std::chrono::seconds>(clock_.now() - facts_.started);
  return std::max<std::int64_t>(0, up.count());
}

std::string StatuszHandler::text() {
  const std::string separator(kSeparators[answers_++ % kSeparators.size()]);
  std::string paths;
  for (const std::string& path : facts_.paths) paths += (paths.empty() ? "" : " ") + path;
  const auto line = [&](const std::string& name, const std::string& value) {
    return name + separator + " " + value + "\n";
  };
  return "\n" + line("Started", unix_date(facts_.started)) + line("Up", uptime_text(uptime_seconds())) +
         line("Go version", facts_.go_version) + line("Binary version", facts_.binary_version) +
         (facts_.emulation_version.empty() ? "\n" : line("Emulation version", facts_.emulation_version)) +
         (paths.empty() ? "\n" : line("Paths", paths));
}

nlohmann::ordered_json StatuszHandler::fields() const {
  Json fields = {{"startTime", base::format_rfc3339(facts_.started)},
                 {"uptimeSeconds", uptime_seconds()},
                 {"goVersion", facts_.go_version},
                 {"binaryVersion", facts_.binary_version}};
  if (!facts_.emulation_version.empty()) fields["emulationVersion"] = facts_.emulation_version;
  fields["paths"] = facts_.paths;
  return fields;
}

// Not in the coroutine: GCC 12 frees a closure twice that is made inside one.
server::Response StatuszHandler::respond(const server::Request& request) {
  ZPage page;
  page.kind = "Statusz";
  page.text_type = kPlain;
  page.text = [this] { return text(); };
  page.fields = [this] { return fields(); };
  return zpage_answer(request, page);
}

base::Task<void> StatuszHandler::handle(const server::Request& request, server::Reply& reply) {
  server::Response response = respond(request);
  co_await answer(reply, std::move(response));
}

server::Response FlagzHandler::respond(const server::Request& request) const {
  ZPage page;
  page.kind = "Flagz";
  page.text_type = kPlainUtf8;
  // The kubelet keeps its first answer, whichever separator that has: for a reader it is always the same.
  page.text = [this] {
    std::string lines;
    for (const auto& [name, value] : flags_) lines += name + "=" + value + "\n";
    return lines;
  };
  page.fields = [this] {
    Json fields = Json::object();
    fields["flags"] = flags_;
    return fields;
  };
  return zpage_answer(request, page);
}

base::Task<void> FlagzHandler::handle(const server::Request& request, server::Reply& reply) {
  server::Response response = respond(request);
  co_await answer(reply, std::move(response));
}

}  // namespace keelson::node_api
