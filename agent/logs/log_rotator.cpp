#include "agent/logs/log_rotator.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "agent/logs/rotation_plan.hpp"

namespace keelson::logs {
namespace {

constexpr auto kLimit = std::chrono::seconds(30);  // for one small piece of disk work
constexpr std::size_t kGzipStep = 4u << 20;
constexpr std::int64_t kBurstFactor = 4;
constexpr std::int64_t kLeastBurst = 40 << 20;

}  // namespace

// Small logs are rotated at the interval only, as by the kubelet, however small they are meant to be.
std::int64_t RotationPolicy::burst_size() const {
  return std::max(max_size > INT64_MAX / kBurstFactor ? INT64_MAX : max_size * kBurstFactor, kLeastBurst);
}

LogRotator::LogRotator(Base base)
    : clock_(base.clock),
      pool_(base.pool),
      containers_(base.containers),
      policy_(base.policy),
      log_(std::move(base.log)),
      workers_(base.loop, static_cast<std::size_t>(std::max(1, base.policy.workers))),
      compressors_(base.loop, static_cast<std::size_t>(std::max(1, base.policy.workers))),
      gate_(base.loop) {}

void LogRotator::start() {
  if (policy_.max_size < 0) return;
  base::spawn(gate_, "rotation of logs", watch_all());
  base::spawn(gate_, "watch for bursts of logs", watch_bursts());
}

base::Task<void> LogRotator::stop() { return gate_.stop(); }

void LogRotator::container_started(const std::string& id) {
  if (policy_.max_size < 0 || logs_.count(id) > 0) return;
  begin_check(add(id));
}

base::Task<void> LogRotator::watch_all() {
  while (true) {
    co_await look_at_all();
    co_await clock_.sleep_for(policy_.interval);
  }
}

// Apart from the other, which waits for the runtime.
base::Task<void> LogRotator::watch_bursts() {
  while (true) {
    co_await clock_.sleep_for(scout);
    co_await look_for_bursts();
  }
}

base::Task<void> LogRotator::look_at_all() {
  const std::vector<LogPtr> before = known();
  const auto ids = co_await containers_.running();
  if (!ids.ok()) {
    log_.debug(2, "Logs are not rotated: running containers cannot be listed", {{"err", ids.error()}});
    co_return;
  }
  remember(*ids, before);
  const std::vector<LogPtr> all = known();
  std::vector<LogPtr> logs;
  std::vector<std::string> paths;
  logs.reserve(all.size());
  paths.reserve(all.size());
  for (const LogPtr& log : all) {
    if (log->path.empty()) {
      begin_check(log);
    } else {
      logs.push_back(log);
      paths.push_back(log->path);
    }
  }
  const auto sizes = co_await measure(std::move(paths));
  if (!sizes.ok()) {
    log_.warning("Logs are not rotated", {{"err", sizes.error()}});
    co_return;
  }
  for (std::size_t i = 0; i < logs.size(); ++i) {
    const auto& size = (*sizes)[i];
    if (!size || *size >= policy_.max_size) begin_check(logs[i]);
  }
}

base::Task<void> LogRotator::look_for_bursts() {
  std::vector<LogPtr> logs = known();
  std::erase_if(logs, [](const LogPtr& log) { return log->path.empty() || log->checking; });
  if (logs.empty()) co_return;
  std::vector<std::string> paths;
  paths.reserve(logs.size());
  for (const LogPtr& log : logs) paths.push_back(log->path);
  const auto sizes = co_await measure(std::move(paths));
  if (!sizes.ok()) co_return;  // the other watch tells
  for (std::size_t i = 0; i < logs.size(); ++i) {
    if ((*sizes)[i].value_or(0) >= policy_.burst_size()) begin_check(logs[i]);
  }
}

// One that was started while they were listed is not among them.
void LogRotator::remember(const std::vector<std::string>& ids, const std::vector<LogPtr>& before) {
  const std::set<std::string> running(ids.begin(), ids.end());
  for (const LogPtr& log : before) {
    if (running.count(log->id) == 0) logs_.erase(log->id);
  }
  for (const std::string& id : running) {
    if (logs_.count(id) == 0) add(id);
  }
}

LogRotator::LogPtr LogRotator::add(const std::string& id) {
  auto log = std::make_shared<Log>();
  log->id = id;
  logs_[id] = log;
  return log;
}

std::vector<LogRotator::LogPtr> LogRotator::known() const {
  std::vector<LogPtr> out;
  for (const auto& [id, log] : logs_) out.push_back(log);
  return out;
}

void LogRotator::begin_check(const LogPtr& log) {
  if (std::exchange(log->checking, true)) return;
  base::spawn(gate_, "rotation of the log of container " + log->id, check(log));
}

base::Task<void> LogRotator::check(LogPtr log) {
  {
    const auto permit = co_await workers_.acquire();
    const Status status = co_await check_now(log);
    complain(*log, status);
  }
  log->rotating = false;
  log->checking = false;
  begin_compressing(log);
}

base::Task<Status> LogRotator::check_now(LogPtr log) {
  if (log->path.empty()) {
    auto path = co_await containers_.log_path(log->id);
    // It has gone since it was listed.
    if (!path.ok() && path.error().kind() == ErrorKind::not_found) co_return Status();
    if (!path.ok()) co_return std::move(path).error();
    log->path = std::move(*path);
    if (log->path.empty()) co_return Status();  // this runtime keeps its logs elsewhere
  }
  for (bool reopened = false;; reopened = true) {
    std::vector<std::string> paths(1, log->path);
    const auto sizes = co_await measure(std::move(paths));
    if (!sizes.ok()) co_return sizes.error();
    const auto size = sizes->front();
    if (size && *size < policy_.max_size) co_return Status();
    if (size) co_return co_await rotate(log);
    if (reopened) co_return Error(ErrorKind::not_found, "the runtime has opened it, and it is missing all the same");
    auto opened = co_await containers_.reopen_log(log->id);
    if (!opened.ok()) co_return std::move(opened).wrap("while opening the missing log");
  }
}

base::Task<Status> LogRotator::rotate(LogPtr log) {
  log->rotating = true;
  const std::string rotated = rotated_name(log->path, clock_.now());
  auto aside = co_await put_log_aside(log, rotated);
  if (!aside.ok()) co_return std::move(aside).error();
  // Rotated within this second already.
  if (!aside->done) co_return Status();
  log->waiting = std::move(aside->compress);
  auto opened = co_await containers_.reopen_log(log->id);
  if (opened.ok()) {
    log_.debug(4, "Log rotated", {{"container", log->id}, {"file", rotated}});
    co_return Status();
  }
  const Status back = co_await put_log_back(rotated, log->path);
  if (!back.ok()) log_.warning("Log stays under its rotated name", {{"file", rotated}, {"err", back.error()}});
  co_return std::move(opened).wrap("while opening the new log");
}

void LogRotator::begin_compressing(const LogPtr& log) {
  if (log->waiting.empty() || std::exchange(log->compressing, true)) return;
  base::spawn(gate_, "compression of logs of container " + log->id, compress(log));
}

// The youngest first: in a burst the oldest goes before its turn comes.
base::Task<void> LogRotator::compress(LogPtr log) {
  {
    const auto permit = co_await compressors_.acquire();
    // What is begun while files are put in order would be taken for what a crash left; who does that begins us again.
    while (!log->waiting.empty() && !log->rotating) {
      log->in_work = std::move(log->waiting.back());
      log->waiting.pop_back();
      const Status status = co_await compress_file(log->in_work);
      if (!status.ok()) {
        log_.warning("Rotated log is not compressed", {{"file", log->in_work}, {"err", status.error()}});
      }
      log->in_work.clear();
    }
  }
  log->compressing = false;
}

base::Task<Status> LogRotator::compress_file(std::string path) {
  auto file = co_await open_gzip(path);
  // It was the oldest meanwhile, or its container has gone.
  if (!file.ok() && file.error().kind() == ErrorKind::not_found) co_return Status();
  if (!file.ok()) co_return std::move(file).error();
  for (bool done = false; !done;) {
    auto step = co_await gzip_step(*file, path);
    if (!step.ok() && step.error().kind() == ErrorKind::cancelled) co_return Status();
    if (!step.ok()) co_return std::move(step).error();
    done = *step;
  }
  co_return Status();
}

void LogRotator::complain(Log& log, const Status& status) const {
  const std::string text = status.ok() ? std::string() : status.error().to_string();
  if (text == log.complaint) return;
  log.complaint = text;
  if (!text.empty()) {
    log_.warning("Log cannot be rotated", {{"container", log.id}, {"file", log.path}, {"err", text}});
  }
}

// Not coroutines: GCC 12 frees a closure twice that is made inside one.
base::Task<Result<LogRotator::Sizes>> LogRotator::measure(std::vector<std::string> paths) {
  return pool_.run<Sizes>("look at the sizes of logs", kLimit,
                          [paths = std::move(paths)]() -> Result<Sizes> { return log_sizes(paths); });
}

base::Task<Result<PutAside>> LogRotator::put_log_aside(LogPtr log, std::string rotated) {
  return pool_.run<PutAside>("rotate " + log->path, kLimit,
                             [path = log->path, rotated = std::move(rotated), files = policy_.max_files,
                              in_work = log->in_work] { return put_aside(path, rotated, files, in_work); });
}

base::Task<Status> LogRotator::put_log_back(std::string rotated, std::string path) {
  return pool_.run<void>("put " + rotated + " back", kLimit, [rotated, path] { return put_back(rotated, path); });
}

base::Task<Result<std::shared_ptr<GzipFile>>> LogRotator::open_gzip(std::string path) {
  return pool_.run<std::shared_ptr<GzipFile>>("compress " + path, kLimit, [path] { return GzipFile::open(path); });
}

base::Task<Result<bool>> LogRotator::gzip_step(std::shared_ptr<GzipFile> file, std::string path) {
  return pool_.run<bool>("compress " + path, kLimit, [file] { return file->step(kGzipStep); });
}

}  // namespace keelson::logs
