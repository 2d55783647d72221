#include "agent/logs/container_lives.hpp"

#include <algorithm>
#include <utility>

namespace keelson::logs {

ContainerLives::Listener::Listener(ContainerLives& lives, std::shared_ptr<Life> life, base::Notification& bell)
    : lives_(lives), life_(std::move(life)), bell_(bell) {
  life_->bells.insert(&bell_);
}

ContainerLives::Listener::~Listener() { life_->bells.erase(&bell_); }

bool ContainerLives::Listener::ended() const { return life_->ended; }

bool ContainerLives::Listener::suspected() const { return life_->suspected; }

base::SteadyTime ContainerLives::Listener::due() const { return life_->due; }

void ContainerLives::Listener::check() {
  if (life_->ended || life_->asking || lives_.clock_.steady_now() < life_->due) return;
  life_->asking = true;
  base::spawn(lives_.gate_, "state of container " + life_->id, lives_.ask(life_));
}

// One that closes its log after each line must not be asked about at each of them.
void ContainerLives::Listener::suspect() {
  life_->suspected = true;
  life_->pause = rest;
  const bool never = life_->asked == base::SteadyTime::min();
  life_->due = never ? base::SteadyTime::min() : std::min(life_->due, life_->asked + least_rest);
  check();
}

std::unique_ptr<ContainerLives::Listener> ContainerLives::follow(const std::string& container_id,
                                                                 base::Notification& bell) {
  std::erase_if(lives_, [](const auto& entry) { return entry.second.expired(); });
  auto& known = lives_[container_id];
  auto life = known.lock();
  if (life == nullptr) {
    life = std::make_shared<Life>();
    life->id = container_id;
    known = life;
  }
  return std::make_unique<Listener>(*this, std::move(life), bell);
}

base::Task<void> ContainerLives::ask(std::shared_ptr<Life> life) {
  life->asked = clock_.steady_now();
  life->suspected = false;
  const auto running = co_await state_.running(life->id);
  life->asking = false;
  life->ended = running.ok() ? !*running : running.error().kind() == ErrorKind::not_found;
  // What was suspected meanwhile may have come after the answer.
  life->due = life->suspected ? life->asked + least_rest : clock_.after(life->pause);
  life->pause = std::min(2 * life->pause, most_rest);
  if (!life->ended) co_return;
  for (base::Notification* bell : life->bells) bell->notify();
}

}  // namespace keelson::logs
