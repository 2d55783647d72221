// FsGroupWatch: tells of a long walk of fsGroup while it is awaited, and lets it be ended.
//
// What explain shows is renewed every five seconds; after 30 seconds, and then each minute, the pod gets the event
// VolumePermissionChangeInProgress. Owner: the coroutine that awaits the walk; its end ends the telling. Thread: the
// loop. Source: contract 04 §11.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "volume/fs_group.hpp"
#include "volume/manager/plugin.hpp"

namespace keelson::volume {

class FsGroupWatch {
 public:
  // `directory`: the volume's; events name it from the pod's UID on. An `event` that is unset: none are sent.
  FsGroupWatch(base::Clock& clock, const MountOrder& order, const std::string& directory, VolumeEvent event);
  ~FsGroupWatch();
  FsGroupWatch(const FsGroupWatch&) = delete;
  FsGroupWatch& operator=(const FsGroupWatch&) = delete;

  const std::shared_ptr<FsGroupProgress>& progress() const { return progress_; }

 private:
  void arm();
  void tick();

  base::Clock& clock_;
  api::PodPtr pod_;
  std::string directory_;
  VolumeProgressPtr shown_;
  VolumeEvent event_;
  std::shared_ptr<FsGroupProgress> progress_ = std::make_shared<FsGroupProgress>();
  base::SteadyTime next_event_;
  bool told_ = false;
  std::unique_ptr<base::Alarm> alarm_;
};

}  // namespace keelson::volume
