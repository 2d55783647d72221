// Problems found while a configuration is read, each with its place, collected so that all are told at once.
//
// Values, one thread. A problem names a field; where the field's value came from (a line of a file, a flag, a default)
// is looked up when the text is made:
//   /etc/kubernetes/kubelet.yaml:12: port: Invalid value: 70000: must be between 1 and 65535, inclusive
//   --port: port: Invalid value: ...
//   port: Invalid value: ...            (a default, or a rule between fields)
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::config {

// Where each field got its value. Keys are field paths, deeper ones for parts: "evictionHard[memory.available]".
class Origins {
 public:
  void set_file(const std::string& path, const std::string& file, int line) {
    places_[path] = file + (line > 0 ? ":" + std::to_string(line) : "");
  }
  void set_flag(const std::string& path, std::string_view flag) {
    forget(path);
    places_[path] = "--" + std::string(flag);
  }
  // The field is a default again, its parts too.
  void forget(const std::string& path);
  // "FILE:LINE: " or "--flag: " of the deepest known part of `path`; "" when it is a default.
  std::string prefix(std::string_view path) const;

 private:
  std::map<std::string, std::string, std::less<>> places_;
};

class Report {
 public:
  explicit Report(const Origins& origins) : origins_(origins) {}

  // "Invalid value: VALUE: DETAIL" and so on, in the wording of the Kubernetes API.
  void invalid(std::string_view path, const std::string& value, std::string_view detail) {
    add(path, "Invalid value: " + value + ": " + std::string(detail));
  }
  void unsupported(std::string_view path, const std::string& value, const std::vector<std::string_view>& supported);
  void duplicate(std::string_view path, const std::string& value) { add(path, "Duplicate value: " + value); }
  void required(std::string_view path, std::string_view detail) { add(path, "Required value: " + std::string(detail)); }
  void forbidden(std::string_view path, std::string_view detail) { add(path, "Forbidden: " + std::string(detail)); }
  void add(std::string_view path, const std::string& text);
  void warn(std::string_view path, const std::string& text);

  // A field whose value could not be read: what is said about it later is noise and dropped.
  void mute(std::string path) { muted_.insert(std::move(path)); }

  const std::vector<std::string>& errors() const { return errors_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  const Origins& origins_;
  std::set<std::string, std::less<>> muted_;
  std::vector<std::string> errors_;
  std::vector<std::string> warnings_;
};

}  // namespace keelson::config
