// Disk: what a node keeps outside of its agent and its runtime: files of pods, mounted volumes, cgroups, checkpoints.
//
// It outlives the agents. Every call takes its time and may fail, hang, or do its work and lose its answer, as the
// faults say. DiskWire is how one agent reaches it. Owner: World; an agent's shell for the wire. Thread: the
// simulation's.
#pragma once

#include <list>
#include <string>

#include "agent/allocation/tests/fake_allocation_files.hpp"
#include "agent/images/tests/memory_image_files.hpp"
#include "agent/sync/tests/world.hpp"
#include "tests/sim/volumes.hpp"
#include "tests/sim/wire.hpp"
#include "tests/support/fake_cri.hpp"

namespace keelson::sim {

class Disk {
 public:
  explicit Disk(Outside& outside) : allocations(outside.clock), outside_(outside) {}

  agent::testing::FakePodFiles files;
  VolumesOnNode node_volumes;
  ClaimsOfCluster claims;
  agent::testing::FakePodVolumes volumes;  // sub-paths
  agent::testing::FakePodCgroups cgroups;
  agent::testing::FakeAllocationFiles allocations;
  agent::testing::MemoryImageFiles images;
  // `about` of a fault is part of the UID or path that a call is about.
  std::list<fakes::FakeFault> faults;

  // Runs `effect` as the call of that name.
  template <class T>
  base::Task<T> visit(std::string call, std::string about, base::Task<T> effect);

 private:
  // The kind of a call that cannot say that it failed answers nothing.
  template <class T>
  static T failure(const Error& error);
  fakes::FakeFault* match(fakes::FakeFault::Kind kind, const std::string& call, const std::string& about);

  Outside& outside_;
};

class FilesWire final : public agent::PodFiles {
 public:
  FilesWire(Wire& wire, Disk& disk) : wire_(wire), disk_(disk) {}

  base::Task<Status> make_pod_directories(std::string uid) override;
  base::Task<Status> make_log_directory(std::string path) override;
  base::Task<Status> prepare_container(agent::ContainerFiles files) override;
  base::Task<std::vector<std::string>> log_names(std::string directory) override;
  base::Task<Status> link_log(std::string link, std::string target) override;
  base::Task<std::string> termination_message(std::string path) override;
  base::Task<std::string> log_tail(std::string path) override;
  base::Task<Result<std::string>> read_host_file(std::string path) override;
  base::Task<Result<std::string>> read_volume_file(std::string volume, std::string path) override;
  base::Task<Status> write_pod_file(std::string uid, std::string name, std::string content) override;
  base::Task<Status> remove_pod_file(std::string uid, std::string name) override;
  base::Task<Result<agent::PodFileTexts>> pod_files(std::string name) override;
  base::Task<Status> remove_pod_directory(std::string uid) override;
  base::Task<Result<std::vector<std::string>>> pod_directories() override;
  base::Task<Status> remove_container_logs(std::string log_path, std::string link) override;
  base::Task<Status> remove_orphan_logs(agent::LogsInUse in_use) override;

 private:
  Wire& wire_;
  Disk& disk_;
};

class CgroupsWire final : public agent::PodCgroups {
 public:
  CgroupsWire(Wire& wire, Disk& disk) : wire_(wire), disk_(disk) {}
  std::string parent_of(const api::Pod& pod) const override { return disk_.cgroups.parent_of(pod); }
  base::Task<bool> exists(api::PodPtr pod) override;
  base::Task<Status> ensure(api::PodPtr pod) override;
  base::Task<Status> remove(std::string uid) override;
  base::Task<Status> lower(std::string uid) override;
  base::Task<std::optional<agent::PodCgroupValues>> values(api::PodPtr pod) override;
  base::Task<Status> set(api::PodPtr pod, agent::PodCgroupValues values) override;
  base::Task<Result<agent::PodMemoryUsage>> memory_usage(api::PodPtr pod,
                                                         std::vector<std::string> container_ids) override;
  base::Task<Result<std::vector<std::string>>> list() override;

 private:
  Wire& wire_;
  Disk& disk_;
};

class AllocationsWire final : public agent::AllocationFiles {
 public:
  AllocationsWire(Wire& wire, Disk& disk) : wire_(wire), disk_(disk) {}
  Result<std::string> load(const std::string& name) override { return disk_.allocations.load(name); }
  void set_aside(const std::string& name) override { disk_.allocations.set_aside(name); }
  base::Task<Status> save(std::string name, std::string text) override;

 private:
  Wire& wire_;
  Disk& disk_;
};

class ImageFilesWire final : public agent::ImageFiles {
 public:
  ImageFilesWire(Wire& wire, Disk& disk) : wire_(wire), disk_(disk) {}
  base::Task<Result<std::string>> read(std::string path) override;
  base::Task<Result<std::vector<Entry>>> read_all(std::string directory) override;
  base::Task<Status> write(std::string path, std::string content) override;
  base::Task<Status> remove(std::string path) override;

 private:
  Wire& wire_;
  Disk& disk_;
};

template <class T>
T Disk::failure(const Error& error) {
  if constexpr (std::is_constructible_v<T, Error>) {
    return error;
  } else {
    return T();
  }
}

template <class T>
base::Task<T> Disk::visit(std::string call, std::string about, base::Task<T> effect) {
  using Kind = fakes::FakeFault::Kind;
  constexpr auto kLimit = std::chrono::seconds(30);  // of one piece of disk work
  const auto takes = std::chrono::microseconds(20 + outside_.random() % 1000);
  co_await outside_.clock.sleep_for(takes);
  if (fakes::FakeFault* fault = match(Kind::hangs, call, about)) {
    (void)fault;
    co_await outside_.clock.sleep_for(kLimit);
    const Error late(ErrorKind::deadline_exceeded, call + ": not finished within 30s");
    co_return failure<T>(late);
  }
  if (fakes::FakeFault* fault = match(Kind::fails, call, about)) co_return failure<T>(fault->error);
  T done = co_await std::move(effect);
  if (fakes::FakeFault* fault = match(Kind::loses_answer, call, about)) co_return failure<T>(fault->error);
  co_return done;
}

}  // namespace keelson::sim
