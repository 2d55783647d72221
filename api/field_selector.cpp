#include <algorithm>
#include <array>

#include "api/selectors.hpp"

namespace keelson::api {
namespace {

// Commas that are not escaped separate terms.
std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> out;
  std::size_t from = 0;
  bool escaped = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (escaped) {
      escaped = false;
    } else if (text[i] == '\\') {
      escaped = true;
    } else if (text[i] == ',') {
      out.push_back(text.substr(from, i - from));
      from = i + 1;
    }
  }
  out.push_back(text.substr(from));
  return out;
}

Error bad(std::string_view text, std::string_view why) {
  return Error(ErrorKind::invalid, "invalid field selector \"" + std::string(text) + "\": " + std::string(why));
}

Result<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ',' || c == '=') return bad(text, "',' and '=' in a value must be escaped by a backslash");
    if (c != '\\') {
      out += c;
      continue;
    }
    if (++i == text.size() || std::string_view("\\,=").find(text[i]) == std::string_view::npos) {
      return bad(text, "expected \\\\, \\, or \\= behind a backslash");
    }
    out += text[i];
  }
  return out;
}

std::string escape(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == ',' || c == '=') out += '\\';
    out += c;
  }
  return out;
}

Result<FieldSelector::Term> parse_term(std::string_view text) {
  const std::size_t sign = text.find_first_of("=!");
  if (sign == std::string_view::npos || sign == 0) return bad(text, "expected field=value or field!=value");
  std::string_view rest = text.substr(sign);
  FieldSelector::Term out;
  out.field = text.substr(0, sign);
  out.equal = rest.front() == '=';
  if (rest.starts_with("!=") || rest.starts_with("==")) {
    rest.remove_prefix(2);
  } else if (out.equal) {
    rest.remove_prefix(1);
  } else {
    return bad(text, "expected field=value or field!=value");
  }
  auto value = unescape(rest);
  if (!value) return std::move(value).error();
  out.value = std::move(*value);
  return out;
}

struct PodField {
  std::string_view path;
  std::string (*get)(const k8s::core::v1::Pod&);
};

constexpr std::array kPodFields = {
    PodField{"metadata.name", [](const k8s::core::v1::Pod& p) { return p.metadata().name(); }},
    PodField{"metadata.namespace", [](const k8s::core::v1::Pod& p) { return p.metadata().namespace_(); }},
    PodField{"spec.nodeName", [](const k8s::core::v1::Pod& p) { return p.spec().nodename(); }},
    PodField{"spec.restartPolicy", [](const k8s::core::v1::Pod& p) { return p.spec().restartpolicy(); }},
    PodField{"spec.schedulerName", [](const k8s::core::v1::Pod& p) { return p.spec().schedulername(); }},
    PodField{"spec.serviceAccountName", [](const k8s::core::v1::Pod& p) { return p.spec().serviceaccountname(); }},
    PodField{"spec.hostNetwork",
             [](const k8s::core::v1::Pod& p) { return std::string(p.spec().hostnetwork() ? "true" : "false"); }},
    PodField{"status.phase", [](const k8s::core::v1::Pod& p) { return p.status().phase(); }},
    PodField{"status.podIP", [](const k8s::core::v1::Pod& p) { return p.status().podip(); }},
    PodField{"status.nominatedNodeName", [](const k8s::core::v1::Pod& p) { return p.status().nominatednodename(); }},
};

}  // namespace

Result<FieldSelector> FieldSelector::parse(std::string_view text) {
  FieldSelector out;
  for (const std::string_view part : split_terms(text)) {
    if (part.empty()) continue;
    auto term = parse_term(part);
    if (!term) return std::move(term).error();
    out.terms_.push_back(std::move(*term));
  }
  return out;
}

bool FieldSelector::matches(const std::function<std::string(std::string_view)>& field) const {
  return std::all_of(terms_.begin(), terms_.end(),
                     [&](const Term& term) { return (field(term.field) == term.value) == term.equal; });
}

std::optional<std::string> FieldSelector::required_value(std::string_view path) const {
  for (const Term& term : terms_) {
    if (term.equal && term.field == path) return term.value;
  }
  return std::nullopt;
}

std::string FieldSelector::to_string() const {
  std::string out;
  for (const Term& term : terms_) {
    out.append(out.empty() ? "" : ",").append(term.field).append(term.equal ? "=" : "!=").append(escape(term.value));
  }
  return out;
}

std::string pod_field(const k8s::core::v1::Pod& pod, std::string_view path) {
  for (const PodField& field : kPodFields) {
    if (field.path == path) return field.get(pod);
  }
  return "";
}

}  // namespace keelson::api
