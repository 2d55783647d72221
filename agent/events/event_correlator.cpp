#include "agent/events/event_correlator.hpp"

#include <algorithm>
#include <functional>

#include "agent/events/event_object.hpp"
#include "api/time.hpp"

namespace keelson::agent {
namespace {

constexpr std::string_view kCombined = "(combined from similar events): ";

}  // namespace

EventCorrelator::EventCorrelator(base::Random& random, Limits limits)
    : random_(random), limits_(limits), similar_(limits.cache), observed_(limits.cache), buckets_(limits.cache) {}

// FNV-1a of 128 bits, with an end after each part.
EventCorrelator::Key EventCorrelator::digest(const std::vector<std::string_view>& parts) {
  using Wide = unsigned __int128;
  constexpr Wide prime = (Wide(1) << 88) + 0x13b;
  Wide hash = (Wide(0x6c62272e07bb0142ull) << 64) + 0x62b821756295c58dull;
  for (const std::string_view part : parts) {
    for (const char c : part) hash = (hash ^ static_cast<unsigned char>(c)) * prime;
    hash = (hash ^ 0xff) * prime;
  }
  return {static_cast<std::uint64_t>(hash >> 64), static_cast<std::uint64_t>(hash)};
}

std::vector<std::string_view> EventCorrelator::object_parts(const api::core::Event& event) {
  const auto& object = event.involvedobject();
  return {event.source().component(), event.source().host(), object.kind(),
          object.namespace_(),        object.name(),         object.uid(),
          object.apiversion()};
}

EventCorrelator::Key EventCorrelator::event_key(const api::core::Event& event) {
  auto parts = object_parts(event);
  parts.insert(parts.end(), {event.involvedobject().fieldpath(), event.type(), event.reason(), event.message()});
  return digest(parts);
}

EventCorrelator::Key EventCorrelator::similar_key(const api::core::Event& event) {
  auto parts = object_parts(event);
  parts.insert(parts.end(), {event.type(), event.reason(), event.reportingcomponent(), event.reportinginstance()});
  return digest(parts);
}

EventCorrelator::Key EventCorrelator::spam_key(const api::core::Event& event) {
  auto parts = object_parts(event);
  parts.push_back(event.type());
  return digest(parts);
}

EventCorrelator::Key EventCorrelator::aggregate(api::core::Event& event, base::SystemTime now,
                                                base::SteadyTime steady_now) {
  const Key group = similar_key(event);
  Similar* similar = similar_.find(group);
  if (similar == nullptr || steady_now - similar->last > limits_.window) similar = &similar_.put(group, Similar());
  similar->last = steady_now;
  const std::uint64_t message = std::hash<std::string>()(event.message());
  auto& messages = similar->messages;
  if (std::find(messages.begin(), messages.end(), message) == messages.end()) messages.push_back(message);
  if (messages.size() < limits_.distinct_messages) return event_key(event);

  // The first nine stay known, so that they go on counting by themselves.
  messages.pop_back();
  event.mutable_metadata()->set_name(event_name(event.involvedobject().name(), now, random_));
  event.set_message(std::string(kCombined) + event.message());
  *event.mutable_firsttimestamp() = api::make_time(now);
  *event.mutable_lasttimestamp() = event.firsttimestamp();
  event.set_count(1);
  return group;
}

bool EventCorrelator::is_spam(const api::core::Event& event, base::SteadyTime now) {
  const Key key = spam_key(event);
  Bucket* bucket = buckets_.find(key);
  if (bucket == nullptr) bucket = &buckets_.put(key, Bucket{limits_.burst, now});
  const double gained =
      static_cast<double>((now - bucket->filled).count()) / static_cast<double>(limits_.refill.count());
  bucket->tokens = std::min(limits_.burst, bucket->tokens + gained);
  bucket->filled = now;
  if (bucket->tokens < 1) return true;
  bucket->tokens -= 1;
  return false;
}

CorrelatedEvent EventCorrelator::correlate(api::core::Event event, base::SystemTime now, base::SteadyTime steady_now) {
  const Key key = aggregate(event, now, steady_now);
  CorrelatedEvent out;
  if (const Observed* known = observed_.find(key)) {
    event.mutable_metadata()->set_name(known->name);
    *event.mutable_firsttimestamp() = known->first;
    event.set_count(known->count + 1);
    out.patch = event_patch(event);
  }
  observed_.put(key, Observed{event.count(), event.firsttimestamp(), event.metadata().name()});
  out.dropped = is_spam(event, steady_now);
  out.event = std::move(event);
  return out;
}

void EventCorrelator::sent(const api::core::Event& answer) {
  observed_.put(event_key(answer), Observed{answer.count(), answer.firsttimestamp(), answer.metadata().name()});
}

}  // namespace keelson::agent
