// The status writer and the mirror pods with the real client and informer, as a node of the fake API server.
#include <gtest/gtest.h>

#include "agent/status/mirror_pods.hpp"
#include "agent/status/status_writer.hpp"
#include "agent/status/tests/texts.hpp"
#include "agent/wiring/client_pod_api.hpp"
#include "base/tests/tasks.hpp"
#include "kube-client/informer.hpp"
#include "tests/support/api/fake_api.hpp"

namespace keelson::agent {
namespace {

using namespace std::chrono_literals;
using base::testing::drain;
using testing::parse_pod;
using testing::parse_status;
using Texts = std::vector<std::string>;

kube::Selection pods_of_node() {
  kube::Selection selection;
  selection.field_selector = "spec.nodeName=n1";
  return selection;
}

base::Task<void> stop_all(StatusWriter* writer, MirrorPods* mirrors, base::Gate* gate, bool* stopped) {
  co_await writer->stop();
  co_await mirrors->stop();
  co_await gate->stop();
  *stopped = true;
}

class StatusApiTest : public ::testing::Test {
 protected:
  StatusApiTest() {
    api::core::Node node;
    node.mutable_metadata()->set_name("n1");
    node_ = std::make_shared<const api::core::Node>(api.create(node).value());
    informer.on_event([this](const kube::Informer<api::Pod>::Event& event) {
      if (event.change == kube::Change::removed) {
        writer.on_api_pod_removed(event.object->metadata().uid());
        mirrors.on_api_pod_removed(event.object->metadata().uid());
      } else {
        writer.on_api_pod(event.object);
        mirrors.on_api_pod(event.object);
      }
    });
    informer.when_synced([this] { mirrors.pods_synced(); });
    informer.start(gate);
    clock.advance(1s);
    api.clear_log();
  }
  ~StatusApiTest() override {
    bool stopped = false;
    base::Gate own(loop);
    base::spawn(own, "stop", stop_all(&writer, &mirrors, &gate, &stopped));
    for (int i = 0; i < 100 && !stopped; ++i) clock.advance(1s);
    EXPECT_TRUE(stopped);
    transport.close_all();
    drain(loop);
  }

  api::PodPtr pod(const std::string& name, const std::string& more = "") {
    const auto made =
        api.create(parse_pod(R"({"metadata":{"name":")" + name + R"(","namespace":"default")" + more +
                             R"(},"spec":{"nodeName":"n1","containers":[{"name":"main","image":"x"}]}})"));
    EXPECT_TRUE(made.ok()) << made.error().to_string();
    clock.advance(100ms);
    return informer.find("default/" + name);
  }
  api::PodPtr static_pod(const std::string& hash) {
    return std::make_shared<const api::Pod>(parse_pod(
        R"({"metadata":{"name":"web-n1","namespace":"default","uid":")" + hash +
        R"(","annotations":{"kubernetes.io/config.source":"file","kubernetes.io/config.hash":")" + hash +
        R"("}},"spec":{"nodeName":"n1","containers":[{"name":"main","image":"x"}]},"status":{"phase":"Pending"}})"));
  }
  void publish(const api::PodPtr& pod, const std::string& status, bool may_run = true) {
    writer.publish(pod, parse_status(status), may_run);
    clock.advance(100ms);
  }
  std::optional<api::Pod> stored(const std::string& name) { return api.get<api::Pod>("default", name); }
  // What the node asked for, watches aside: "patch 200 /api/..."
  Texts requests() const {
    Texts out;
    for (const auto& entry : api.log()) {
      if (entry.verb == "watch" || entry.verb == "list" || entry.user != "system:node:n1") continue;
      out.push_back(entry.verb + " " + std::to_string(entry.status) + " " + entry.target);
    }
    return out;
  }

