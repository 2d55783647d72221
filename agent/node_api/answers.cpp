#include "agent/node_api/answers.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace keelson::node_api {
namespace {

struct Escape {
  std::string_view from;
  std::string_view to;
};

// Outside of strings JSON has none of them.
constexpr std::array kEscapes = {
    Escape{"<", "\\u003c"},      Escape{">", "\\u003e"},      Escape{"&", "\\u0026"},
    Escape{"\u2028", "\\u2028"}, Escape{"\u2029", "\\u2029"},
};

const Escape* escape_at(std::string_view text, std::size_t at) {
  for (const Escape& escape : kEscapes) {
    if (text.substr(at, escape.from.size()) == escape.from) return &escape;
  }
  return nullptr;
}

}  // namespace

server::Response json_answer(std::string json) {
  server::Response response;
  response.headers.emplace_back("Content-Type", "application/json");
  response.body = std::move(json);
  return response;
}

std::string escape_json(std::string json) {
  static constexpr const char* kFirst = "<>&\xe2";
  std::size_t at = json.find_first_of(kFirst);
  if (at == std::string::npos) return json;
  std::string out;
  out.reserve(json.size() + 64);
  std::size_t done = 0;
  for (; at != std::string::npos; at = json.find_first_of(kFirst, at + 1)) {
    const Escape* escape = escape_at(json, at);
    if (escape == nullptr) continue;
    out.append(json, done, at - done);
    out += escape->to;
    done = at + escape->from.size();
  }
  return out.append(json, done);
}

base::Task<void> answer(server::Reply& reply, server::Response response) {
  (void)co_await reply.send(std::move(response));
}

}  // namespace keelson::node_api
