#include "agent/node_api/media_types.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace keelson::node_api {
namespace {

using Form = ZPageChoice::Form;

constexpr std::string_view kGroup = "config.k8s.io";
constexpr std::array<std::string_view, 2> kVersions = {"v1beta1", "v1alpha1"};

struct Offer {
  std::string_view type;
  std::string_view subtype;
  Form form;
};
// In the order in which a clause that fits several is tried.
constexpr std::array kOffers = {
    Offer{"application", "json", Form::json},
    Offer{"application", "yaml", Form::yaml},
    Offer{"text", "plain", Form::text},
};

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

double quality_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && value >= 0 ? value : 0;
}

void take_param(std::string_view text, AcceptClause& clause) {
  const auto sides = split(text, '=');
  if (sides.size() != 2 || sides[1].empty()) return;
  const std::string_view name = trim(sides[0]);
  if (name == "q") {
    clause.quality = quality_of(trim(sides[1]));
  } else {
    clause.params[std::string(name)] = trim(sides[1]);
  }
}

std::optional<AcceptClause> parse_clause(std::string_view text) {
  const auto parts = split(trim(text), ';');
  const auto names = split(parts[0], '/');
  AcceptClause clause;
  clause.type = trim(names[0]);
  if (names.size() == 2 && !names[1].empty()) {
    clause.subtype = trim(names[1]);
  } else if (names.size() == 1 && clause.type == "*") {
    clause.subtype = "*";
  } else {
    return std::nullopt;
  }
  for (std::size_t i = 1; i < parts.size(); ++i) take_param(parts[i], clause);
  return clause;
}

int stars(const AcceptClause& clause) { return clause.type == "*" ? 2 : clause.subtype == "*" ? 1 : 0; }

bool fits(const AcceptClause& clause, const Offer& offer) {
  if (clause.type == "*" && clause.subtype == "*") return true;
  return clause.type == offer.type && (clause.subtype == offer.subtype || clause.subtype == "*");
}

// The value, "" when it is not there.
std::string param(const AcceptClause& clause, const char* name) {
  const auto found = clause.params.find(name);
  return found == clause.params.end() ? std::string() : found->second;
}

bool names_a_kind(const AcceptClause& clause) {
  return clause.params.contains("as") || clause.params.contains("g") || clause.params.contains("v");
}

bool names_this(const AcceptClause& clause, std::string_view kind) {
  return param(clause, "as") == kind && param(clause, "g") == kGroup &&
         std::find(kVersions.begin(), kVersions.end(), param(clause, "v")) != kVersions.end();
}

// A stream and the server's own version are not to be had.
bool asks_for_more(const AcceptClause& clause) {
  return !param(clause, "stream").empty() || !param(clause, "sv").empty();
}

}  // namespace

std::vector<AcceptClause> parse_accept(std::string_view header) {
  std::vector<AcceptClause> clauses;
  for (const std::string_view part : split(header, ',')) {
    if (auto clause = parse_clause(part)) clauses.push_back(std::move(*clause));
  }
  std::stable_sort(clauses.begin(), clauses.end(), [](const AcceptClause& a, const AcceptClause& b) {
    return a.quality != b.quality ? a.quality > b.quality : stars(a) < stars(b);
  });
  return clauses;
}

std::optional<ZPageChoice> choose_zpage(std::string_view accept, std::string_view kind) {
  if (trim(accept).empty()) return ZPageChoice();
  for (const AcceptClause& clause : parse_accept(accept)) {
    if (asks_for_more(clause)) continue;
    for (const Offer& offer : kOffers) {
      const bool suits = offer.form == Form::text ? !names_a_kind(clause) : names_this(clause, kind);
      if (!suits || !fits(clause, offer)) continue;
      ZPageChoice choice;
      choice.form = offer.form;
      choice.pretty = param(clause, "pretty") == "1";
      if (choice.form != Form::text) choice.version = param(clause, "v");
      return choice;
    }
  }
  return std::nullopt;
}

std::optional<ZPageChoice::Form> choose_status(std::string_view accept) {
  for (const AcceptClause& clause : parse_accept(accept)) {
    if (names_a_kind(clause) || asks_for_more(clause)) continue;
    for (const Offer& offer : kOffers) {
      if (offer.form != Form::text && fits(clause, offer)) return offer.form;
    }
  }
  return std::nullopt;
}

}  // namespace keelson::node_api
