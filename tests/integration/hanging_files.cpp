#include "tests/integration/hanging_files.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace keelson::integration {
namespace {

constexpr std::size_t kRequestBytes = 1 << 17;  // more than any that such a small file system gets

fuse_attr directory_attributes() {
  fuse_attr out{};
  out.ino = FUSE_ROOT_ID;
  out.mode = S_IFDIR | 0777;
  out.nlink = 2;
  out.blksize = 4096;
  return out;
}

}  // namespace

HangingFiles::HangingFiles(const std::string& path) : path_(path) {
  device_ = base::UniqueFd(::open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  end_ = base::UniqueFd(::eventfd(0, EFD_CLOEXEC));
  const std::string options =
      "fd=" + std::to_string(device_.get()) + ",rootmode=40000,user_id=0,group_id=0,allow_other";
  if (!device_ || ::mount("keelson-test", path.c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    why_not_ = std::string("a FUSE file system cannot be mounted: ") + std::strerror(errno);
    device_.reset();
    return;
  }
  thread_ = std::thread([this] { serve(); });
  std::unique_lock lock(mutex_);
  begun_.wait(lock, [this] { return is_begun_; });
}

HangingFiles::~HangingFiles() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  (void)!::write(end_.get(), &one, sizeof one);
  thread_.join();
  // Without its device the kernel ends what hangs.
  device_.reset();
  ::umount2(path_.c_str(), MNT_DETACH);
}

void HangingFiles::hang() {
  const std::lock_guard lock(mutex_);
  hangs_ = true;
}

void HangingFiles::answer_again() {
  const std::lock_guard lock(mutex_);
  hangs_ = false;
  for (const Question& question : waiting_) answer(question);
  waiting_.clear();
}

std::size_t HangingFiles::hanging() {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

void HangingFiles::serve() {
  std::vector<char> request(kRequestBytes);
  while (true) {
    pollfd waits[2] = {{device_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0 && errno != EINTR) return;
    if (waits[1].revents != 0) return;
    const ssize_t got = ::read(device_.get(), request.data(), request.size());
    if (got < 0 && errno == ENODEV) return;  // it was unmounted
    if (got < static_cast<ssize_t>(sizeof(fuse_in_header))) continue;
    take(request.data(), static_cast<std::size_t>(got));
  }
}

void HangingFiles::take(const char* bytes, std::size_t size) {
  Question question;
  std::memcpy(&question.header, bytes, sizeof question.header);
  const std::uint32_t what = question.header.opcode;
  if (what == FUSE_FORGET || what == FUSE_BATCH_FORGET || what == FUSE_INTERRUPT) return;
  if (what == FUSE_INIT) {
    const std::size_t body = std::min(size - sizeof question.header, sizeof question.init);
    std::memcpy(&question.init, bytes + sizeof question.header, body);
  }
  const std::lock_guard lock(mutex_);
  if (hangs_) {
    waiting_.push_back(question);
  } else {
    answer(question);
  }
}

void HangingFiles::answer(const Question& question) {
  switch (question.header.opcode) {
    case FUSE_INIT: {
      fuse_init_out out{};
      out.major = FUSE_KERNEL_VERSION;
      out.minor = FUSE_KERNEL_MINOR_VERSION;
      out.max_readahead = question.init.max_readahead;
      out.max_write = 4096;
      is_begun_ = true;
      begun_.notify_all();
      return reply(question, &out, sizeof out);
    }
    case FUSE_GETATTR: {
      fuse_attr_out out{};  // not to be remembered
      out.attr = directory_attributes();
      return reply(question, &out, sizeof out);
    }
    case FUSE_STATFS: {
      fuse_statfs_out out{};
      out.st.bsize = 4096;
      out.st.namelen = 255;
      return reply(question, &out, sizeof out);
    }
    case FUSE_OPENDIR: {
      const fuse_open_out out{};
      return reply(question, &out, sizeof out);
    }
    case FUSE_READDIR:
    case FUSE_RELEASEDIR:
    case FUSE_ACCESS:
    case FUSE_DESTROY: return reply(question, nullptr, 0);
    case FUSE_LOOKUP: return refuse(question, ENOENT);
    default: return refuse(question, ENOSYS);
  }
}

void HangingFiles::reply(const Question& question, const void* body, std::size_t size) {
  fuse_out_header header{};
  header.len = static_cast<std::uint32_t>(sizeof header + size);
  header.unique = question.header.unique;
  const iovec parts[2] = {{&header, sizeof header}, {const_cast<void*>(body), size}};
  // Who asked may have gone meanwhile.
  (void)!::writev(device_.get(), parts, size > 0 ? 2 : 1);
}

void HangingFiles::refuse(const Question& question, int error) {
  fuse_out_header header{};
  header.len = sizeof header;
  header.error = -error;
  header.unique = question.header.unique;
  (void)!::write(device_.get(), &header, sizeof header);
}

}  // namespace keelson::integration
