// LruCache: at most so many values by key; the one not touched for longest makes room.
//
// A value of its user's thread. Source: contract 02 §22.1 ("Caches hold 4096 keys").
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <utility>

namespace keelson::agent {

template <class Key, class Value>
class LruCache {
 public:
  explicit LruCache(std::size_t limit) : limit_(limit) {}

  // The value of that key, now the newest; nullptr when it is not held. Good until the next call.
  Value* find(const Key& key) {
    const auto found = places_.find(key);
    if (found == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->second;
  }
  Value& put(const Key& key, Value value) {
    if (Value* known = find(key)) return *known = std::move(value);
    if (entries_.size() >= limit_) {
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(key, std::move(value));
    places_[key] = entries_.begin();
    return entries_.front().second;
  }
  std::size_t size() const { return entries_.size(); }

 private:
  using Entries = std::list<std::pair<Key, Value>>;

  std::size_t limit_;
  Entries entries_;
  std::map<Key, typename Entries::iterator> places_;
};

}  // namespace keelson::agent
