#include "agent/logs/log_tail.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::logs {
namespace {

// Less than the buffer's size only where the file ends, which somebody may have cut meanwhile.
Result<std::string_view> read_block(int fd, std::string& buffer, std::int64_t from) {
  std::size_t got = 0;
  while (got < buffer.size()) {
    const ssize_t n = ::pread(fd, buffer.data() + got, buffer.size() - got, from + static_cast<std::int64_t>(got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read", errno);
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  return std::string_view(buffer).substr(0, got);
}

std::optional<std::size_t> last_newline(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const void* found = ::memrchr(text.data(), '\n', text.size());
  if (found == nullptr) return std::nullopt;
  return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace

Result<bool> TailSearch::step(int fd, std::size_t bytes) {
  std::string buffer;
  for (std::size_t looked = 0; left_ > 0; looked += buffer.size()) {
    if (looked >= bytes && looked > 0) return false;
    buffer.resize(static_cast<std::size_t>(std::min<std::int64_t>(left_, block)));
    const std::int64_t from = left_ - static_cast<std::int64_t>(buffer.size());
    auto text = read_block(fd, buffer, from);
    if (!text.ok()) return std::move(text).error();
    for (auto at = last_newline(*text); at; at = last_newline(text->substr(0, *at))) {
      if (--missing_ > 0) continue;
      start_ = from + static_cast<std::int64_t>(*at) + 1;
      return true;
    }
    left_ = from;
  }
  start_ = 0;
  return true;
}

}  // namespace keelson::logs
