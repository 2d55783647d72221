#include "agent/metrics/process.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/file.hpp"

namespace keelson::metrics {
namespace {

// Fields of /proc/PID/stat after the name, from `state` on.
constexpr std::size_t kUserTime = 11;
constexpr std::size_t kSystemTime = 12;
constexpr std::size_t kStartTime = 19;
constexpr std::size_t kVirtualSize = 20;
constexpr std::size_t kResidentPages = 21;

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (auto at = text.find_first_not_of(" \n"); at != std::string_view::npos;) {
    const auto end = std::min(text.find_first_of(" \n", at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(" \n", end);
  }
  return words;
}

double number(const std::vector<std::string_view>& words, std::size_t at) {
  double value = 0;
  if (at < words.size()) std::from_chars(words[at].data(), words[at].data() + words[at].size(), value);
  return value;
}

// The line that begins with `start`, without that.
std::string_view line_of(std::string_view text, std::string_view start, std::size_t from = 0) {
  while (from < text.size()) {
    const auto end = std::min(text.find('\n', from), text.size());
    const std::string_view line = text.substr(from, end - from);
    if (line.starts_with(start)) return line.substr(start.size());
    from = end + 1;
  }
  return {};
}

void read_stat(const std::string& proc, ProcessFigures& out) {
  const std::string stat = base::read_file(proc + "/self/stat").value_or("");
  const std::string machine = base::read_file(proc + "/stat").value_or("");
  // The name may hold anything.
  const auto name_end = stat.rfind(')');
  if (name_end == std::string::npos) return;
  const auto words = words_of(std::string_view(stat).substr(name_end + 1));
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  out.cpu_seconds = (number(words, kUserTime) + number(words, kSystemTime)) / ticks;
  out.start_time = number(words_of(line_of(machine, "btime ")), 0) + number(words, kStartTime) / ticks;
  out.virtual_bytes = number(words, kVirtualSize);
  out.resident_bytes = number(words, kResidentPages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// Of the network namespace, by all its processes: two lines, of names and of numbers.
void read_traffic(const std::string& proc, ProcessFigures& out) {
  const std::string text = base::read_file(proc + "/self/net/netstat").value_or("");
  const std::string_view names_line = line_of(text, "IpExt:");
  if (names_line.empty()) return;
  const auto after = static_cast<std::size_t>(names_line.data() + names_line.size() - text.data());
  const auto names = words_of(names_line);
  const auto numbers = words_of(line_of(text, "IpExt:", after));
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == "InOctets") out.received_bytes = number(numbers, i);
    if (names[i] == "OutOctets") out.sent_bytes = number(numbers, i);
  }
}

double soft_limit(int resource) {
  rlimit limit{};
  if (getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return 0;
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

ProcessFigures read_process(const std::string& proc) {
  ProcessFigures out;
  read_stat(proc, out);
  read_traffic(proc, out);
  if (const auto files = base::list_directory(proc + "/self/fd"); files.ok()) {
    out.open_files = static_cast<double>(files->size());
  }
  out.open_files_limit = soft_limit(RLIMIT_NOFILE);
  out.virtual_bytes_limit = soft_limit(RLIMIT_AS);
  return out;
}

void collect(const ProcessFigures& figures, Page& page) {
  const auto put = [&](const char* name, const char* help, Type type, double value) {
    page.family(name, type, Stability::none, help).add({}, value);
  };
  put("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", Type::counter,
      figures.cpu_seconds);
  put("process_max_fds", "Maximum number of open file descriptors.", Type::gauge, figures.open_files_limit);
  put("process_network_receive_bytes_total", "Number of bytes received by the process over the network.", Type::counter,
      figures.received_bytes);
  put("process_network_transmit_bytes_total", "Number of bytes sent by the process over the network.", Type::counter,
      figures.sent_bytes);
  put("process_open_fds", "Number of open file descriptors.", Type::gauge, figures.open_files);
  put("process_resident_memory_bytes", "Resident memory size in bytes.", Type::gauge, figures.resident_bytes);
  put("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", Type::gauge,
      figures.start_time);
  put("process_virtual_memory_bytes", "Virtual memory size in bytes.", Type::gauge, figures.virtual_bytes);
  put("process_virtual_memory_max_bytes", "Maximum amount of virtual memory available in bytes.", Type::gauge,
      figures.virtual_bytes_limit);
}

void collect_start_time(const ProcessFigures& figures, Page& page) {
  page.family("process_start_time_seconds", Type::gauge, Stability::alpha,
              "Start time of the process since unix epoch in seconds.")
      .add({}, figures.start_time);
}

}  // namespace keelson::metrics
