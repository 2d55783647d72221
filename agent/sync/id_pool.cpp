#include "agent/sync/id_pool.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "base/file.hpp"

namespace keelson::agent {
namespace {

constexpr char kUser[] = "kubelet";
constexpr std::uint64_t kAllIds = std::uint64_t{1} << 32;
constexpr auto kPatience = std::chrono::seconds(10);
constexpr std::size_t kMostOutput = 64 * 1024;

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

bool read_number(const std::string& word, std::uint32_t& out) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out);
  return error == std::errc() && end == word.data() + word.size();
}

Result<bool> user_exists() {
  std::array<char, 16 * 1024> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  const int error = ::getpwnam_r(kUser, &entry, buffer.data(), buffer.size(), &found);
  // What libraries say of a name that nobody knows, besides success without an entry.
  if (error == 0 || error == ENOENT || error == ESRCH) return found != nullptr;
  return errno_error("looking up user kubelet", error);
}

std::string find_on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = folder + "/" + program;
    if (!folder.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

// Reads until the program closes its end, at most until `deadline`.
Status read_output(int fd, std::chrono::steady_clock::time_point deadline, std::string& out) {
  while (out.size() < kMostOutput) {
    const auto left = deadline - std::chrono::steady_clock::now();
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
    if (milliseconds <= 0) return Error(ErrorKind::deadline_exceeded, "no answer within 10 s");
    pollfd ready{fd, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(milliseconds)) <= 0) continue;
    std::array<char, 4096> buffer{};
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("reading its output", errno);
    if (got == 0) return {};
    out.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return Error(ErrorKind::invalid, "its output is too long");
}

// The program's standard output.
Result<std::string> output_of(std::vector<std::string> words) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error("pipe", errno);
  const base::UniqueFd mine(ends[0]);
  base::UniqueFd its(ends[1]);
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, its.get(), STDOUT_FILENO);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, words[0].c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  its.reset();
  if (error != 0) return errno_error("running " + words[0], error);

  std::string out;
  const Status read = read_output(mine.get(), std::chrono::steady_clock::now() + kPatience, out);
  if (!read.ok()) ::kill(child, SIGKILL);
  int state = 0;
  while (::waitpid(child, &state, 0) < 0 && errno == EINTR) {
  }
  if (!read.ok()) return read.error().wrap("while running " + words[0]);
  if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return out;
  return Error(ErrorKind::invalid, words[0] + " failed with status " +
                                       std::to_string(WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state)));
}

}  // namespace

IdPool default_id_pool(std::uint32_t length) { return {length, static_cast<std::uint32_t>(kAllIds - length), length}; }

Result<IdPool> parse_subids(std::string_view of_users, std::string_view of_groups, std::uint32_t length) {
  if (of_users != of_groups) {
    return Error(ErrorKind::invalid, "user kubelet has other subordinate users (" + quoted(of_users) +
                                         ") than groups (" + quoted(of_groups) + "): expected the same range");
  }
  const Error malformed(ErrorKind::invalid, "getsubids printed " + quoted(of_users) +
                                                " for user kubelet: expected one line, \"0: kubelet START COUNT\"");
  std::string_view line = of_users;
  while (line.starts_with('\n')) line.remove_prefix(1);
  while (line.ends_with('\n')) line.remove_suffix(1);
  if (line.find('\n') != std::string_view::npos) return malformed;
  std::istringstream words{std::string(line)};
  std::vector<std::string> fields;
  for (std::string word; words >> word;) fields.push_back(word);
  IdPool pool;
  pool.length = length;
  if (fields.size() != 4 || !read_number(fields[2], pool.first) || !read_number(fields[3], pool.count)) {
    return malformed;
  }
  return pool;
}

Status check_id_pool(const IdPool& pool, std::int64_t max_pods) {
  const std::string range = "user namespaces: the IDs " + std::to_string(pool.first) + " to " +
                            std::to_string(std::uint64_t{pool.first} + pool.count - 1) + " of user kubelet";
  const std::string length = std::to_string(pool.length) + " (userNamespaces.idsPerPod)";
  const auto refuse = [&](const std::string& why) { return Status(Error(ErrorKind::invalid, range + why)); };
  if (pool.first % pool.length != 0) return refuse(" do not begin at a multiple of " + length);
  if (pool.first < pool.length) return refuse(" begin below " + length + ": they hold IDs of the host itself");
  if (pool.count % pool.length != 0) return refuse(" are not a multiple of " + length);
  if (std::uint64_t{pool.first} + pool.count > kAllIds) return refuse(" go beyond the IDs of 32 bits");
  if (std::int64_t{pool.count / pool.length} < max_pods) {
    return refuse(" are not enough for " + std::to_string(max_pods) + " pods (maxPods) of " + length + " IDs each");
  }
  return {};
}

IdPoolSource id_pool_source() { return {user_exists, find_on_path("getsubids")}; }

Result<IdPool> read_id_pool(const IdPoolSource& source, std::uint32_t length, std::int64_t max_pods) {
  const auto known = source.has_kubelet_user();
  if (!known.ok()) return known.error();
  IdPool pool = default_id_pool(length);
  // A user without an answer is no user without IDs: the answer may come from elsewhere, which is down.
  if (*known && !source.getsubids.empty()) {
    const auto users = output_of({source.getsubids, kUser});
    if (!users.ok()) return users.error();
    const auto groups = output_of({source.getsubids, "-g", kUser});
    if (!groups.ok()) return groups.error();
    auto parsed = parse_subids(*users, *groups, length);
    if (!parsed.ok()) return parsed.error();
    pool = *parsed;
  }
  KEELSON_TRY(check_id_pool(pool, max_pods));
  return pool;
}

}  // namespace keelson::agent
