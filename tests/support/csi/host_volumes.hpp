// HostVolumes: volumes as directories (and files, for block) below one directory, shown elsewhere by bind mounts; or
// without privileges: plain directories, and links for block devices.
//
// What is staged and published is remembered by the disk and the mount table alone, so that a driver that was killed
// goes on. Every call may be repeated. Blocking; any thread, one call at a time. Source: contract 04 §22, §23.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace keelson::fakes {

class HostVolumes {
 public:
  HostVolumes(std::string directory, bool mounts) : directory_(std::move(directory)), mounts_(mounts) {}

  // Where a volume's content lies.
  std::string content(const std::string& volume) const;
  Status stage(const std::string& volume, const std::string& staging, bool block);
  Status unstage(const std::string& volume, const std::string& staging);
  // From the staging path where there is one.
  Status publish(const std::string& volume, const std::string& staging, const std::string& target, bool block,
                 bool read_only);
  Status unpublish(const std::string& volume, const std::string& target);

 private:
  Status show(const std::string& source, const std::string& target, bool read_only);
  Status hide(const std::string& target);

  std::string directory_;
  bool mounts_;
};

}  // namespace keelson::fakes
