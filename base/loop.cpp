#include "base/loop.hpp"

namespace keelson::base {

void Loop::run() {
  owner_ = std::this_thread::get_id();
  auto work = asio::make_work_guard(context_);
  context_.restart();
  if (!stopping_.load()) context_.run();
  stopping_.store(false);
}

std::size_t Loop::poll() {
  owner_ = std::this_thread::get_id();
  context_.restart();
  return context_.poll();
}

}  // namespace keelson::base
