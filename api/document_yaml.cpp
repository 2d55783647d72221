// YAML through yaml-cpp's event interface, so that every value keeps its mark and nothing is built twice.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <optional>
#include <sstream>

#include "api/document_internal.hpp"
#include "api/json_text.hpp"
#include "api/yaml_scalar.hpp"

namespace keelson::api::internal {
namespace {

// Thrown through yaml-cpp, which knows no other way to be stopped by its handler.
struct Stop {
  Error error;
};

Position position(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const DocumentLimits& limits, std::size_t& nodes) : limits_(limits), nodes_(nodes) {}

  // The last scalar that was quoted, tagged or a block.
  const std::optional<YAML::Mark>& last_marked() const { return last_marked_; }
  std::optional<Node> take() { return std::exchange(root_, std::nullopt); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    // yaml-cpp takes a last line without ':' for a field without value and reports it at the field's own place.
    if (!frames_.empty() && frames_.back().block && frames_.back().has_key && frames_.back().key_pos == mark.pos) {
      stop(position(mark), "expected ':' behind the field name \"" + frames_.back().key + "\"");
    }
    count(position(mark), 1);
    finish(Node(Node::Kind::null, position(mark)), anchor, 1, true);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node(Node::Kind::string, position(mark));
    count(node.at, 1);
    const bool plain = tag == "?" || tag == "tag:yaml.org,2002:merge";
    pos_ = mark.pos;
    if (tag != "?") last_marked_ = mark;
    if (const Status done = resolve_scalar(tag, value, node); !done.ok()) stop(node.at, done.error().message());
    finish(std::move(node), anchor, 1, plain);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) stop(position(mark), "alias to an anchor that contains it");
    count(position(mark), found->second.size);
    add(found->second.node, found->second.size, false);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::list, mark, anchor, false);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(Node::Kind::map, mark, anchor, style == YAML::EmitterStyle::Block);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    Node node;
    YAML::anchor_t anchor = 0;
    std::size_t size = 1;  // values within, this one included
    bool block = false;    // a map in block style
    bool has_key = false;
    int key_pos = -1;      // of a scalar key
    bool merging = false;  // the pending key is `<<`
    std::string key;
    Position key_at;
    std::vector<bool> merged;  // per entry, once there was a `<<`: it came from there
  };
  struct Anchored {
    Node node;
    std::size_t size = 0;
  };

  [[noreturn]] void stop(Position where, const std::string& message) { throw Stop{at(where, message)}; }

  void count(Position where, std::size_t values) {
    nodes_ += values;
    if (nodes_ > limits_.nodes) {
      stop(where, "more than " + std::to_string(limits_.nodes) + " values in one document, aliases expanded");
    }
  }

  void open(Node::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor, bool block) {
    const Position where = position(mark);
    count(where, 1);
    if (static_cast<int>(frames_.size()) >= limits_.depth) {
      stop(where, "nested deeper than " + std::to_string(limits_.depth) + " levels");
    }
    frames_.emplace_back();
    frames_.back().node = Node(kind, where);
    frames_.back().anchor = anchor;
    frames_.back().block = block;
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    settle_merges(frame);
    if (frame.node.is_map()) mark_duplicates(frame.node);
    finish(std::move(frame.node), frame.anchor, frame.size, false);
  }

  void finish(Node node, YAML::anchor_t anchor, std::size_t size, bool plain) {
    if (anchor != 0) {
      count(node.at, size);  // the copy costs as much as the value itself
      anchors_[anchor] = {node, size};
    }
    add(std::move(node), size, plain);
  }

  void add(Node node, std::size_t size, bool plain) {
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = frames_.back();
    frame.size += size;
    if (frame.node.is_list()) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.has_key) {
      add_key(frame, node, plain);
    } else {
      frame.has_key = false;
      if (frame.merging) {
        frame.merged.resize(frame.node.entries.size(), false);
        add_merged(frame, node, true);
      } else {
        frame.node.entries.push_back({std::move(frame.key), frame.key_at, false, {}, std::move(node)});
      }
    }
  }

  void add_key(Frame& frame, const Node& node, bool plain) {
    switch (node.kind) {
      case Node::Kind::string:
      case Node::Kind::integer:
      case Node::Kind::floating: frame.key = node.text; break;
      case Node::Kind::boolean: frame.key = node.boolean ? "true" : "false"; break;
      default: stop(node.at, "a field name must be a string, found " + describe(node));
    }
    frame.merging = plain && frame.key == "<<";
    frame.key_at = node.at;
    frame.key_pos = pos_;
    frame.has_key = true;
  }

  // `<<: *map` or `<<: [*map, *map]`, where the first of a list wins.
  void add_merged(Frame& frame, const Node& value, bool list_allowed) {
    if (value.is_list() && list_allowed) {
      for (auto item = value.items.rbegin(); item != value.items.rend(); ++item) add_merged(frame, *item, false);
      return;
    }
    if (!value.is_map()) stop(value.at, "expected an object or a list of objects to merge, found " + describe(value));
    for (const Node::Entry& entry : value.entries) {
      if (entry.shadowed) continue;
      frame.node.entries.push_back(entry);
      frame.node.entries.back().first = {};
      frame.merged.push_back(true);
    }
  }

  // Where a merged field and another of the same name meet, the later one stays and it is no duplicate.
  static void settle_merges(Frame& frame) {
    if (frame.merged.empty()) return;
    std::vector<Node::Entry>& entries = frame.node.entries;
    frame.merged.resize(entries.size(), false);
    std::map<std::string, bool> later;  // name -> the kept entry came from a merge
    std::vector<Node::Entry> kept;
    for (std::size_t i = entries.size(); i-- > 0;) {
      const auto [found, added] = later.try_emplace(entries[i].key, frame.merged[i]);
      if (!added && (frame.merged[i] || found->second)) continue;
      kept.push_back(std::move(entries[i]));
    }
    entries.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  }

  const DocumentLimits& limits_;
  std::size_t& nodes_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::optional<Node> root_;
  int pos_ = -1;  // of the last scalar
  std::optional<YAML::Mark> last_marked_;
};