  base::Loop loop;
  base::VirtualClock clock{loop};
  base::Random random{7};
  fakes::FakeApi api{loop, clock};
  fakes::FakeApiTransport transport{api, clock, {"system:node:n1", {"system:nodes", "system:authenticated"}}};
  kube::Client client{loop, clock, transport, kube::ClientOptions(), base::Logger()};
  kube::Informer<api::Pod> informer{client, random, pods_of_node(), base::Logger()};
  ClientPodApi pod_api{client};
  StatusWriter writer{loop, clock, random, pod_api, StatusWriterOptions(), base::Logger()};
  MirrorPods mirrors{loop, clock, random, pod_api, base::Logger()};
  base::Gate gate{loop};
  NodePtr node_;
};

constexpr char kPath[] = "/api/v1/namespaces/default/pods/a/status";

TEST_F(StatusApiTest, LeadsAPodThroughItsLifeAndOutOfTheApi) {
  const auto p = pod("a");
  ASSERT_NE(p, nullptr);
  publish(p, R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}]})");
  EXPECT_EQ(stored("a")->status().phase(), "Running");
  ASSERT_TRUE(api.remove<api::Pod>("default", "a").ok());
  clock.advance(100ms);
  const auto dying = informer.find("default/a");
  ASSERT_TRUE(dying->metadata().has_deletiontimestamp());
  publish(dying, R"({"phase":"Succeeded","conditions":[{"type":"Ready","status":"True"}]})", true);
  EXPECT_EQ(stored("a")->status().phase(), "Running");
  publish(dying, R"({"phase":"Succeeded","conditions":[{"type":"Ready","status":"True"}]})", false);
  EXPECT_EQ(stored("a")->status().phase(), "Succeeded");
  EXPECT_EQ(stored("a")->status().conditions(0).reason(), "PodCompleted");
  writer.terminated(dying, parse_status(R"({"phase":"Succeeded"})"));
  clock.advance(1s);
  EXPECT_FALSE(stored("a").has_value());
  EXPECT_EQ(informer.find("default/a"), nullptr);
  for (const auto& request : requests()) EXPECT_EQ(request.find("get "), std::string::npos) << request;
  EXPECT_EQ(requests().back(), "delete 200 /api/v1/namespaces/default/pods/a");
  EXPECT_EQ(writer.pending(), 0u);
  writer.forget(p->metadata().uid());
}

TEST_F(StatusApiTest, NeverSendsTwiceWhatTheServerTook) {
  const auto p = pod("a");
  publish(p, R"({"phase":"Running","startTime":"2026-01-01T00:00:00Z","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}],)"
             R"("conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}],)"
             R"("containerStatuses":[{"name":"main","image":"x","imageID":"y","state":{"running":{}},"ready":true}]})");
  clock.advance(1h);
  EXPECT_EQ(requests(), Texts{std::string("patch 200 ") + kPath});
}

TEST_F(StatusApiTest, SurvivesAServerThatIsAwayForAnHour) {
  std::vector<api::PodPtr> pods;
  for (int i = 0; i < 30; ++i) pods.push_back(pod("p" + std::to_string(i)));
  transport.set_down(true);
  for (const auto& p : pods) publish(p, R"({"phase":"Running"})");
  clock.advance(1h);
  for (const auto& p : pods) publish(p, R"({"phase":"Running","message":"newest"})");
  EXPECT_EQ(writer.pending(), 30u);
  transport.set_down(false);
  writer.api_is_back();
  clock.advance(2s);
  EXPECT_EQ(writer.pending(), 0u);
  for (const auto& p : pods) EXPECT_EQ(stored(p->metadata().name())->status().message(), "newest");
}

TEST_F(StatusApiTest, SurvivesAnAnswerThatWasLostAfterItsEffect) {
  const auto p = pod("a");
  fakes::ApiFault fault;
  fault.method = "PATCH";
  fault.reset = true;
  fault.after_effect = true;
  api.add_fault(fault);
  publish(p, R"({"phase":"Running"})");
  clock.advance(2s);
  EXPECT_EQ(stored("a")->status().phase(), "Running");
  EXPECT_EQ(writer.pending(), 0u);
}

