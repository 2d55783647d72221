// EventCorrelator: what becomes of an event before it is sent: created, counted up, combined with its like, or dropped.
//
// In this order: ten distinct messages of one source, object, type and reason within ten minutes (each renews them)
// make one combined event of all that is new; an event that is known already gets a patch instead; and of each source,
// object and type 25 events pass, then one more every 300 s. What is dropped is counted all the same. Keys are held as
// digests, so that the caches stay small whatever the messages are. A plain value; time comes from outside. Owner:
// ApiEvents. Source: contract 02 §22.1.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "agent/events/lru_cache.hpp"
#include "api/objects.hpp"
#include "base/backoff.hpp"
#include "base/clock.hpp"

namespace keelson::agent {

struct CorrelatedEvent {
  bool dropped = false;
  api::core::Event event;  // as it is to be created, should a patch find nothing
  std::string patch;       // not empty: it should be there under that name
};

class EventCorrelator {
 public:
  struct Limits {
    std::size_t cache = 4096;
    std::size_t distinct_messages = 10;
    base::Duration window = std::chrono::seconds(600);
    double burst = 25;
    base::Duration refill = std::chrono::seconds(300);
  };
  explicit EventCorrelator(base::Random& random) : EventCorrelator(random, Limits()) {}
  EventCorrelator(base::Random& random, Limits limits);

  CorrelatedEvent correlate(api::core::Event event, base::SystemTime now, base::SteadyTime steady_now);
  // What the server answered: the next of its kind counts on from there.
  void sent(const api::core::Event& answer);

 private:
  using Key = std::array<std::uint64_t, 2>;
  struct Similar {
    std::vector<std::uint64_t> messages;  // digests
    base::SteadyTime last{};
  };
  struct Observed {
    std::int32_t count = 0;
    api::meta::Time first;
    std::string name;
  };
  struct Bucket {
    double tokens = 0;
    base::SteadyTime filled{};
  };

  static Key digest(const std::vector<std::string_view>& parts);
  static std::vector<std::string_view> object_parts(const api::core::Event& event);
  static Key event_key(const api::core::Event& event);
  static Key similar_key(const api::core::Event& event);
  static Key spam_key(const api::core::Event& event);

  // Turns `event` into the combined one when its like have come too often. The key under which it counts.
  Key aggregate(api::core::Event& event, base::SystemTime now, base::SteadyTime steady_now);
  bool is_spam(const api::core::Event& event, base::SteadyTime now);

  base::Random& random_;
  Limits limits_;
  LruCache<Key, Similar> similar_;
  LruCache<Key, Observed> observed_;
  LruCache<Key, Bucket> buckets_;
};

}  // namespace keelson::agent
