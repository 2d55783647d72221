// The YAML writer: block style, keys sorted, lists at the level of their key, as `kubectl get -o yaml` prints.
#include <algorithm>

#include "api/json_text.hpp"
#include "api/yaml_scalar.hpp"

namespace keelson::api {
namespace {

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Text that any YAML reader takes for this very string without quotes.
bool plain_is_safe(std::string_view text) {
  if (text.empty() || internal::resolves_to_other_than_string(text)) return false;
  const char first = text.front();
  if (!is_alnum(first) && first != '/' && first != '_') return false;
  const bool digit_first = first >= '0' && first <= '9';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_alnum(c) || std::string_view("_./@%+=,;()").find(c) != std::string_view::npos) continue;
    // Other readers know dates and base-60 numbers.
    if (c == '-' && !digit_first) continue;
    if (c == ':' && !digit_first && i + 1 < text.size() && text[i + 1] != ' ') continue;
    if (c == ' ' && i + 1 < text.size() && text[i + 1] != '#') continue;
    return false;
  }
  return true;
}

// Several lines that a literal block keeps as they are.
bool block_is_safe(std::string_view text) {
  if (text.find('\n') == std::string_view::npos || text.front() == '\n' || text.front() == ' ') return false;
  if (text.size() > 1 && text.ends_with("\n\n")) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if ((c < 0x20 && c != '\n') || c >= 0x7f) return false;
    if (c == ' ' && (i + 1 == text.size() || text[i + 1] == '\n')) return false;
  }
  return true;
}

void write_string(std::string& out, std::string_view text, int indent) {
  if (plain_is_safe(text)) {
    out += text;
  } else if (!text.empty() && block_is_safe(text)) {
    const bool newline = text.back() == '\n';
    out += newline ? "|" : "|-";
    if (newline) text.remove_suffix(1);
    while (true) {
      const std::size_t end = text.find('\n');
      out += '\n';
      if (end != 0) out.append(static_cast<std::size_t>(indent), ' ').append(text.substr(0, end));
      if (end == std::string_view::npos) break;
      text.remove_prefix(end + 1);
    }
  } else {
    append_quoted(out, text);
  }
}

void write(std::string& out, const Node& node, int indent);

void write_map(std::string& out, const Node& node, int indent, bool first_inline) {
  std::vector<const Node::Entry*> sorted;
  for (const Node::Entry& entry : node.entries) {
    if (!entry.shadowed) sorted.push_back(&entry);
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->key < b->key; });
  for (const Node::Entry* entry : sorted) {
    if (!first_inline) out.append(static_cast<std::size_t>(indent), ' ');
    first_inline = false;
    if (plain_is_safe(entry->key)) {
      out += entry->key;
    } else {
      append_quoted(out, entry->key);
    }
    out += ':';
    const Node& value = entry->value;
    if (value.is_map() && !value.entries.empty()) {
      out += '\n';
      write_map(out, value, indent + 2, false);
    } else if (value.is_list() && !value.items.empty()) {
      out += '\n';
      write(out, value, indent);
    } else {
      out += ' ';
      write(out, value, indent + 2);
      out += '\n';
    }
  }
}

void write_list(std::string& out, const Node& node, int indent, bool first_inline) {
  for (const Node& item : node.items) {
    if (!first_inline) out.append(static_cast<std::size_t>(indent), ' ');
    first_inline = false;
    out += "- ";
    if (item.is_map() && !item.entries.empty()) {
      write_map(out, item, indent + 2, true);
    } else if (item.is_list() && !item.items.empty()) {
      write_list(out, item, indent + 2, true);
    } else {
      write(out, item, indent + 2);
      out += '\n';
    }
  }
}

// Scalars without the newline behind them; collections with.
void write(std::string& out, const Node& node, int indent) {
  switch (node.kind) {
    case Node::Kind::null: out += "null"; return;
    case Node::Kind::boolean: out += node.boolean ? "true" : "false"; return;
    case Node::Kind::integer:
    case Node::Kind::floating: out += node.text; return;
    case Node::Kind::string: write_string(out, node.text, indent); return;
    case Node::Kind::list:
      if (node.items.empty()) {
        out += "[]";
      } else {
        write_list(out, node, indent, false);
      }
      return;
    case Node::Kind::map:
      if (node.entries.empty()) {
        out += "{}";
      } else {
        write_map(out, node, indent, false);
      }
      return;
  }
}

}  // namespace

std::string to_yaml(const Node& node) {
  std::string out;
  write(out, node, 0);
  if (out.empty() || out.back() != '\n') out += '\n';
  return out;
}

}  // namespace keelson::api
