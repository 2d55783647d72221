// How a scrape says what it wants: Accept and Accept-Encoding, as Prometheus' Go libraries read them.
#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "agent/metrics/handler.hpp"

namespace keelson::metrics {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr std::array<std::string_view, 4> kEscapings{"allow-utf-8", "underscores", "dots", "values"};

struct Offer {
  std::string value;  // "text/plain", "gzip"
  std::map<std::string, std::string, std::less<>> parameters;
  double quality = 1;

  std::string_view parameter(std::string_view name) const {
    const auto found = parameters.find(name);
    return found == parameters.end() ? std::string_view() : std::string_view(found->second);
  }
};

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string_view unquoted(std::string_view text) {
  const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

// What stands before the next `separator`, which goes with it.
std::string_view take_until(std::string_view& text, char separator) {
  const auto at = std::min(text.find(separator), text.size());
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return trimmed(taken);
}

double quality_of(std::string_view text) {
  double value = 1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 1;
}

Offer parse_offer(std::string_view text) {
  Offer offer;
  offer.value = std::string(take_until(text, ';'));
  while (!text.empty()) {
    std::string_view parameter = take_until(text, ';');
    const std::string_view name = take_until(parameter, '=');
    const std::string_view value = unquoted(trimmed(parameter));
    if (name == "q") {
      offer.quality = quality_of(value);
    } else {
      offer.parameters[std::string(name)] = std::string(value);
    }
  }
  return offer;
}

// The best first.
std::vector<Offer> parse_offers(std::string_view header) {
  std::vector<Offer> offers;
  while (!header.empty()) {
    const std::string_view one = take_until(header, ',');
    if (!one.empty()) offers.push_back(parse_offer(one));
  }
  std::stable_sort(offers.begin(), offers.end(), [](const Offer& a, const Offer& b) { return a.quality > b.quality; });
  return offers;
}

bool is_protobuf(const Offer& offer) {
  return offer.value == "application/vnd.google.protobuf" &&
         offer.parameter("proto") == "io.prometheus.client.MetricFamily" && offer.parameter("encoding") == "delimited";
}

bool is_text(const Offer& offer) {
  const std::string_view version = offer.parameter("version");
  return offer.value == "text/plain" && (version.empty() || version == "0.0.4");
}

// Identity unless gzip is wanted more.
bool wants_gzip(std::string_view header) {
  double identity = -1;
  double gzip = -1;
  for (const Offer& offer : parse_offers(header)) {
    const bool any = offer.value == "*";
    if (any || offer.value == "identity") identity = std::max(identity, offer.quality);
    if (any || offer.value == "gzip") gzip = std::max(gzip, offer.quality);
  }
  return gzip > 0 && gzip > identity;
}

}  // namespace

Format negotiate(std::string_view accept, std::string_view accept_encoding) {
  Format format;
  format.gzip = wants_gzip(accept_encoding);
  for (const Offer& offer : parse_offers(accept)) {
    const std::string_view escaping = offer.parameter("escaping");
    const bool known = std::find(kEscapings.begin(), kEscapings.end(), escaping) != kEscapings.end();
    if (known) format.escaping = std::string(escaping);
    format.protobuf = is_protobuf(offer);
    if (format.protobuf || is_text(offer)) break;
  }
  return format;
}

}  // namespace keelson::metrics
