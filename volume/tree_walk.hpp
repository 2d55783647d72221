// walk_tree(): every entry of a directory whose users may change it meanwhile.
//
// It goes from directory to directory by descriptors, of which it holds a bounded number however deep the tree is, so
// that nothing done to the tree leads it out of it: links are not followed, mount points not entered. What is no
// directory comes while its directory is read; a directory comes after all that is in it. Blocking, for hours in a
// large tree: on the pool. Values only. What fails is the visitor's to judge.
#pragma once

#include "base/file.hpp"

namespace keelson::volume {

class TreeVisitor {
 public:
  virtual ~TreeVisitor() = default;
  // Asked before each step: ends the walk.
  virtual bool stopped() const = 0;
  virtual void entry(int dir_fd, const char* name) = 0;
  virtual void directory(int fd) = 0;
  // An entry that was a directory and cannot be opened as one; with the errno.
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

TreeWalkEnd walk_tree(base::UniqueFd top, TreeVisitor& visitor, LostDirectory lost);

}  // namespace keelson::volume
