#include "agent/plugins/plugin_registrations.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/plugins/proto/plugin_registration.pb.h"
#include "agent/plugins/tests/plugin_sockets.hpp"
#include "base/tests/fake_rpc.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::agent {
namespace {

namespace pb = ::pluginregistration;
using namespace std::chrono_literals;
using base::RpcOutcome;
using base::testing::FakeRpcChannels;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FakeHandler final : public PluginHandler {
 public:
  std::vector<std::string> story;
  Status valid;
  Status registered;

  Status validate(const PluginInfo& plugin) override {
    story.push_back("validate " + plugin.name);
    return valid;
  }
  base::Task<Status> register_plugin(PluginInfo plugin) override {
    story.push_back("register " + plugin.name + " at " + plugin.endpoint);
    co_return registered;
  }
  base::Task<void> deregister_plugin(PluginInfo plugin) override {
    story.push_back("deregister " + plugin.name);
    co_return;
  }
};

class PluginRegistrationsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    rpc_.answer = [this](const FakeRpcChannels::Call& call, google::protobuf::MessageLite& response) {
      return answer(call, response);
    };
    registrations_.add_handler("CSIPlugin", handler_);
  }
  ~PluginRegistrationsTest() override { KEELSON_CHECK(base::testing::stop_now(loop_, gate_)); }

  RpcOutcome answer(const FakeRpcChannels::Call& call, google::protobuf::MessageLite& response) {
    if (call.name() == "GetInfo") {
      if (!get_info.ok()) return get_info;
      static_cast<pb::PluginInfo&>(response) = info;
      return {};
    }
    const auto& status = static_cast<const pb::RegistrationStatus&>(*call.request);
    told.push_back(status.plugin_registered() ? "registered" : status.error());
    return notified;
  }

  void start() {
    registrations_.start(gate_);
    settle();
  }
  // Until inotify's news have been taken in; none come after that without time passing.
  void settle() {
    for (int quiet = 0; quiet < 3;) quiet = loop_.context().poll() > 0 ? 0 : quiet + 1;
  }
  void advance(base::Duration duration) {
    settle();
    clock_.advance(duration);
    settle();
  }
  std::size_t asked() const { return rpc_.calls.size() - told.size(); }
  static pb::PluginInfo csi_info() {
    pb::PluginInfo out;
    out.set_type("CSIPlugin");
    out.set_name("disk.example");
    out.set_endpoint("/run/disk.sock");
    out.add_supported_versions("1.0.0");
    return out;
  }

  PluginSockets tree_;
  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  base::Random random_{3};
  FakeRpcChannels rpc_{clock_};
  base::Gate gate_{loop_};
  FakeHandler handler_;
  std::vector<std::string> lines_;
  base::Logger log_{std::make_shared<base::LogSink>(base::LogFormat::text, 0,
                                                    [this](std::string_view line) { lines_.emplace_back(line); })};
  PluginRegistrations registrations_{loop_, clock_, random_, rpc_, tree_.top, log_};
  pb::PluginInfo info = csi_info();
  RpcOutcome get_info;
  RpcOutcome notified;
  std::vector<std::string> told;
};

TEST_F(PluginRegistrationsTest, RegistersWhatIsThereAtTheStart) {
  tree_.make("disk-reg.sock");
  start();
  EXPECT_THAT(handler_.story, ElementsAre("validate disk.example", "register disk.example at /run/disk.sock"));
  EXPECT_THAT(told, ElementsAre("registered"));
  ASSERT_EQ(rpc_.calls.size(), 2u);
  EXPECT_EQ(rpc_.calls[0].socket, tree_.path("disk-reg.sock"));
  EXPECT_EQ(rpc_.calls[0].method, "/pluginregistration.Registration/GetInfo");
  EXPECT_EQ(rpc_.calls[0].limit, 1s);
  EXPECT_EQ(rpc_.calls[1].method, "/pluginregistration.Registration/NotifyRegistrationStatus");
  EXPECT_EQ(rpc_.calls[1].limit, 5s);
  const auto view = registrations_.view();
  ASSERT_EQ(view.size(), 1u);
  ASSERT_TRUE(view[0].plugin.has_value());
  EXPECT_EQ(view[0].plugin->name, "disk.example");
}

TEST_F(PluginRegistrationsTest, RegistersWhatComesLaterAndSleepsInBetween) {
  start();
  advance(1h);
  EXPECT_EQ(clock_.sleepers(), 0u) << "nothing differs, so there is nothing to wake up for";
  tree_.make("disk-reg.sock");
  settle();
  EXPECT_THAT(told, ElementsAre("registered"));
  advance(1h);
  EXPECT_EQ(rpc_.calls.size(), 2u) << "asked once";
}

TEST_F(PluginRegistrationsTest, AnEmptyEndpointIsTheSocketItself) {
  info.clear_endpoint();
  tree_.make("disk-reg.sock");
  start();
  EXPECT_THAT(handler_.story,
              ElementsAre("validate disk.example", "register disk.example at " + tree_.path("disk-reg.sock")));
}

TEST_F(PluginRegistrationsTest, DeregistersWhatHasGone) {
  tree_.make("disk-reg.sock");
  start();
  handler_.story.clear();
  tree_.remove("disk-reg.sock");
  advance(1s);
  EXPECT_THAT(handler_.story, ElementsAre("deregister disk.example"));
  EXPECT_THAT(registrations_.view(), IsEmpty());
}