// yaml-cpp takes the end of the text for a closing quote; a file that is only half written must not pass for whole.
// Only the last scalar can be the one.
Status check_closed(std::string_view text, const YAML::Mark& mark) {
  std::size_t pos = static_cast<std::size_t>(mark.pos);
  // Tags and anchors stand before the quote.
  while (pos < text.size() && std::string_view("!& \t\r\n").find(text[pos]) != std::string_view::npos) {
    if (text[pos] == '!' || text[pos] == '&')
      pos = std::min(text.find_first_of(" \t\r\n", pos), text.size());
    else
      ++pos;
  }
  if (pos >= text.size() || (text[pos] != '"' && text[pos] != '\'')) return {};
  const char quote = text[pos];
  for (std::size_t i = pos + 1; i < text.size(); ++i) {
    if (text[i] == '\\' && quote == '"') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '"' || i + 1 == text.size() || text[i + 1] != quote) return {};
      ++i;
    }
  }
  return at(position(mark), "string without a closing quote");
}

}  // namespace

Result<std::vector<Node>> read_yaml(std::string_view text, const DocumentLimits& limits, bool only_first) {
  std::vector<Node> out;
  std::size_t nodes = 0;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (true) {
      TreeBuilder builder(limits, nodes);
      if (!parser.HandleNextDocument(builder)) break;
      if (builder.last_marked()) KEELSON_TRY(check_closed(text, *builder.last_marked()));
      out.push_back(builder.take().value_or(Node()));
      if (only_first) break;
    }
  } catch (const Stop& stopped) {
    return stopped.error;
  } catch (const YAML::Exception& error) {
    // yaml-cpp's what() repeats the position in words of its own.
    const Position where = error.mark.is_null() ? Position() : position(error.mark);
    return at(where, error.msg);
  } catch (const std::exception& error) {
    return Error(ErrorKind::invalid, std::string("not readable as YAML: ") + error.what());
  }
  return out;
}

}  // namespace keelson::api::internal
