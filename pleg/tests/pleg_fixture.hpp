// The fixture of the PLEG's tests: a Pleg on virtual time over a FakeLister, and what it tells as texts.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pleg/pleg.hpp"
#include "pleg/tests/fake_lister.hpp"

namespace keelson::pleg {

inline base::Task<void> keep(base::Task<Result<Snapshot>> task,
                             std::shared_ptr<std::optional<Result<Snapshot>>> answer) {
  auto value = co_await std::move(task);
  answer->emplace(std::move(value));
}

class PlegTest : public testing::Test {
 protected:
  PlegTest() : clock(loop), runtime(loop, clock), gate(loop) {}

  void start(PlegOptions options = {}) {
    pleg = std::make_unique<Pleg>(loop, clock, runtime, base::Logger(), options);
    pleg->on_event([this](const PodEvent& event) {
      std::string text = event.uid + " " + std::string(to_string(event.type));
      if (!event.id.empty()) text += " " + event.id;
      told.push_back(text);
      last = event;
    });
    pleg->start();
    clock.advance(base::Duration::zero());
  }

  ~PlegTest() override {
    base::Gate stopper(loop);
    if (pleg) base::spawn(stopper, "stop", pleg->stop());
    base::spawn(stopper, "stop gate", gate.stop());
    clock.advance(base::Duration::zero());
    EXPECT_EQ(stopper.tasks(), 0u) << "stop() must not need time";
  }

  std::vector<std::string> take() { return std::exchange(told, {}); }

  std::shared_ptr<std::optional<Result<Snapshot>>> ask(const std::string& uid, base::SteadyTime newer_than) {
    auto answer = std::make_shared<std::optional<Result<Snapshot>>>();
    base::spawn(gate, "ask", keep(pleg->get_newer_than(uid, newer_than), answer));
    clock.advance(base::Duration::zero());
    return answer;
  }

  static State state_in(const Snapshot& snapshot, const std::string& id) {
    return static_cast<const Seen*>(snapshot.inspection.get())->at(id);
  }

  using Told = std::vector<std::string>;
  base::Loop loop;
  base::VirtualClock clock;
  FakeLister runtime;
  base::Gate gate;
  std::unique_ptr<Pleg> pleg;
  Told told;
  std::optional<PodEvent> last;
};

}  // namespace keelson::pleg
