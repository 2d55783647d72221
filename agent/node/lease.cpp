#include "agent/node/lease.hpp"

#include "api/time.hpp"

namespace keelson::agent {
namespace {

constexpr char kNamespace[] = "kube-node-lease";
constexpr int kTries = 5;
constexpr base::Duration kFirstPause = std::chrono::milliseconds(200);
constexpr base::Duration kLastPause = std::chrono::seconds(7);
constexpr double kJitter = 0.04;

}  // namespace

api::meta::OwnerReference node_owner(const std::string& node, const std::string& uid) {
  api::meta::OwnerReference owner;
  owner.set_apiversion("v1");
  owner.set_kind("Node");
  owner.set_name(node);
  owner.set_uid(uid);
  return owner;
}

Lease renewed_lease(const std::optional<Lease>& base, const std::string& node, std::int32_t duration_seconds,
                    base::SystemTime now) {
  Lease lease;
  if (base) lease = *base;
  lease.mutable_metadata()->set_name(node);
  lease.mutable_metadata()->set_namespace_(kNamespace);
  lease.mutable_spec()->set_holderidentity(node);
  lease.mutable_spec()->set_leasedurationseconds(duration_seconds);
  *lease.mutable_spec()->mutable_renewtime() = api::make_micro_time(now);
  return lease;
}

NodeLease::NodeLease(base::Clock& clock, base::Random& random, kube::Client& client, std::string node,
                     std::int32_t duration_seconds, std::function<void()> close_connections, base::Logger log)
    : clock_(clock),
      random_(random),
      client_(client),
      node_(std::move(node)),
      duration_(duration_seconds),
      close_connections_(std::move(close_connections)),
      log_(std::move(log)) {}

void NodeLease::start(base::Gate& gate) { base::spawn(gate, "node lease", run()); }

base::Task<void> NodeLease::run() {
  const base::Duration period = base::Duration(std::chrono::seconds(duration_)) / 4;
  while (true) {
    co_await renew();
    co_await clock_.sleep_for(base::Backoff::jittered(period, kJitter, random_));
  }
}

base::Task<void> NodeLease::renew() {
  if (latest_) {
    const Status renewed = co_await update(*latest_);
    if (renewed.ok()) co_return;
  }
  Found found = co_await find_or_create();
  if (found.created) {
    remember(std::move(*found.lease));
    co_return;
  }
  if (!found.lease) co_return;
  const Status renewed = co_await update(std::move(*found.lease));
  if (!renewed.ok()) log_.warning("The node's lease is not renewed", {{"err", renewed.error()}});
}

base::Task<NodeLease::Found> NodeLease::find_or_create() {
  base::Backoff pause(kFirstPause, kLastPause, 2.0);
  while (true) {
    auto found = co_await try_to_find_or_create();
    if (found.ok()) {
      problem_.clear();
      co_return std::move(*found);
    }
    const std::string text = found.error().to_string();
    if (text != problem_) log_.warning("The node's lease cannot be had", {{"err", text}});
    problem_ = text;
    co_await clock_.sleep_for(pause.next(random_));
  }
}

base::Task<Result<NodeLease::Found>> NodeLease::try_to_find_or_create() {
  Found found;
  auto read = co_await client_.get<Lease>(kNamespace, node_);
  if (read.ok()) {
    found.lease = std::move(*read);
    co_return found;
  }
  if (read.error().kind() != ErrorKind::not_found) co_return std::move(read).error();
  Lease lease = renewed_lease(std::nullopt, node_, duration_, clock_.now());
  const Status owned = co_await add_owner(&lease);
  if (!owned.ok()) {
    log_.debug(2, "No lease without the Node", {{"err", owned.error()}});
    latest_.reset();
    co_return found;
  }
  auto created = co_await client_.create<Lease>(kNamespace, std::move(lease));
  if (!created.ok()) co_return std::move(created).error();
  found.lease = std::move(*created);
  found.created = true;
  co_return found;
}

base::Task<Status> NodeLease::update(Lease from) {
  std::string problem;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    Lease lease = renewed_lease(from, node_, duration_, clock_.now());
    const Status owned = co_await add_owner(&lease);
    if (!owned.ok()) log_.debug(2, "The lease stays without owner", {{"err", owned.error()}});
    auto renewed = co_await client_.update<Lease>(std::move(lease));
    if (renewed.ok()) {
      remember(std::move(*renewed));
      co_return Status();
    }
    problem = renewed.error().to_string();
    if (renewed.error().kind() == ErrorKind::conflict) {
      Found found = co_await find_or_create();
      if (found.created) {
        remember(std::move(*found.lease));
        co_return Status();
      }
      if (found.lease) from = std::move(*found.lease);
      continue;
    }
    // Nobody has it any more: reading anew is what helps.
    if (renewed.error().kind() == ErrorKind::not_found) break;
    if (attempt > 0 && close_connections_) close_connections_();
  }
  co_return Error(ErrorKind::unavailable, problem);
}

base::Task<Status> NodeLease::add_owner(Lease* lease) {
  if (lease->metadata().ownerreferences_size() > 0) co_return Status();
  auto node = co_await client_.get<api::core::Node>("", node_);
  if (!node.ok()) co_return std::move(node).error();
  *lease->mutable_metadata()->add_ownerreferences() = node_owner(node_, node->metadata().uid());
  co_return Status();
}

void NodeLease::remember(Lease lease) {
  latest_ = std::move(lease);
  renewed_at_ = clock_.steady_now();
}

}  // namespace keelson::agent
