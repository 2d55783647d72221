// LogRotator: keeps the logs of running containers from filling the disk.
//
// Every `interval` each running container's log is looked at: one that is missing is opened again by the runtime, one
// of `max_size` or more is rotated: put aside under the time's name, a new one opened by the runtime, of the older ones
// `max_files` - 2 kept and compressed. At most `workers` logs are rotated at a time.
//
// Two things differ from the kubelet, which a container that writes gigabytes outruns: it looks every interval only,
// and compresses the older files before it puts the log aside, which grows meanwhile, so that each round takes longer
// than the one before. Here a log is put aside first and the others are compressed beside that, in steps that another
// rotation does not wait for. And each second (`scout`) all logs are looked at for one that has grown far beyond its
// size (`burst_size`), which is rotated at once. So one log takes about max_files + 1 times what is written in a
// second, or the burst size if that is more. What cannot be compressed, because the disk is full, stays as it is until
// it is the oldest.
//
// Owner: the agent's wiring; give it a pool of its own with a thread more than twice the workers. Thread: the loop.
// Stops: stop(); a rotation in progress is taken up by the next start, which finds the log missing. What fails: is
// logged once for each log and cause, and tried again. Source: contract 02 §19, contract 05 §8; containerLogMaxSize,
// containerLogMaxFiles, containerLogMaxWorkers, containerLogMonitorInterval.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/logs/rotation_files.hpp"
#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/result.hpp"
#include "base/sync.hpp"
#include "base/task.hpp"

namespace keelson::logs {

// What this module needs of the runtime.
class RotatedContainers {
 public:
  virtual ~RotatedContainers() = default;
  virtual base::Task<Result<std::vector<std::string>>> running() = 0;  // ids
  virtual base::Task<Result<std::string>> log_path(std::string id) = 0;
  virtual base::Task<Status> reopen_log(std::string id) = 0;
};

struct RotationPolicy {
  std::int64_t max_size = 10 << 20;  // negative: logs are not rotated
  int max_files = 5;
  base::Duration interval = std::chrono::seconds(10);
  int workers = 1;

  std::int64_t burst_size() const;
};

class LogRotator {
 public:
  static constexpr base::Duration scout = std::chrono::seconds(1);

  struct Base {
    base::Loop& loop;
    base::Clock& clock;
    base::BlockingPool& pool;
    RotatedContainers& containers;
    RotationPolicy policy;
    base::Logger log;
  };
  explicit LogRotator(Base base);

  void start();
  base::Task<void> stop();
  // It is watched from now on, not only from the next interval.
  void container_started(const std::string& id);

 private:
  struct Log {
    std::string id;
    std::string path;                  // empty: not known yet
    bool checking = false;             // a task rotates it, or waits for its turn
    bool rotating = false;             // its files are being put in order
    bool compressing = false;          // a task compresses its files, or waits for its turn
    std::vector<std::string> waiting;  // rotated files to compress, oldest first
    std::string in_work;               // the one that is being compressed
    std::string complaint;             // what was logged last
  };
  using LogPtr = std::shared_ptr<Log>;
  using Sizes = std::vector<std::optional<std::int64_t>>;

  base::Task<void> watch_all();
  base::Task<void> watch_bursts();
  base::Task<void> look_at_all();
  base::Task<void> look_for_bursts();
  void remember(const std::vector<std::string>& ids, const std::vector<LogPtr>& before);
  LogPtr add(const std::string& id);
  std::vector<LogPtr> known() const;

  void begin_check(const LogPtr& log);
  base::Task<void> check(LogPtr log);
  base::Task<Status> check_now(LogPtr log);
  base::Task<Status> rotate(LogPtr log);
  void begin_compressing(const LogPtr& log);
  base::Task<void> compress(LogPtr log);
  base::Task<Status> compress_file(std::string path);
  void complain(Log& log, const Status& status) const;

  base::Task<Result<Sizes>> measure(std::vector<std::string> paths);
  base::Task<Result<PutAside>> put_log_aside(LogPtr log, std::string rotated);
  base::Task<Status> put_log_back(std::string rotated, std::string path);
  base::Task<Result<std::shared_ptr<GzipFile>>> open_gzip(std::string path);
  base::Task<Result<bool>> gzip_step(std::shared_ptr<GzipFile> file, std::string path);

  base::Clock& clock_;
  base::BlockingPool& pool_;
  RotatedContainers& containers_;
  RotationPolicy policy_;
  base::Logger log_;
  std::map<std::string, LogPtr> logs_;  // by container id
  base::Semaphore workers_;
  base::Semaphore compressors_;
  base::Gate gate_;
};

}  // namespace keelson::logs
