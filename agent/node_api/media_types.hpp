// What the header Accept asks of /statusz and /flagz.
//
// Pure functions, any thread. Whatever the header holds has a meaning; what cannot be read is passed over.
// Source: contract 05 §6 "/statusz", "/flagz"; RFC 9110 §12.5.1; the API server's rules for `as`, `g` and `v`.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::node_api {

struct AcceptClause {
  std::string type;
  std::string subtype;
  double quality = 1;
  std::map<std::string, std::string> params;  // without q
};

// The best first; of two that are equal the one that came first.
std::vector<AcceptClause> parse_accept(std::string_view header);

struct ZPageChoice {
  enum class Form { text, json, yaml };
  Form form = Form::text;
  std::string version;  // of json and yaml: "v1beta1" or "v1alpha1"
  bool pretty = false;
};

// Of "text/plain", which must not name a kind, and JSON and YAML, which must name this one; nothing when the client
// takes none of them. An empty header takes text.
std::optional<ZPageChoice> choose_zpage(std::string_view accept, std::string_view kind);
// How the client wants to be told that there is nothing for it: JSON or YAML; nothing: it did not say.
std::optional<ZPageChoice::Form> choose_status(std::string_view accept);

}  // namespace keelson::node_api
