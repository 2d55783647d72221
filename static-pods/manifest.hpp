// Manifest: the bytes of a file or an HTTP body become static pods, or reasons why not.
//
// Pure function, any thread (large manifests are read on the blocking pool). Accepted are JSON and YAML, one Pod, from
// a URL also a PodList. As the kubelet does, unknown and repeated fields are let through; here they are told as
// warnings with line and column. In order: decode, UID, defaults, name and namespace, annotations, toleration, phase,
// API validation, then the references that a pod without API server cannot have. All errors of one manifest are
// reported together; with any error there is no pod.
//
// The UID, when the manifest gives none, is a 128-bit FNV-1a hash of the pod as it was read, followed by
// `host:NODE` and `file:PATH` (or `url:URL`). It is taken before defaulting over a form of our own (fields by number,
// map keys sorted), so that neither a restart nor another build of the agent changes it; comments and the order of keys
// do not matter, any other change does.
//
// Not set here: annotation kubernetes.io/config.seen, which is the source's to remember.
// Source: contract 02 section 4.1.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/document.hpp"
#include "api/objects.hpp"
#include "base/clock.hpp"

namespace keelson::static_pods {

struct Origin {
  enum class Kind { file, url };
  Kind kind = Kind::file;
  std::string place;  // path or URL
  std::string node_name;
};

constexpr std::size_t kMaxManifestBytes = 10u << 20;

struct Complaint {
  api::Position at;     // unknown for what is missing altogether
  std::string message;  // "spec.containers[0].image: Required value"

  // "line 7, column 5: spec.containers[0].image: ..."
  std::string to_string() const;
};

struct Manifest {
  std::vector<api::Pod> pods;
  std::vector<Complaint> errors;  // any: no pods
  std::vector<Complaint> warnings;
};

Manifest read_manifest(std::string_view bytes, const Origin& origin);

// Complaints in one line, at most five of them.
std::string join(const std::vector<Complaint>& complaints);

// The names of annotations the agent itself sets on pods.
inline constexpr char kConfigHash[] = "kubernetes.io/config.hash";
inline constexpr char kConfigSource[] = "kubernetes.io/config.source";
inline constexpr char kConfigSeen[] = "kubernetes.io/config.seen";

// RFC 3339 in UTC with all nine digits of the fraction, as kubernetes.io/config.seen is written.
std::string format_seen(base::SystemTime when);

}  // namespace keelson::static_pods
