#include "tests/support/api/fake_api_watch.hpp"

#include <algorithm>

namespace keelson::fakes {
namespace {

using base::Task;
using google::protobuf::Message;

// What left the selection goes with its old shape and the version of its leaving.
NewObject at_version(const Message& object, std::uint64_t version) {
  NewObject out(object.New());
  out->MergeFrom(object);
  mutable_meta(*out).set_resourceversion(std::to_string(version));
  return out;
}

}  // namespace

struct ApiWatches::Watch {
  Watch(base::Loop& loop, base::Clock& watch_clock, WatchWish what)
      : wish(std::move(what)), clock(watch_clock), opened(watch_clock.steady_now()), bell(loop) {
    next_bookmark = opened + kBookmarkEvery;
  }

  void add(std::string_view type, const Message& object) {
    frames.push_back(render_event(wish.rendering, *wish.kind, type, object, first, clock.now()));
    first = false;
    bell.notify();
  }

  void bookmark(std::uint64_t version, bool initial_end) {
    NewObject mark(wish.kind->prototype->New());
    auto& meta = mutable_meta(*mark);
    meta.set_resourceversion(std::to_string(version));
    if (initial_end) (*meta.mutable_annotations())["k8s.io/initial-events-end"] = "true";
    add("BOOKMARK", *mark);
  }

  void offer(const ApiChange& change) {
    if (ended || change.kind != wish.kind) return;
    const bool was = change.before != nullptr && wish.selection.matches(*change.before);
    const bool is = change.after != nullptr && wish.selection.matches(*change.after);
    if (is) {
      add(was ? "MODIFIED" : "ADDED", *change.after);
    } else if (was) {
      const NewObject gone = at_version(*change.before, change.version);
      add("DELETED", *gone);
    }
  }

  void end() {
    ended = true;
    bell.notify();
  }

  WatchWish wish;
  base::Clock& clock;
  base::SteadyTime opened;
  base::SteadyTime next_bookmark;
  base::Notification bell;
  std::deque<std::string> frames;
  bool first = true;
  bool ended = false;
};

class ApiWatches::Stream final : public ApiStream {
 public:
  Stream(std::shared_ptr<Watch> watch, base::Clock& clock, ApiStore& store)
      : watch_(std::move(watch)), clock_(clock), store_(store) {}
  ~Stream() override { watch_->ended = true; }

  Task<Result<std::string>> next() override {
    // The stream may be given up while somebody still waits in here.
    const auto watch = watch_;
    while (true) {
      if (!watch->frames.empty()) co_return take(*watch);
      if (watch->ended) co_return std::string();
      const base::SteadyTime now = clock_.steady_now();
      const base::SteadyTime end = watch->wish.timeout ? watch->opened + *watch->wish.timeout : base::SteadyTime::max();
      if (now >= end) {
        if (watch->wish.bookmarks) watch->bookmark(store_.version(), false);
        watch->ended = true;
        continue;
      }
      if (watch->wish.bookmarks && now >= watch->next_bookmark) {
        watch->next_bookmark = now + kBookmarkEvery;
        watch->bookmark(store_.version(), false);
        continue;
      }
      const base::SteadyTime wake = watch->wish.bookmarks ? std::min(end, watch->next_bookmark) : end;
      co_await watch->bell.wait_until(clock_, wake);
    }
  }

 private:
  static std::string take(Watch& watch) {
    std::string out = std::move(watch.frames.front());
    watch.frames.pop_front();
    return out;
  }

  std::shared_ptr<Watch> watch_;
  base::Clock& clock_;
  ApiStore& store_;
};

ApiWatches::ApiWatches(base::Loop& loop, base::Clock& clock, ApiStore& store)
    : loop_(loop), clock_(clock), store_(store) {
  store_.on_change([this](const ApiChange& change) { feed(change); });
}

ApiWatches::~ApiWatches() { end(""); }

std::unique_ptr<ApiStream> ApiWatches::open(WatchWish wish, const std::vector<ObjectPtr>& first, bool mark_initial,
                                            const std::vector<const ApiChange*>& changes) {
  auto watch = std::make_shared<Watch>(loop_, clock_, std::move(wish));
  for (const ObjectPtr& object : first) watch->add("ADDED", *object);
  if (mark_initial) watch->bookmark(store_.version(), true);
  for (const ApiChange* change : changes) watch->offer(*change);
  watches_.push_back(watch);
  return std::make_unique<Stream>(std::move(watch), clock_, store_);
}

std::unique_ptr<ApiStream> ApiWatches::failed(const Rendering& rendering, const ApiKind& kind,
                                              const ApiFailure& failure) {
  WatchWish wish;
  wish.kind = &kind;
  wish.rendering = rendering;
  auto watch = std::make_shared<Watch>(loop_, clock_, std::move(wish));
  watch->add("ERROR", failure);
  watch->ended = true;
  return std::make_unique<Stream>(std::move(watch), clock_, store_);
}

void ApiWatches::feed(const ApiChange& change) {
  std::erase_if(watches_, [](const auto& watch) { return watch.expired() || watch.lock()->ended; });
  for (std::size_t i = 0; i < watches_.size(); ++i) {
    if (const auto watch = watches_[i].lock()) watch->offer(change);
  }
}

void ApiWatches::end(const std::string& plural) {
  for (const auto& weak : watches_) {
    const auto watch = weak.lock();
    if (watch != nullptr && (plural.empty() || watch->wish.kind->is(plural))) watch->end();
  }
}

std::size_t ApiWatches::size() const {
  return static_cast<std::size_t>(std::count_if(watches_.begin(), watches_.end(), [](const auto& weak) {
    const auto watch = weak.lock();
    return watch != nullptr && !watch->ended;
  }));
}

}  // namespace keelson::fakes
