// Which of two instances of one container, or of two sandboxes of one pod, is the newer. Pure, any thread.
#pragma once

namespace keelson::agent {

// Attempts come first: a runtime's clock may have been set back between two of them.
template <class Made>
bool is_newer(const Made& a, const Made& b) {
  if (a.metadata.attempt != b.metadata.attempt) return a.metadata.attempt > b.metadata.attempt;
  return a.created_at > b.created_at;
}

}  // namespace keelson::agent
