#include "agent/node_api/configz.hpp"

#include <nlohmann/json.hpp>

#include "agent/node_api/tests/fake_reply.hpp"
#include "config/tests/support.hpp"

namespace keelson::node_api {
namespace {

using testing::ask;
using testing::FakeReply;
using testing::get;

// The recorded answer is a configuration itself: given to an agent, that agent answers it again.
config::KubeletConfiguration recorded_configuration(const nlohmann::json& recorded) {
  config::testing::FakeFiles files{{"/k.json", recorded.at("kubeletconfig").dump()}};
  auto loaded = config::testing::must_run(config::load({"--config=/k.json", "--kubeconfig=/kc"}, files));
  // Placeholders, which a relative path would have been resolved for.
  loaded.kubelet.static_pod_path = "<MANIFESTS>";
  loaded.kubelet.authentication.x509.client_ca_file = "<PATH>";
  return loaded.kubelet;
}

TEST(Configz, IsKeyByKeyTheKubeletsRecording) {
  const auto recorded = nlohmann::json::parse(testing::golden("http/configz.json"));
  const auto configuration = recorded_configuration(recorded);
  ConfigzHandler handler([&] { return configuration; });
  const FakeReply reply = ask(handler, get("/configz"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("Content-Type"), "application/json");
  EXPECT_EQ(reply.header("X-Content-Type-Options"), "nosniff");
  const auto answered = nlohmann::json::parse(reply.body);
  EXPECT_EQ(answered, recorded) << nlohmann::json::diff(answered, recorded).dump(1);
  EXPECT_EQ(reply.body.find('<'), std::string::npos) << "Go escapes what may not stand in a web page";
}

TEST(Configz, ShowsWhatIsInForceNow) {
  config::KubeletConfiguration configuration;
  ConfigzHandler handler([&] { return configuration; });
  for (const char* driver : {"cgroupfs", "systemd"}) {
    configuration.cgroup_driver = driver;
    const auto answered = nlohmann::json::parse(ask(handler, get("/configz")).body);
    EXPECT_EQ(answered.at("kubeletconfig").at("cgroupDriver"), driver);
  }
}

}  // namespace
}  // namespace keelson::node_api