TEST_F(PluginRegistrationsTest, DeregistersBeforeItRegistersWhatWasMadeAnew) {
  tree_.make("disk-reg.sock");
  start();
  handler_.story.clear();
  tree_.remove("disk-reg.sock");
  tree_.make("disk-reg.sock");
  advance(2s);
  EXPECT_THAT(handler_.story, ElementsAre("deregister disk.example", "validate disk.example",
                                          "register disk.example at /run/disk.sock"));
}

TEST_F(PluginRegistrationsTest, APluginThatMovedIsGoneBeforeItComesAgain) {
  tree_.make("old.sock");
  start();
  handler_.story.clear();
  tree_.remove("old.sock");
  tree_.make("new.sock");
  advance(2s);
  EXPECT_THAT(handler_.story, ElementsAre("deregister disk.example", "validate disk.example",
                                          "register disk.example at /run/disk.sock"));
}

TEST_F(PluginRegistrationsTest, TellsAPluginOfUnknownTypeThatNobodyWantsIt) {
  info.set_type("DevicePlugin");
  tree_.make("gpu.sock");
  start();
  const std::string text =
      "RegisterPlugin error -- no handler registered for plugin type: DevicePlugin at socket " + tree_.path("gpu.sock");
  EXPECT_THAT(told, ElementsAre(text));
  EXPECT_THAT(handler_.story, IsEmpty());
  EXPECT_EQ(registrations_.view()[0].problem, text);
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("no handler registered")));
}

TEST_F(PluginRegistrationsTest, TellsWhyAPluginIsNotValid) {
  handler_.valid = Error(ErrorKind::invalid, "too old");
  tree_.make("disk-reg.sock");
  start();
  EXPECT_THAT(told, ElementsAre("RegisterPlugin error -- plugin validation failed with err: too old"));
  EXPECT_THAT(handler_.story, ElementsAre("validate disk.example"));
}

TEST_F(PluginRegistrationsTest, RetriesAFailedRegistrationWithGrowingPauses) {
  handler_.registered = Error(ErrorKind::unavailable, "no node id");
  tree_.make("disk-reg.sock");
  start();
  ASSERT_THAT(told, ElementsAre("RegisterPlugin error -- plugin registration failed with err: no node id"));
  // Pauses of 0.5, 1, 2, 4 ... 122 s, taken up by passes that are a second apart.
  advance(10s);
  EXPECT_EQ(asked(), 5u);
  advance(1h);
  EXPECT_THAT(asked(), ::testing::AllOf(::testing::Ge(32u), ::testing::Le(40u)));
  EXPECT_EQ(lines_.size(), 1u) << "told once";
  handler_.registered = {};
  advance(123s);
  EXPECT_EQ(told.back(), "registered");
  const auto calls = rpc_.calls.size();
  advance(1h);
  EXPECT_EQ(rpc_.calls.size(), calls);
}

TEST_F(PluginRegistrationsTest, DeregistersAPluginThatCannotBeTold) {
  notified = {14, "gone"};
  tree_.make("disk-reg.sock");
  start();
  EXPECT_THAT(handler_.story, ElementsAre("validate disk.example", "register disk.example at /run/disk.sock",
                                          "deregister disk.example"));
  EXPECT_THAT(registrations_.view()[0].problem, HasSubstr("failed to send registration status at socket"));
  notified = {};
  advance(1s);
  EXPECT_EQ(told.back(), "registered");
}

TEST_F(PluginRegistrationsTest, ASocketThatIsNotListenedOnYetIsNoNews) {
  get_info = {RpcOutcome::unreached, "connection refused"};
  tree_.make("disk-reg.sock");
  start();
  EXPECT_THAT(lines_, IsEmpty());
  get_info = {};
  advance(1s);
  EXPECT_THAT(told, ElementsAre("registered"));
}

TEST_F(PluginRegistrationsTest, OneThatHangsHoldsUpNobody) {
  get_info = {FakeRpcChannels::hang, ""};
  tree_.make("a.sock");
  start();
  EXPECT_EQ(rpc_.open, 1);
  get_info = {};
  tree_.make("b.sock");
  advance(999ms);
  advance(1ms);
  EXPECT_THAT(told, ElementsAre("registered"));
  EXPECT_THAT(registrations_.view()[0].problem, HasSubstr("context deadline exceeded"));
}

TEST_F(PluginRegistrationsTest, ASocketThatGoesWhileItIsRegisteredIsDeregistered) {
  get_info = {FakeRpcChannels::hang, ""};
  tree_.make("a.sock");
  start();
  tree_.remove("a.sock");
  advance(5s);
  EXPECT_THAT(registrations_.view(), IsEmpty());
  EXPECT_THAT(handler_.story, IsEmpty());
}

TEST_F(PluginRegistrationsTest, ADirectoryThatWentIsMadeAgain) {
  start();
  std::filesystem::remove_all(tree_.top);
  advance(3s);
  ASSERT_TRUE(std::filesystem::exists(tree_.top));
  tree_.make("disk-reg.sock");
  advance(1s);
  EXPECT_THAT(told, ElementsAre("registered"));
}

}  // namespace
}  // namespace keelson::agent
