#include "agent/events/api_events.hpp"

#include <random>

#include "agent/events/event_object.hpp"

namespace keelson::agent {
namespace {

using base::Task;
using namespace std::chrono_literals;

constexpr std::size_t kQueue = 1000;
constexpr int kTries = 12;
constexpr base::Duration kPause = 10s;
constexpr base::Duration kLastSecond = 1s;

// The server has answered, and not by taking it: sending the same again would bring the same.
bool is_refusal(const Error& error) { return error.code() >= 400 || error.kind() == ErrorKind::cancelled; }

base::LogFields describe(const api::core::Event& event, const Error& error) {
  const auto& object = event.involvedobject();
  return {{"object", object.kind() + "/" + object.namespace_() + "/" + object.name()},
          {"reason", event.reason()},
          {"err", error}};
}

}  // namespace

ApiEvents::ApiEvents(kube::Client& client, base::Random& random, std::string node_name, base::Logger log)
    : client_(client),
      clock_(client.clock()),
      random_(random),
      node_name_(std::move(node_name)),
      log_(std::move(log)),
      correlator_(random),
      queue_(client.loop()),
      idle_bell_(client.loop()),
      gate_(client.loop()) {}

void ApiEvents::start() { base::spawn(gate_, "events", run()); }

Task<void> ApiEvents::stop() {
  stopped_ = true;
  if (gate_.tasks() > 0 && !gate_.stopping()) {
    const bool all_sent = co_await base::with_timeout(clock_, kLastSecond, wait_until_idle());
    if (!all_sent) dropped_ += queue_.size() + (sending_ ? 1 : 0);
  }
  co_await gate_.stop();
}

void ApiEvents::record(const api::Pod& pod, PodEvent event) {
  if (event.of_node) return record_node(event.warning, std::move(event.reason), std::move(event.message));
  auto object = event.of_object ? *event.of_object : reference_to(pod, std::move(event.field_path));
  enqueue(make_event(std::move(object), {event.warning, std::move(event.reason), std::move(event.message)}, node_name_,
                     clock_.now(), random_));
}

void ApiEvents::record_node(bool warning, std::string reason, std::string message) {
  enqueue(make_event(reference_to_node(node_name_), {warning, std::move(reason), std::move(message)}, node_name_,
                     clock_.now(), random_));
}

void ApiEvents::enqueue(api::core::Event event) {
  if (stopped_ || queue_.size() >= kQueue) {
    if (!stopped_ && !full_) log_.warning("Too many events wait for the API server, new ones are dropped");
    full_ = true;
    ++dropped_;
    return;
  }
  full_ = false;
  queue_.send(std::move(event));
}

Task<void> ApiEvents::wait_until_idle() {
  while (sending_ || queue_.size() > 0) co_await idle_bell_.wait();
}

Task<void> ApiEvents::run() {
  while (true) {
    api::core::Event event = co_await queue_.receive();
    sending_ = true;
    co_await deliver(std::move(event));
    sending_ = false;
    if (queue_.size() == 0) idle_bell_.notify();
  }
}

Task<void> ApiEvents::deliver(api::core::Event event) {
  const auto correlated = std::make_shared<const CorrelatedEvent>(
      correlator_.correlate(std::move(event), clock_.now(), clock_.steady_now()));
  if (correlated->dropped) {
    ++dropped_;
    co_return;
  }
  for (int tries = 1;; ++tries) {
    Result<api::core::Event> answer = co_await send_once(correlated);
    if (answer.ok()) {
      correlator_.sent(*answer);
      ++sent_;
      co_return;
    }
    if (is_refusal(answer.error())) {
      // A namespace that is being deleted refuses all; so does one that has the event already.
      const bool expected = answer.error().code() == 403 || answer.error().code() == 409;
      const auto fields = describe(correlated->event, answer.error());
      if (expected) log_.debug(2, "The API server refused an event", fields);
      if (!expected) log_.warning("The API server refused an event", fields);
      ++dropped_;
      co_return;
    }
    if (tries == kTries) {
      log_.warning("Gave up sending an event", describe(correlated->event, answer.error()));
      ++dropped_;
      co_return;
    }
    // The first wait is random, so that not all nodes come back at once.
    std::uniform_real_distribution<double> part(0.0, 1.0);
    const double share = tries == 1 ? part(random_) : 1.0;
    co_await clock_.sleep_for(base::Duration(static_cast<base::Duration::rep>(kPause.count() * share)));
  }
}

Task<Result<api::core::Event>> ApiEvents::send_once(std::shared_ptr<const CorrelatedEvent> correlated) {
  api::core::Event event = correlated->event;
  const std::string ns = event.metadata().namespace_();
  if (!correlated->patch.empty()) {
    Result<api::core::Event> patched = co_await client_.patch<api::core::Event>(
        ns, event.metadata().name(), kube::PatchType::strategic_merge, correlated->patch);
    if (patched.ok() || patched.error().kind() != ErrorKind::not_found) co_return patched;
  }
  Result<api::core::Event> created = co_await client_.create<api::core::Event>(ns, std::move(event));
  co_return created;
}

}  // namespace keelson::agent
