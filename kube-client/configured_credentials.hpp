// ConfiguredCredentials: what a kubeconfig's user says in text or in files, files read again when they change.
//
// A certificate and its key in files are looked at every ten seconds and whenever a connection asks; a pair that does
// not fit (half replaced) or is gone leaves the last good one in use. A token file is looked at with every request, and
// one that cannot be read leaves the last good token. Owner: the wiring. Thread: the loop. Stops: with the gate it was
// started in. Source: client-go's transport (certificate and token reload); contract 01 §6.1.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>

#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "kube-client/kubeconfig.hpp"

namespace keelson::kube {

// Credentials with work of their own.
class StartedCredentials : public Credentials {
 public:
  virtual void start(base::Gate& gate) = 0;
};

// Tells whether a file has been changed or replaced; links are followed.
class FileChange {
 public:
  explicit FileChange(std::string path) : path_(std::move(path)) {}
  // True when it is not as it was at the last call, and at the first.
  bool look();
  // The next look() tells true.
  void forget() { seen_ = false; }
  const std::string& path() const { return path_; }

 private:
  struct Stamp {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t changed = 0;
    bool operator==(const Stamp&) const = default;
  };
  std::string path_;
  bool seen_ = false;
  Stamp stamp_;
};

class ConfiguredCredentials final : public StartedCredentials {
 public:
  ConfiguredCredentials(base::Clock& clock, UserConfig user, base::Logger log);

  void start(base::Gate& gate) override;
  std::optional<Identity> identity() override;
  base::Task<Result<std::string>> authorization() override;
  void rejected() override { token_file_.forget(); }
  void on_identity_change(std::function<void()> listener) override { listener_ = std::move(listener); }

 private:
  base::Task<void> watch_files();
  void refresh_identity();
  Result<std::string> token();

  base::Clock& clock_;
  UserConfig user_;
  base::Logger log_;
  FileChange certificate_file_;
  FileChange key_file_;
  FileChange token_file_;
  std::optional<Identity> identity_;
  std::optional<Identity> told_;  // what the listener knows of
  bool unreadable_ = false;
  std::string last_token_;
  std::function<void()> listener_;
};

// The implementation for a kubeconfig's user; call start() before use.
std::unique_ptr<StartedCredentials> make_credentials(base::Loop& loop, base::Clock& clock, UserConfig user,
                                                     Environment environment, base::Logger log);

}  // namespace keelson::kube
