#include "agent/node_api/service_logs.hpp"

#include <algorithm>
#include <cstdlib>

namespace keelson::node_api {
namespace {

constexpr std::size_t kPiece = 32 * 1024;
constexpr const char* kTooLate = "context deadline exceeded";

// Its messages in a language that everybody knows.
std::vector<std::string> environment() {
  const char* path = std::getenv("PATH");
  return {"LANG=C.UTF-8", std::string("PATH=") + (path != nullptr ? path : "/usr/bin:/bin")};
}

class SearchSink final : public PieceSink {
 public:
  explicit SearchSink(UnitSearch& search) : search_(search) {}
  base::Task<bool> take(std::string piece) override {
    search_.add(piece);
    co_return true;
  }

 private:
  UnitSearch& search_;
};

}  // namespace

base::Task<std::vector<std::string>> ServiceLogs::known_to_journal(std::vector<std::string> services,
                                                                   base::SteadyTime deadline) {
  std::vector<std::string> known;
  PipedProgram program(loop_);
  // For a unit that it does not know, journalctl would only say that there are no entries.
  std::vector<std::string> argv = {journalctl_, "--field", "_SYSTEMD_UNIT"};
  if (!program.start(std::move(argv), environment()).ok()) co_return known;
  program.kill_at(clock_, deadline);
  UnitSearch search(services);
  SearchSink sink(search);
  co_await program.read(sink);
  const int code = co_await program.wait();
  if (code != 0) co_return known;
  for (std::string& service : services) {
    if (search.found(service)) known.push_back(std::move(service));
  }
  co_return known;
}

base::Task<Status> ServiceLogs::write_journal(std::vector<std::string> arguments, LogOutput& out,
                                              base::SteadyTime deadline) {
  PipedProgram program(loop_);
  arguments.insert(arguments.begin(), journalctl_);
  if (!program.start(std::move(arguments), environment()).ok()) {
    std::string text = "\nerror: journal output not available\n";
    co_return co_await out.write(std::move(text));
  }
  program.kill_at(clock_, deadline);
  co_await program.read(out);
  (void)co_await program.wait();
  co_return Status();
}

base::Task<Status> ServiceLogs::copy(NodeFile file, LogOutput& out, base::SteadyTime deadline, std::string* problem) {
  for (std::int64_t offset = 0;;) {
    if (clock_.steady_now() >= deadline) {
      *problem = kTooLate;
      co_return Status();
    }
    auto read = co_await files_.read(file, offset, kPiece);
    if (!read.ok()) {
      *problem = read.error().to_string();
      co_return Status();
    }
    if (read->empty()) co_return Status();
    offset += static_cast<std::int64_t>(read->size());
    auto written = co_await out.write(std::move(*read));
    if (!written.ok()) co_return written;
  }
}

base::Task<Status> ServiceLogs::write_file(std::string service, LogOutput& out, base::SteadyTime deadline) {
  const std::vector<std::string> names = {service, service + ".log", service + "/" + service + ".log"};
  for (const std::string& name : names) {
    auto opened = co_await files_.open(name);
    std::string problem;
    if (opened.ok() && !opened->directory) {
      auto copied = co_await copy(std::move(*opened), out, deadline, &problem);
      if (!copied.ok() || problem.empty()) co_return copied;
    } else if (opened.ok() || opened.error().kind() == ErrorKind::not_found) {
      continue;
    } else {
      problem = opened.error().to_string();
    }
    std::string text = "\nerror getting log for " + service + ": " + problem + "\n";
    co_return co_await out.write(std::move(text));
  }
  std::string text = "\nlog not found for " + service + "\n";
  co_return co_await out.write(std::move(text));
}

base::Task<Status> ServiceLogs::write(LogQuery query, LogOutput& out) {
  const base::SteadyTime deadline = clock_.after(limit);
  const std::vector<std::string> native = co_await known_to_journal(query.services, deadline);
  std::vector<std::string> others;
  for (const std::string& service : query.services) {
    if (std::find(native.begin(), native.end(), service) == native.end()) others.push_back(service);
  }
  if (!native.empty()) {
    auto written = co_await write_journal(journal_arguments(query, native), out, deadline);
    if (!written.ok()) co_return written;
  }
  if (others.empty()) co_return Status();
  std::string text;
  if (query.has_options()) {
    text = "\noptions present and query resolved to log files for " + go_list(others) +
           "\ntry without specifying options\n";
  } else if (clock_.steady_now() >= deadline) {
    text = std::string("\ncontext error: ") + kTooLate + "\n";
  }
  if (!text.empty()) co_return co_await out.write(std::move(text));
  for (const std::string& service : others) {
    auto written = co_await write_file(service, out, deadline);
    if (!written.ok()) co_return written;
  }
  co_return Status();
}

}  // namespace keelson::node_api
