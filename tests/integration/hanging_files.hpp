// HangingFiles: a file system with one empty directory whose server stops answering when it is told to, as an NFS
// server that is gone does: whoever looks at it then hangs in the kernel until it answers again.
//
// A FUSE server of this process. Owner: a test; it is taken off with the object, and hanging calls end with an error
// then. Threads: one of its own answers; any may call hang() and answer_again(). What fails: why_not() says why it
// could not be mounted. Source: fuse(4), linux/fuse.h.
#pragma once

#include <linux/fuse.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/file.hpp"

namespace keelson::integration {

class HangingFiles {
 public:
  explicit HangingFiles(const std::string& path);
  ~HangingFiles();
  HangingFiles(const HangingFiles&) = delete;
  HangingFiles& operator=(const HangingFiles&) = delete;

  const std::string& why_not() const { return why_not_; }  // empty: it is mounted
  void hang();
  // What hangs is answered, too.
  void answer_again();
  // Calls that hang now.
  std::size_t hanging();

 private:
  struct Question {
    fuse_in_header header{};
    fuse_init_in init{};
  };
  void serve();
  void take(const char* bytes, std::size_t size);
  void answer(const Question& question);
  void reply(const Question& question, const void* body, std::size_t size);
  void refuse(const Question& question, int error);

  std::string path_;
  std::string why_not_;
  base::UniqueFd device_;
  base::UniqueFd end_;
  std::mutex mutex_;
  std::condition_variable begun_;
  bool is_begun_ = false;  // the kernel has introduced itself
  bool hangs_ = false;
  std::vector<Question> waiting_;
  std::thread thread_;
};

}  // namespace keelson::integration