TEST_F(StatusApiTest, LetsAPodWhoseRequestsHangDelayNobody) {
  const auto stuck = pod("a");
  const auto fine = pod("b");
  fakes::ApiFault fault;
  fault.path_contains = "/pods/a/status";
  fault.hang = true;
  fault.times = 1;
  api.add_fault(fault);
  publish(stuck, R"({"phase":"Running"})");
  publish(fine, R"({"phase":"Running"})");
  EXPECT_EQ(stored("b")->status().phase(), "Running");
  EXPECT_EQ(stored("a")->status().phase(), "Pending");
  clock.advance(20s);
  EXPECT_EQ(stored("a")->status().phase(), "Running");
}

TEST_F(StatusApiTest, DoesNotTouchAPodThatTookTheName) {
  const auto p = pod("a");
  api.cut_watches();
  fakes::ApiFault blind;
  blind.path_contains = "watch=true";
  blind.status = 503;
  blind.times = -1;
  blind.id = "blind";
  api.add_fault(blind);
  ASSERT_TRUE(api.remove<api::Pod>("default", "a", 0).ok());
  ASSERT_NE(stored("a").has_value(), true);
  const auto made = api.create(parse_pod(
      R"({"metadata":{"name":"a","namespace":"default"},"spec":{"nodeName":"n1","containers":[{"name":"main","image":"x"}]}})"));
  ASSERT_TRUE(made.ok());
  publish(p, R"({"phase":"Running"})");
  clock.advance(1min);
  EXPECT_EQ(stored("a")->status().phase(), "Pending");
  EXPECT_EQ(writer.pending(), 0u);
  api.remove_fault("blind");
}

TEST_F(StatusApiTest, MakesAMirrorAndTellsItsStatusAndReplacesItForANewManifest) {
  const auto first = static_pod("h1");
  mirrors.static_pod_added(first);
  mirrors.sources_ready();
  mirrors.on_node(node_);
  publish(first, R"({"phase":"Running"})");
  EXPECT_FALSE(stored("web-n1").has_value());
  mirrors.static_pod(first, first->status());
  clock.advance(1s);
  ASSERT_TRUE(stored("web-n1").has_value());
  EXPECT_EQ(stored("web-n1")->status().phase(), "Running");
  ASSERT_TRUE(writer.known_status(*first).has_value());

  const std::string before = stored("web-n1")->metadata().uid();
  const auto second = static_pod("h2");
  mirrors.static_pod_added(second);
  mirrors.static_pod_removed("h1");
  mirrors.static_pod_finished("h1");
  writer.forget("h1");
  publish(second, R"({"phase":"Pending","message":"second"})");
  mirrors.static_pod(second, second->status());
  clock.advance(1s);
  EXPECT_NE(stored("web-n1")->metadata().uid(), before);
  EXPECT_EQ(stored("web-n1")->status().message(), "second");

  // Deleted by a user, by grace: made anew, with its status.
  ASSERT_TRUE(api.remove<api::Pod>("default", "web-n1").ok());
  clock.advance(1s);
  ASSERT_TRUE(stored("web-n1").has_value());
  EXPECT_FALSE(stored("web-n1")->metadata().has_deletiontimestamp());
  EXPECT_EQ(stored("web-n1")->status().message(), "second");

  mirrors.static_pod_removed("h2");
  mirrors.static_pod_finished("h2");
  clock.advance(1s);
  EXPECT_FALSE(stored("web-n1").has_value());
}

TEST_F(StatusApiTest, LeavesAPodWithFinalizersToThem) {
  pod("a", R"(,"finalizers":["example.com/wait"])");
  ASSERT_TRUE(api.remove<api::Pod>("default", "a").ok());
  clock.advance(100ms);
  const auto dying = informer.find("default/a");
  writer.terminated(dying, parse_status(R"({"phase":"Failed"})"));
  clock.advance(1h);
  ASSERT_TRUE(stored("a").has_value());
  EXPECT_EQ(requests(), (Texts{std::string("patch 200 ") + kPath, "delete 200 /api/v1/namespaces/default/pods/a"}));
}

}  // namespace
}  // namespace keelson::agent
