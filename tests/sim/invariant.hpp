// Invariant: one thing that must hold throughout a simulation, whatever happens.
//
// Each has a name, under which a violation is reported, and a reason: why it matters, with the place in the contract.
// It is told of every happening, asked after every step, and asked once more when the faults have stopped and all has
// settled. Owner: Simulation. Thread: the simulation's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/ledger.hpp"
#include "tests/sim/world.hpp"

namespace keelson::sim {

class SimAgent;

// What the invariants are given to look at.
struct View {
  World& world;
  Ledger& ledger;
  std::function<SimAgent*()> agent;      // null while none lives
  std::function<bool()> faults_stopped;  // for good
};

class Invariant {
 public:
  Invariant(std::string_view name, std::string_view reason) : name_(name), reason_(reason) {}
  virtual ~Invariant() = default;

  std::string_view name() const { return name_; }
  std::string_view reason() const { return reason_; }
  const std::string& violation() const { return violation_; }

  // The ledger knows of it already.
  virtual void on_runtime(const fakes::FakeCri::Happening&) {}
  virtual void on_api_pod(const std::string& /*type*/, const api::Pod& /*pod*/) {}
  virtual void after_step() {}
  virtual void at_rest() {}

 protected:
  // The first one counts.
  void violated(std::string text) {
    if (violation_.empty()) violation_ = std::move(text);
  }

 private:
  std::string_view name_;
  std::string_view reason_;
  std::string violation_;
};

std::vector<std::unique_ptr<Invariant>> make_invariants(View view);

}  // namespace keelson::sim
