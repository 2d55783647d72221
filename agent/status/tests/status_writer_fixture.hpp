// A StatusWriter on virtual time over FakePodApi, with a watch that tells it of every change.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/status/status_writer.hpp"
#include "agent/status/tests/fake_pod_api.hpp"
#include "agent/status/tests/texts.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::agent::testing {

using namespace std::chrono_literals;
using base::testing::drain;
using Texts = std::vector<std::string>;

inline base::Task<void> await_stop(StatusWriter* writer, bool* stopped) {
  co_await writer->stop();
  *stopped = true;
}

class StatusWriterTest : public ::testing::Test {
 protected:
  StatusWriterTest() { restart(); }
  ~StatusWriterTest() override { stop(); }

  void restart(StatusWriterOptions options = {}) {
    if (writer) stop();
    writer = std::make_unique<StatusWriter>(loop, clock, random, api, options, base::Logger());
    writer->on_written([this](const std::string& uid, base::SteadyTime published, bool ok) {
      written.push_back(uid + (ok ? " ok" : " failed"));
      last_latency = clock.steady_now() - published;
    });
    api.watch = [this](const api::PodPtr& pod, const std::string& uid) {
      if (!watching) return;
      if (pod) {
        writer->on_api_pod(pod);
      } else {
        writer->on_api_pod_removed(uid);
      }
    };
    for (const auto& [key, pod] : api.pods) writer->on_api_pod(std::make_shared<const api::Pod>(pod));
  }

  void stop() {
    bool stopped = false;
    base::Gate own(loop);
    base::spawn(own, "stop", await_stop(writer.get(), &stopped));
    drain(loop);
    ASSERT_TRUE(stopped);
    writer.reset();
  }

  // A pod of the API, bound to this node.
  api::PodPtr pod(const std::string& name, const std::string& uid = "") {
    return api.put(parse_pod(R"({"metadata":{"name":")" + name + R"(","namespace":"n","uid":")" +
                             (uid.empty() ? "u-" + name : uid) +
                             R"("},"spec":{"containers":[{"name":"main"}]},"status":{"phase":"Pending"}})"));
  }
  api::PodPtr static_pod(const std::string& name, const std::string& hash) {
    return std::make_shared<const api::Pod>(
        parse_pod(R"({"metadata":{"name":")" + name + R"(","namespace":"n","uid":")" + hash +
                  R"(","annotations":{"kubernetes.io/config.source":"file","kubernetes.io/config.hash":")" + hash +
                  R"("}},"spec":{"containers":[{"name":"main"}]}})"));
  }
  api::Pod mirror(const api::PodPtr& of, const std::string& uid) {
    api::Pod out = *of;
    out.mutable_metadata()->set_uid(uid);
    (*out.mutable_metadata()->mutable_annotations())["kubernetes.io/config.mirror"] = of->metadata().uid();
    out.mutable_status()->set_phase("Pending");
    return out;
  }

  void publish(const api::PodPtr& pod, const std::string& status, bool may_run = true) {
    writer->publish(pod, parse_status(status), may_run);
    drain(loop);
  }
  void finish(const api::PodPtr& pod, const std::string& status) {
    writer->terminated(pod, parse_status(status));
    drain(loop);
  }
  std::string phase(const std::string& name) { return api.pods.at("n/" + name).status().phase(); }

  base::Loop loop;
  base::VirtualClock clock{loop};
  base::Random random{7};
  FakePodApi api{clock};
  bool watching = true;
  Texts written;
  base::Duration last_latency{-1};
  std::unique_ptr<StatusWriter> writer;
};

inline const Error kUnavailable(ErrorKind::unavailable, "try later", 429);

}  // namespace keelson::agent::testing
