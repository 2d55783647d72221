// DirectorySource: the static pods of a manifest directory, or of one manifest file.
//
// Reads again at once when inotify tells of a change, and every `rescan` in any case; only files whose fingerprint
// changed are read, on the blocking pool. What one entry is worth:
//   - a good manifest replaces what the file stood for before;
//   - a bad one is a problem (logged once, listed by problems()). A pod that the same file described before KEEPS
//     RUNNING until the file is good again or removed. The kubelet would stop it at its next rescan; a slip of the hand
//     in a manifest must not take a control plane down;
//   - a file still being written is left alone until it is closed, moved into place, or quiet: after a change that no
//     closing was seen of, for `settle`; with a writer that never closes it, for 10 s;
//   - a manifest that cannot be read right after it appeared is only reported once it stayed so for `settle`;
//   - a removed file takes its pod along. So does a path that is no longer there; one that cannot be listed (no
//     permission, I/O error) changes nothing.
// Of two manifests with one pod name (or one explicit UID) the first by file name wins; the other is a problem and an
// event FailedValidation.
//
// The first on_pods() comes after the first scan that found nothing half-written (5 s at the latest): a source must not
// claim that a pod is gone only because its manifest is being copied.
//
// Owner: agent/wiring. Thread: the loop. Stops: stop() ends both tasks and delivers nothing more; pods keep running.
// Fails: never; all trouble is in problems(). Source: contract 02 sections 4, 4.1; 01 section 2.2 (staticPodPath,
// fileCheckFrequency).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "static-pods/manifest_scan.hpp"
#include "static-pods/path_watch.hpp"
#include "static-pods/problem_list.hpp"
#include "static-pods/source.hpp"

namespace keelson::static_pods {

struct DirectoryConfig {
  std::string path;
  std::string node_name;
  base::Duration rescan = std::chrono::seconds(20);
  base::Duration settle = std::chrono::milliseconds(500);
};

class DirectorySource {
 public:
  DirectorySource(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, base::Logger log,
                  DirectoryConfig config, Listener& listener);

  void start();
  base::Task<void> stop();

  std::vector<Problem> problems() const { return problems_.list(); }
  bool delivered() const { return delivered_; }
  // Some file's pod is not known: it is bad or half-written, and no good version of it was seen since the start. A pod
  // that runs may be that one.
  bool has_unknown_pods() const;

 private:
  struct GoodPod {
    api::PodPtr pod;
    std::string form;  // a hash of the canonical form, to see whether anything changed
  };
  // What the last accepted reading of one file said.
  struct File {
    Fingerprint fingerprint;
    base::SteadyTime since;
    std::string error;  // of this fingerprint; empty when it is good
    std::string warning;
    std::optional<GoodPod> good;  // the newest good pod, be it of an older fingerprint
  };
  struct Deferred {
    Fingerprint fingerprint;
    base::SteadyTime since;
  };

  base::Task<void> run_watch();
  base::Task<void> run_scans();
  base::Task<void> scan_once();
  void take_events();
  void apply(ManifestScan scan, std::uint64_t started);
  void accept(const std::string& path, ScannedFile& scanned);
  bool must_wait(const std::string& path, const ScannedFile& scanned, std::uint64_t started);
  void note_problems(const ManifestScan& scan);
  void deliver_if_changed();
  GoodPod keep(api::Pod pod);
  void recheck_in(base::Duration wait);

  base::Clock& clock_;
  base::BlockingPool& pool_;
  base::Logger log_;
  DirectoryConfig config_;
  Listener& listener_;
  base::Notification bell_;
  PathWatch watch_;
  ProblemList problems_;

  enum class Hint { writing, complete };
  std::map<std::string, Hint> hints_;             // what inotify last told of a file
  std::map<std::string, std::uint64_t> touched_;  // when (in events) that was
  std::uint64_t events_ = 0;

  std::map<std::string, File> files_;
  std::map<std::string, Deferred> deferred_;
  std::map<std::string, std::string> seen_;  // kubernetes.io/config.seen by UID
  std::set<std::string> reported_duplicates_;
  std::optional<base::Duration> recheck_;
  base::SteadyTime started_;
  bool delivered_ = false;
  std::string delivered_form_;

  base::Gate gate_;
};

}  // namespace keelson::static_pods
