// VolumesTest: the base of tests of volumes: ClusterTest with a CSI driver (a process of its own), claims that are
// bound by hand, and a look at what containers see and at what is left on the node. Thread: the main one.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/integration/cluster_node.hpp"
#include "tests/support/csi/driver_process.hpp"

namespace keelson::integration {

// A file of the host with a loop device on it, made and taken off by losetup(8); both go with the object.
class LoopDisk {
 public:
  explicit LoopDisk(std::size_t bytes);
  ~LoopDisk();
  LoopDisk(const LoopDisk&) = delete;
  LoopDisk& operator=(const LoopDisk&) = delete;

  const std::string& device() const { return device_; }  // empty: there is none, and why_not() says why
  const std::string& why_not() const { return why_not_; }
  // The first bytes of the disk.
  void write(const std::string& text) const;
  std::string read(std::size_t bytes) const;
  // Nobody has it open for himself: as the kubelet asks before it lets a device go.
  bool is_free() const;

 private:
  std::string file_;
  std::string device_;
  std::string why_not_;
};

class VolumesTest : public ClusterTest {
 protected:
  void SetUp() override;
  void TearDown() override;

  // --- Objects ---
  void config_map(const std::string& name, const json& data);
  void secret(const std::string& name, const json& data);
  // A claim that is bound to a volume of this source; `more` are further fields of the volume's spec.
  void bind(const std::string& name, const json& source, const json& more = json::object());
  static json csi_source(const std::string& handle);
  // The driver's object with these fields; the driver starts, and is awaited in the CSINode.
  void register_driver(bool attach_required, const json& more = json::object());
  static json claim_volume(const std::string& name);
  static json config_map_volume(const std::string& volume, const std::string& name);
  static json empty_volume(const std::string& volume);
  // A pod that writes its name into each volume and goes on while it can.
  static json writer(const std::string& name, const std::vector<std::string>& volumes, const json& sources,
                     json spec = json::object());
  // A container with these mounts.
  static json mounting(json container, const json& mounts);
  void remove(const std::string& name);  // and waits until the API has it no more

  // --- What is seen ---
  std::string uid_of(const std::string& pod) { return field("pod", pod, "{.metadata.uid}"); }
  int process_of(const std::string& pod, const std::string& container = "main");
  // A file as the process sees it; empty when it is not there.
  static std::string inside(int process, const std::string& path);
  static struct stat stat_inside(int process, const std::string& path);  // zeros when it is not there
  // What the driver was asked about volumes.
  std::vector<std::string> calls() const;
  std::string events();
  // One of this pod that has all of these words: its type, reason, message.
  bool has_event(const std::string& pod, const std::vector<std::string>& words);
  // "REASON: MESSAGE" of the container that waits; ": " when it does not.
  std::string waits_for(const std::string& pod);

  // --- What is left ---
  // The places of the mount table that are in this test's directory, one for each mount, sorted.
  std::vector<std::string> mounts_here() const;
  std::vector<std::string> mounts_of(const std::string& uid) const;  // those that name this pod
  std::vector<std::string> loops_here() const;                       // loop devices on files of this test's directory
  std::vector<std::string> pod_directories() const;
  // What is mounted here now was there before the test.
  void remember_mounts() { before_ = mounts_here(); }
  // Waits until mounts, loop devices and directories of pods are as they were before the test.
  bool node_is_as_it_was();

  std::optional<fakes::CsiDriverProcess> driver_;

 private:
  std::vector<std::string> before_;
};

}  // namespace keelson::integration
