#include "volume/manager/fs_group_watch.hpp"

#include <utility>

#include <algorithm>

namespace keelson::volume {
namespace {

constexpr auto kTick = std::chrono::seconds(5);
constexpr auto kFirstEvent = std::chrono::seconds(30);
constexpr auto kNextEvent = std::chrono::seconds(60);

}  // namespace

FsGroupWatch::FsGroupWatch(base::Clock& clock, const MountOrder& order, const std::string& directory, VolumeEvent event)
    : clock_(clock),
      pod_(order.spec.pod),
      directory_(directory.substr(std::min(directory.find(order.spec.pod->metadata().uid()), directory.size()))),
      shown_(order.progress),
      event_(std::move(event)),
      next_event_(clock.after(kFirstEvent)) {
  shown_->cancel = [progress = progress_] { progress->cancelled = true; };
  arm();
}

FsGroupWatch::~FsGroupWatch() {
  shown_->cancel = nullptr;
  shown_->text.clear();
}

void FsGroupWatch::arm() {
  alarm_ = clock_.set_alarm(clock_.after(kTick), [this] { tick(); });
}

void FsGroupWatch::tick() {
  const std::string count = std::to_string(progress_->entries.load());
  shown_->text = "its files are being given to the pod's fsGroup, " + count + " so far";
  if (clock_.steady_now() >= next_event_) {
    const std::string first = "Setting volume ownership for " + directory_ +
                              " is taking longer than expected, consider using OnRootMismatch - "
                              "https://kubernetes.io/docs/tasks/configure-pod-container/security-context/"
                              "#configure-volume-permission-and-ownership-change-policy-for-pods";
    const std::string later = "Setting volume ownership for " + directory_ + ", processed " + count + " files.";
    if (event_) event_(*pod_, true, "VolumePermissionChangeInProgress", told_ ? later : first);
    told_ = true;
    next_event_ = clock_.after(kNextEvent);
  }
  arm();
}

}  // namespace keelson::volume
