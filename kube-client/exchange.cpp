#include "kube-client/exchange.hpp"

#include <utility>

namespace keelson::kube {

base::Task<void> Exchange::wait_head() {
  while (!has_head() && !over()) co_await bell.wait();
}

base::Task<void> Exchange::wait_body(std::size_t enough) {
  while (!over() && body.size() < enough) co_await bell.wait();
}

std::string Exchange::take() {
  std::string piece = std::exchange(body, {});
  if (carrier != nullptr && !piece.empty()) carrier->consumed(*this, piece.size());
  return piece;
}

void Exchange::give_up() {
  if (Carrier* from = std::exchange(carrier, nullptr)) from->give_up(*this);
}

void Exchange::forget_request() {
  if (upload_done || carrier == nullptr) request.body = {};
  request.target = {};
  request.headers = {};
  headers.shrink_to_fit();
}

void Exchange::head_complete() { bell.notify(); }

void Exchange::append(const char* data, std::size_t size) {
  body.append(data, size);
  bell.notify();
}

void Exchange::finish() {
  ended = true;
  bell.notify();
}

void Exchange::fail(Error error, bool may_resend) {
  if (over()) return;
  failure = std::move(error);
  resendable = may_resend;
  bell.notify();
}

void Exchange::broken(const Error& why) {
  if (over()) return;
  const bool told_apart = why.kind() == ErrorKind::cancelled || why.kind() == ErrorKind::invalid;
  if (told_apart) return fail(why, false);
  if (!sent) return fail(Error(ErrorKind::unavailable, why.message(), why.code()), true);
  if (is_get()) return fail(Error(ErrorKind::unavailable, why.message(), why.code()), reused && !has_head());
  const std::string missing = has_head() ? " (the answer is incomplete)" : " (the request was sent, no answer came)";
  fail(Error(ErrorKind::maybe_applied, why.message() + missing, why.code()), false);
}

}  // namespace keelson::kube
