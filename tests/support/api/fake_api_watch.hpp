// ApiWatches: the open watches, each a queue of frames that a stream hands out.
//
// A watch is fed when a change happens, in order, whether somebody reads it or not; its stream ends by its time-out
// (with a last bookmark), by end() or by the server's end. Owner: FakeApi; streams share their watch. Thread: the loop.
// Source: contract 01 §10 (watch pattern), contract 05a "Envelope and streams".
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/loop.hpp"
#include "base/sync.hpp"
#include "tests/support/api/fake_api.hpp"
#include "tests/support/api/fake_api_selection.hpp"
#include "tests/support/api/fake_api_store.hpp"
#include "tests/support/api/fake_api_wire.hpp"

namespace keelson::fakes {

struct WatchWish {
  const ApiKind* kind = nullptr;
  Selection selection;
  Rendering rendering;
  bool bookmarks = false;
  std::optional<base::Duration> timeout;
};

class ApiWatches {
 public:
  static constexpr base::Duration kBookmarkEvery = std::chrono::minutes(1);

  ApiWatches(base::Loop& loop, base::Clock& clock, ApiStore& store);
  ~ApiWatches();

  // After the objects of `first` (ADDED), a bookmark that says so when `mark_initial`, then `changes` and what follows.
  std::unique_ptr<ApiStream> open(WatchWish wish, const std::vector<ObjectPtr>& first, bool mark_initial,
                                  const std::vector<const ApiChange*>& changes);
  // A stream with one ERROR event.
  std::unique_ptr<ApiStream> failed(const Rendering& rendering, const ApiKind& kind, const ApiFailure& failure);
  // Ends those of that plural; empty: all.
  void end(const std::string& plural);
  std::size_t size() const;

 private:
  struct Watch;
  class Stream;
  void feed(const ApiChange& change);

  base::Loop& loop_;
  base::Clock& clock_;
  ApiStore& store_;
  std::vector<std::weak_ptr<Watch>> watches_;
};

}  // namespace keelson::fakes
