#include "agent/admission/preemption.hpp"

#include <string>

#include "agent/pod_config/qos.hpp"

namespace keelson::agent {
namespace {

struct Need {
  std::string resource;
  std::int64_t amount = 0;
};
using Needs = std::vector<Need>;
using Pods = std::vector<api::PodPtr>;

Needs less(const Needs& needs, const Pods& freed) {
  Needs left;
  for (const Need& need : needs) {
    std::int64_t amount = need.amount;
    for (const auto& pod : freed) amount -= requested_amount(*pod, need.resource);
    if (amount > 0) left.push_back({need.resource, amount});
  }
  return left;
}

// The squares of what would still be missing, each relative to what is needed.
double distance(const Needs& needs, const api::Pod& pod) {
  double sum = 0;
  for (const Need& need : needs) {
    const auto missing = static_cast<double>(need.amount - requested_amount(pod, need.resource));
    const double share = missing / static_cast<double>(need.amount);
    if (missing > 0) sum += share * share;
  }
  return sum;
}

// By memory, then CPU; equal ones count as smaller.
bool is_smaller(const api::Pod& a, const api::Pod& b) {
  for (const char* resource : {"memory", "cpu"}) {
    const std::int64_t of_a = requested_amount(a, resource);
    const std::int64_t of_b = requested_amount(b, resource);
    if (of_a != of_b) return of_a < of_b;
  }
  return true;
}

Error impossible(const Needs& needs) {
  std::string text = "no set of running pods found to reclaim resources: [";
  for (const Need& need : needs) text += "(res: " + need.resource + ", q: " + std::to_string(need.amount) + "), ";
  return Error(ErrorKind::exhausted, text + "]");
}

// Again and again the pod that comes closest to what is needed.
Result<Pods> choose(Pods pods, Needs needs) {
  Pods chosen;
  while (!needs.empty()) {
    if (pods.empty()) return impossible(needs);
    std::size_t best = 0;
    double best_distance = static_cast<double>(needs.size() + 1);
    for (std::size_t i = 0; i < pods.size(); ++i) {
      const double d = distance(needs, *pods[i]);
      if (d < best_distance || (d == best_distance && is_smaller(*pods[i], *pods[best]))) {
        best_distance = d;
        best = i;
      }
    }
    needs = less(needs, {pods[best]});
    chosen.push_back(pods[best]);
    pods[best] = pods.back();
    pods.pop_back();
  }
  return chosen;
}

Pods joined(Pods first, const Pods& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

bool may_preempt(const api::Pod& newcomer, const api::Pod& other) {
  if (is_critical(newcomer) && !is_critical(other)) return true;
  if (!newcomer.spec().has_priority() || !other.spec().has_priority()) return false;
  return newcomer.spec().priority() > other.spec().priority();
}

Result<Pods> choose_victims(const api::Pod& newcomer, const Pods& others, const std::vector<Shortage>& shortages) {
  Pods best_effort, burstable, guaranteed;
  for (const auto& other : others) {
    if (!may_preempt(newcomer, *other)) continue;
    const QosClass qos = qos_class(*other);
    auto& group = qos == QosClass::guaranteed ? guaranteed : qos == QosClass::burstable ? burstable : best_effort;
    group.push_back(other);
  }
  Needs needs;
  for (const Shortage& shortage : shortages) needs.push_back({shortage.resource, shortage.missing()});

  const Needs never = less(needs, joined(joined(best_effort, burstable), guaranteed));
  if (!never.empty()) return impossible(never);
  // Each class gives only what the classes below it, all of them, could not.
  auto from_guaranteed = choose(guaranteed, less(needs, joined(best_effort, burstable)));
  if (!from_guaranteed.ok()) return from_guaranteed;
  auto from_burstable = choose(burstable, less(needs, joined(best_effort, *from_guaranteed)));
  if (!from_burstable.ok()) return from_burstable;
  auto from_best_effort = choose(best_effort, less(needs, joined(*from_burstable, *from_guaranteed)));
  if (!from_best_effort.ok()) return from_best_effort;
  return joined(joined(*from_best_effort, *from_burstable), *from_guaranteed);
}

}  // namespace keelson::agent
