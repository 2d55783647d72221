#include "agent/node/csi_node.hpp"

#include "agent/node/lease.hpp"

namespace keelson::agent {
namespace {

constexpr char kAnnotation[] = "storage.alpha.kubernetes.io/migrated-plugins";
constexpr base::Duration kAskPause = std::chrono::seconds(1);
constexpr int kRounds = 6;
constexpr base::Duration kRoundPause = std::chrono::milliseconds(30);
constexpr double kRoundFactor = 8;
constexpr int kTries = 4;
constexpr base::Duration kTryPause = std::chrono::milliseconds(10);
constexpr double kTryFactor = 5;
constexpr base::Duration kNoCap = std::chrono::hours(1);

kube::Query any_version() { return {{"resourceVersion", "0"}}; }

api::meta::DeleteOptions only_this(const CsiNodeObject& object) {
  api::meta::DeleteOptions options;
  options.mutable_preconditions()->set_uid(object.metadata().uid());
  return options;
}

bool is_of_another(const CsiNodeObject& object, const std::string& node_uid) {
  for (const auto& owner : object.metadata().ownerreferences()) {
    if (owner.kind() == "Node" && owner.uid() != node_uid) return true;
  }
  return false;
}

}  // namespace

std::string migrated_plugins() {
  return "kubernetes.io/aws-ebs,kubernetes.io/azure-disk,kubernetes.io/azure-file,kubernetes.io/cinder,"
         "kubernetes.io/gce-pd,kubernetes.io/portworx-volume,kubernetes.io/vsphere-volume";
}

CsiNodeObject new_csi_node(const std::string& node, const std::string& node_uid) {
  CsiNodeObject object;
  auto& metadata = *object.mutable_metadata();
  metadata.set_name(node);
  (*metadata.mutable_annotations())[kAnnotation] = migrated_plugins();
  *metadata.add_ownerreferences() = node_owner(node, node_uid);
  return object;
}

CsiNode::CsiNode(base::Loop& loop, base::Clock& clock, base::Random& random, kube::Client& client, std::string node,
                 Hooks hooks, base::Logger log)
    : clock_(clock),
      random_(random),
      client_(client),
      node_(std::move(node)),
      hooks_(std::move(hooks)),
      log_(std::move(log)),
      bell_(loop) {}

void CsiNode::start(base::Gate& gate) { base::spawn(gate, "csi node", run()); }

base::Task<void> CsiNode::run() {
  co_await wait_for_api_server();
  base::Backoff pause(kRoundPause, kNoCap, kRoundFactor);
  for (int count = 1;; ++count) {
    const Status done = co_await round();
    if (done.ok()) {
      set_problem("");
      co_return;
    }
    const std::string problem = "failed to initialize CSINode: " + done.error().to_string();
    set_problem(problem);
    if (count == kRounds) {
      log_.error("The CSINode cannot be made", {{"err", problem}});
      if (hooks_.failed) hooks_.failed(problem);
      co_return;
    }
    co_await bell_.wait_for(clock_, pause.next(random_));
  }
}

// Whether the object is there does not matter yet.
base::Task<void> CsiNode::wait_for_api_server() {
  std::string problem;
  while (true) {
    kube::Query query = any_version();
    auto answer = co_await client_.get<CsiNodeObject>("", node_, std::move(query));
    if (answer.ok() || answer.error().kind() == ErrorKind::not_found) co_return;
    const std::string text = answer.error().to_string();
    if (text != problem) log_.warning("Waiting for the API server to answer for the CSINode", {{"err", text}});
    problem = text;
    co_await clock_.sleep_for(kAskPause);
  }
}

base::Task<Status> CsiNode::round() {
  base::Backoff pause(kTryPause, kNoCap, kTryFactor);
  for (int count = 1;; ++count) {
    Status done = co_await try_once();
    if (done.ok() || count == kTries) co_return done;
    co_await clock_.sleep_for(pause.next(random_));
  }
}

base::Task<Status> CsiNode::try_once() {
  auto node = co_await client_.get<api::core::Node>("", node_);
  if (!node.ok()) co_return std::move(node).error();
  std::string uid = node->metadata().uid();
  auto existing = co_await client_.get<CsiNodeObject>("", node_);
  if (existing.ok()) {
    Status done = co_await put_right(std::move(*existing), std::move(uid));
    co_return done;
  }
  if (existing.error().kind() != ErrorKind::not_found) co_return std::move(existing).error();
  CsiNodeObject object = new_csi_node(node_, uid);
  auto created = co_await client_.create<CsiNodeObject>("", std::move(object));
  if (!created.ok()) co_return std::move(created).error();
  co_return Status();
}

base::Task<Status> CsiNode::put_right(CsiNodeObject object, std::string node_uid) {
  if (is_of_another(object, node_uid)) {
    api::meta::DeleteOptions options = only_this(object);
    const Status removed = co_await client_.remove<CsiNodeObject>("", node_, std::move(options));
    if (!removed.ok() && removed.error().kind() != ErrorKind::not_found) co_return removed.error();
    CsiNodeObject anew = new_csi_node(node_, node_uid);
    auto created = co_await client_.create<CsiNodeObject>("", std::move(anew));
    if (!created.ok()) co_return std::move(created).error();
    co_return Status();
  }
  auto& annotations = *object.mutable_metadata()->mutable_annotations();
  if (annotations[kAnnotation] == migrated_plugins()) co_return Status();
  annotations[kAnnotation] = migrated_plugins();
  auto updated = co_await client_.update<CsiNodeObject>(std::move(object));
  if (!updated.ok()) co_return std::move(updated).error();
  co_return Status();
}

void CsiNode::set_problem(std::string problem) {
  if (problem == problem_) return;
  problem_ = std::move(problem);
  if (hooks_.changed) hooks_.changed();
}

}  // namespace keelson::agent
