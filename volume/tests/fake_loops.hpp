// Loop devices that are only remembered.
#pragma once

#include <string>
#include <vector>

#include "volume/loop_device.hpp"

namespace keelson::volume {

class FakeLoops final : public LoopDevices {
 public:
  Result<std::string> attach(const std::string& file) override {
    if (!fails.ok()) return fails.error();
    attached.push_back(file);
    return std::string("/dev/loop9");
  }
  Status detach(const std::string& file) override {
    if (!fails.ok()) return fails;
    std::erase(attached, file);
    return {};
  }
  std::vector<std::string> attached;
  Status fails;
};

}  // namespace keelson::volume
