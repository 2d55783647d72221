#include "kube-client/tests/fake_transport.hpp"

#include "base/tests/tasks.hpp"

namespace keelson::kube::testing {
namespace {

// The near end: gives the stream up when it is destroyed.
class NearEnd final : public HttpStream {
 public:
  explicit NearEnd(StreamPtr far_end) : far_end_(std::move(far_end)) {}
  ~NearEnd() override { far_end_->leave(); }
  int status() const override { return far_end_->status(); }
  const Headers& headers() const override { return far_end_->headers(); }
  base::Task<Result<std::string>> read() override { return far_end_->read(); }

 private:
  StreamPtr far_end_;
};

}  // namespace

base::Task<Result<std::string>> FakeStream::read() {
  while (pieces_.empty()) co_await bell_.wait();
  Result<std::string> piece = std::move(pieces_.front());
  pieces_.pop_front();
  co_return piece;
}

Planned FakeTransport::next(HttpRequest request, base::Duration limit) {
  seen.push_back({std::move(request), limit, clock_.steady_now()});
  if (handler) return handler(seen.back().request);
  if (plan_.empty()) return {};
  Planned planned = std::move(plan_.front());
  plan_.pop_front();
  return planned;
}

base::Task<Result<HttpResponse>> FakeTransport::send(HttpRequest request, base::Duration limit) {
  Planned planned = next(std::move(request), limit);
  const bool hangs = !planned.response && !planned.error;
  const base::Duration wait = hangs ? limit : std::min(limit, planned.latency);
  if (wait > 0ns) co_await clock_.sleep_for(wait);
  if (hangs || planned.latency >= limit) co_return Error(ErrorKind::deadline_exceeded, "no answer in time");
  if (planned.error) co_return std::move(*planned.error);
  co_return std::move(*planned.response);
}

base::Task<Result<std::unique_ptr<HttpStream>>> FakeTransport::open(HttpRequest request, base::Duration limit) {
  Planned planned = next(std::move(request), limit);
  if (planned.response) {
    // A short answer to what should have been a stream.
    planned.stream = std::make_shared<FakeStream>(loop_, (*planned.response)->status, (*planned.response)->headers);
    planned.stream->send((*planned.response)->body);
    planned.stream->end();
  }
  const bool hangs = planned.stream == nullptr && !planned.error;
  const base::Duration wait = hangs ? limit : std::min(limit, planned.latency);
  if (wait > 0ns) co_await clock_.sleep_for(wait);
  if (hangs) co_return Error(ErrorKind::deadline_exceeded, "no answer in time");
  if (planned.error) co_return std::move(*planned.error);
  co_return std::unique_ptr<HttpStream>(new NearEnd(std::move(planned.stream)));
}

void Bench::stop() { base::testing::stop_now(loop, gate); }

}  // namespace keelson::kube::testing
