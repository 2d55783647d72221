#include <cstdio>
#include <cstdlib>

#include "tests/conformance/target.hpp"
#include "tests/support/containerd_fixture.hpp"

namespace keelson::conformance {
namespace {

class ContainerdTarget : public Target {
 public:
  explicit ContainerdTarget(std::unique_ptr<fakes::ContainerdFixture> fixture) : fixture_(std::move(fixture)) {}

  std::string endpoint() const override { return fixture_->endpoint(); }
  // Debian 12 has 1.6, which has none of them.
  Traits traits() const override { return {}; }
  std::string cgroup_root() const override { return fixture_->cgroup_root(); }
  void restart() override {
    const auto restarted = fixture_->restart();
    if (!restarted.ok()) {
      std::fprintf(stderr, "%s\n", restarted.error().to_string().c_str());
      std::abort();
    }
  }
  void expect_oom(const std::string&) override {}
  std::unique_ptr<Target> without_network() override {
    auto fixture = fakes::ContainerdFixture::start({.network = false});
    if (!fixture.ok()) return nullptr;
    return std::make_unique<ContainerdTarget>(std::move(*fixture));
  }
  std::string log_tail() const override { return fixture_->log_tail(); }

 private:
  std::unique_ptr<fakes::ContainerdFixture> fixture_;
};

}  // namespace

std::unique_ptr<Target> make_target(std::string& why) {
  auto fixture = fakes::ContainerdFixture::start({.registry = true});
  if (!fixture.ok()) {
    why = fixture.error().to_string();
    return nullptr;
  }
  return std::make_unique<ContainerdTarget>(std::move(*fixture));
}

}  // namespace keelson::conformance
