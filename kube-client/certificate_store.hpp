// CertificateStore: the certificates of one purpose on disk, and which of them is in use.
//
// `<directory>/<prefix>-YYYY-MM-DD-HH-MM-SS.pem` (0600, chain then key) for each, and a symbolic link
// `<prefix>-current.pem` to the newest, replaced by way of `<prefix>-updated.pem`. Blocking, on small local files.
// Owner: a CertificateManager or the bootstrap. Thread: the loop. Fails with what the disk says, `invalid` for files
// that hold no valid pair, `not_found` when there is no certificate at all. Source: contract 01 §6.1 (store, current,
// rule 4), §6.2.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "kube-client/credentials.hpp"

namespace keelson::kube {

class CertificateStore {
 public:
  // `certificate_file` and `key_file`: where else a pair may be (the kubeconfig's paths); may be empty.
  CertificateStore(std::string directory, std::string prefix, std::string certificate_file = {},
                   std::string key_file = {});

  // Adopts a link "updated" that an earlier run left before it became "current".
  Status recover();
  // "current", else the other paths, else `<prefix>.crt` and `<prefix>.key`.
  Result<Identity> load() const;
  // Stores a pair and makes it current. A plain file in the place of the link is an error, and stays.
  Status update(const Identity& identity, base::SystemTime now);

  std::string current_path() const { return path("current"); }
  const std::string& directory() const { return directory_; }

 private:
  std::string path(std::string_view stem) const;
  Status make_current(const std::string& target);

  std::string directory_;
  std::string prefix_;
  std::string certificate_file_;
  std::string key_file_;
};

// A pair from two files (which may be one), checked to belong together.
Result<Identity> load_identity(const std::string& certificate_file, const std::string& key_file);
// The certificates of a file that may hold a key too, and its key.
Identity split_pem(std::string_view certificate_text, std::string_view key_text);

}  // namespace keelson::kube
