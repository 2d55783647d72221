#include "tests/support/csi/faults.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/file.hpp"

namespace keelson::fakes {
namespace {

using nlohmann::json;

CsiFault fault_of(const json& entry) {
  CsiFault out;
  out.code = entry.value("code", 0);
  out.message = entry.value("message", "");
  out.delay_ms = entry.value("delay_ms", 0);
  out.hang = entry.value("hang", false);
  out.die = entry.value("die", false);
  out.effect = entry.value("effect", false);
  return out;
}

}  // namespace

std::optional<CsiFault> CsiFaults::next(const std::string& method) {
  const std::lock_guard lock(mutex_);
  const std::string text = file_.empty() ? "" : base::read_file(file_).value_or("");
  if (text != text_) {
    text_ = text;
    used_.clear();
  }
  if (text.empty()) return std::nullopt;
  try {
    const json all = json::parse(text);
    if (!all.contains(method)) return std::nullopt;
    const json& entries = all.at(method);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      int& used = used_[method + "/" + std::to_string(i)];
      const int times = entries[i].value("times", -1);
      if (times >= 0 && used >= times) continue;
      ++used;
      return fault_of(entries[i]);
    }
  } catch (const json::exception& e) {
    std::fprintf(stderr, "keelson-csi-driver: %s: %s\n", file_.c_str(), e.what());
  }
  return std::nullopt;
}

}  // namespace keelson::fakes
