// UnitSearch: which services a text names that comes in pieces, such as the units that the journal knows.
//
// A service is named where its name and ".service" stand, wherever a piece begins. It keeps no more of the text than
// the longest name. A plain value, any thread. Source: contract 05 §7.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::node_api {

class UnitSearch {
 public:
  explicit UnitSearch(const std::vector<std::string>& services) {
    for (const std::string& service : services) {
      missing_.insert(service);
      overlap_ = std::max(overlap_, service.size() + kSuffix.size());
    }
  }

  void add(std::string_view piece) {
    tail_ += piece;
    std::erase_if(missing_, [&](const std::string& service) {
      return tail_.find(service + std::string(kSuffix)) != std::string::npos;
    });
    if (tail_.size() > overlap_) tail_.erase(0, tail_.size() - overlap_);
  }
  bool found(const std::string& service) const { return !missing_.contains(service); }
  bool found_all() const { return missing_.empty(); }

 private:
  static constexpr std::string_view kSuffix = ".service";

  std::set<std::string> missing_;
  std::size_t overlap_ = 0;
  std::string tail_;
};

}  // namespace keelson::node_api
