// ManifestScan: one look at the manifest path, all of it blocking, for the pool.
//
// Pure values in and out; touches nothing of the loop. Lists the directory (or takes the one file), looks at what every
// entry is, and reads those whose fingerprint differs from the one known. Not followed up: names that begin with a dot,
// sub-directories, sockets, devices and the like. Links are followed; a link that leads nowhere or round in a circle is
// an error of that entry.
// Source: contract 02 section 4.1.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "static-pods/manifest.hpp"

namespace keelson::static_pods {

// Two equal fingerprints of one path mean the same contents.
struct Fingerprint {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  int error = 0;  // errno when the entry could not be looked at
  bool operator==(const Fingerprint&) const = default;
};

struct ScannedFile {
  Fingerprint fingerprint;
  bool torn = false;                 // it changed while it was read
  std::optional<Manifest> manifest;  // absent when the fingerprint is the known one
};

struct ManifestScan {
  // missing: there is nothing at the path. failed: there is, but it cannot be listed (`error`).
  enum class Outcome { listed, missing, failed };
  Outcome outcome = Outcome::listed;
  std::optional<Error> error;
  std::map<std::string, ScannedFile> files;  // by path, which is the order in which names win
};

using KnownFiles = std::map<std::string, Fingerprint>;

ManifestScan scan_manifests(const std::string& path, const std::string& node_name, const KnownFiles& known);

}  // namespace keelson::static_pods
