// CsiDrivers: the CSI drivers that are registered on this node, and the rules by which one may be.
//
// A driver needs a version of major 1; a second one of the same name replaces the first only with a higher version.
// Owner: the agent's wiring. Thread: the loop. Values only. What fails: validate() and add(), with the texts that the
// kubelet tells such plugins. Source: contract 04 §19.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::volume {

// "1.0.0", "v1.2": whole numbers between dots, at least two; what follows them does not count.
struct CsiVersion {
  std::vector<std::uint64_t> numbers;

  static Result<CsiVersion> parse(std::string_view text);
  std::uint64_t major_number() const { return numbers.empty() ? 0 : numbers.front(); }
  std::string to_string() const;
  bool operator<(const CsiVersion& other) const;
};

// The highest one that we can speak to.
Result<CsiVersion> highest_csi_version(const std::vector<std::string>& versions);

struct CsiDriver {
  std::string name;
  std::string endpoint;  // path of its socket
  CsiVersion version;
};

class CsiDrivers {
 public:
  Status validate(const std::string& name, const std::string& endpoint, const std::vector<std::string>& versions) const;
  Status add(const std::string& name, const std::string& endpoint, const std::vector<std::string>& versions);
  // False when it was not there.
  bool remove(const std::string& name);

  std::optional<CsiDriver> find(const std::string& name) const;
  std::vector<std::string> names() const;
  // Called after each change.
  void on_change(std::function<void()> listener) { listener_ = std::move(listener); }

 private:
  Result<CsiVersion> check(const char* caller, const std::string& name, const std::vector<std::string>& versions) const;

  std::map<std::string, CsiDriver> drivers_;
  std::function<void()> listener_;
};

}  // namespace keelson::volume
