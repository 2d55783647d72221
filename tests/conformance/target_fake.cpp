#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "tests/conformance/target.hpp"
#include "tests/support/fake_runtime.hpp"

namespace keelson::conformance {
namespace {

fakes::ImageSource image(const std::string& name, const std::string& user = "") {
  fakes::ImageSource source;
  source.name = name;
  source.user = user;
  return source;
}

fakes::Script script() {
  fakes::Script script;
  script.images = {image("keelson.local/busybox:1"), image("docker.io/library/busybox:latest"),
                   image("keelson.local/nonroot:1", "65534"), image("keelson.local/nobody:1", "nobody")};
  // The same content under two names is one image.
  script.images[0].id = script.images[1].id = "sha256:" + std::string(64, 'b');
  auto with_password = image("registry.keelson.test/private/busybox:1");
  with_password.password = "secret";
  script.pullable = {image("registry.keelson.test/library/nonroot:1", "65534"), with_password};
  return script;
}

class FakeTarget : public Target {
 public:
  FakeTarget() : runtime_(script()) {
    std::string pattern = "/tmp/keelson-fake.XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    directory_ = pattern;
    start();
  }
  ~FakeTarget() override {
    runtime_.stop();
    std::filesystem::remove_all(directory_);
  }

  std::string endpoint() const override { return runtime_.endpoint(); }
  Traits traits() const override { return {.events = true, .runtime_config = true, .image_ids = true}; }
  std::string cgroup_root() const override { return ""; }
  void restart() override {
    runtime_.stop();
    start();
  }
  void expect_oom(const std::string& name) override {
    fakes::BehaviourRule rule;
    rule.container = name;
    rule.times = 1;
    rule.behaviour.exit_after = std::chrono::milliseconds(20);
    rule.behaviour.oom = true;
    runtime_.behave(rule);
  }
  std::unique_ptr<Target> without_network() override {
    auto other = std::make_unique<FakeTarget>();
    other->runtime_.change([](fakes::RuntimeFeatures& features) { features.network_ready = false; });
    return other;
  }

 private:
  void start() {
    const auto started = runtime_.start(directory_ + "/cri.sock");
    if (!started.ok()) {
      std::fprintf(stderr, "%s\n", started.error().to_string().c_str());
      std::abort();
    }
  }

  fakes::FakeRuntime runtime_;
  std::string directory_;
};

}  // namespace

std::unique_ptr<Target> make_target(std::string&) { return std::make_unique<FakeTarget>(); }

}  // namespace keelson::conformance
