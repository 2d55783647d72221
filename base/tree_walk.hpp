// walk_tree(): every entry of a directory whose users may change it meanwhile.
//
// It goes from directory to directory by descriptors, of which it holds a bounded number however deep the tree is, so
// that nothing done to the tree leads it out of it: links are not followed, mount points not entered. What is no
// directory comes while its directory is read; a directory comes after all that is in it. Blocking, for hours in a
// large tree: on the pool. Values only. What fails is the visitor's to judge.
#pragma once

#include <string>

#include "base/file.hpp"

namespace keelson::base {

class TreeVisitor {
 public:
  virtual ~TreeVisitor() = default;
  // Asked before each step: ends the walk.
  virtual bool stopped() const = 0;
  virtual void entry(int dir_fd, const char* name) = 0;
  // A directory below the top, before what is in it; false leaves it out.
  virtual bool enters(int /*fd*/, const char* /*name*/) { return true; }
  virtual void directory(int fd) = 0;
  // The same below the top, in the directory it is in: the last that the walk has of it.
  virtual void left(int /*dir_fd*/, const char* /*name*/) {}
  // An entry that was a directory and cannot be opened as one; with the errno, EXDEV for a mount point.
  virtual void shut(int dir_fd, const char* name, int error) = 0;
  // The entries of a directory, or the rest of them, cannot be read; with the errno.
  virtual void unreadable(int error) = 0;
};

// A directory high above that the walk comes back to and that is no longer above it.
enum class LostDirectory {
  ends_the_walk,
  is_left_out,  // with what was still to be walked there; the walk goes on in what is where it was
};
enum class TreeWalkEnd { done, stopped, lost };

TreeWalkEnd walk_tree(UniqueFd top, TreeVisitor& visitor, LostDirectory lost);

// For a message: the middle of a path that is longer than any that can be opened is left out.
std::string shown_path(const std::string& path);

}  // namespace keelson::base
