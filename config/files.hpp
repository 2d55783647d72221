// Files: how the configuration loader reads the host's files, so that tests need none.
//
// RealFiles blocks on local files; main() calls the loader before the loop runs.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace keelson::config {

class Files {
 public:
  struct Entry {
    std::string name;
    bool directory = false;  // a real folder, not a link to one
  };

  virtual ~Files() = default;
  virtual Result<std::string> read(const std::string& path) const = 0;
  // `not_found` when there is no such folder.
  virtual Result<std::vector<Entry>> list(const std::string& path) const = 0;
  virtual bool is_directory(const std::string& path) const = 0;
  virtual std::string working_directory() const = 0;
};

class RealFiles final : public Files {
 public:
  Result<std::string> read(const std::string& path) const override;
  Result<std::vector<Entry>> list(const std::string& path) const override;
  bool is_directory(const std::string& path) const override;
  std::string working_directory() const override;
};

}  // namespace keelson::config
