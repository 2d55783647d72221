// FakeApiTransport: requests to a FakeApi without sockets, with what connections do to them.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/cancellation_condition.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <set>

#include "base/gate.hpp"
#include "base/sync.hpp"
#include "tests/support/api/fake_api.hpp"

namespace keelson::fakes {
namespace {

using base::Task;
namespace asio = base::asio;

// One connection's end, for the request or stream on it.
struct Line {
  explicit Line(base::Loop& loop) : bell(loop) {}
  void cut() {
    broken = true;
    bell.notify();
  }
  base::Notification bell;
  bool broken = false;
};

Error refused() { return Error(ErrorKind::unavailable, "dial tcp 127.0.0.1:6443: connect: connection refused"); }
Error broken_request() {
  return Error(ErrorKind::maybe_applied, "the connection to the API server broke before the answer was read");
}
Error broken_stream() { return Error(ErrorKind::unavailable, "the connection to the API server broke"); }
Error timed_out(const std::string& target) {
  return Error(ErrorKind::deadline_exceeded, "no answer from the API server in time to " + target);
}

// Awaits `task` until it ends or the line is cut; false when it was cut first.
Task<bool> while_connected(std::shared_ptr<Line> line, Task<void> task) {
  if (line->broken) co_return false;
  const auto executor = co_await asio::this_coro::executor;
  auto group = asio::experimental::make_parallel_group(asio::co_spawn(executor, std::move(task), asio::deferred),
                                                       asio::co_spawn(executor, line->bell.wait(), asio::deferred));
  auto wait = group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  auto outcome = co_await std::move(wait);
  const std::exception_ptr& task_error = std::get<1>(outcome);
  const std::exception_ptr& line_error = std::get<2>(outcome);
  if (!task_error) co_return true;
  if (!line_error && base::is_cancellation(task_error)) co_return false;
  std::rethrow_exception(task_error);
}

Task<void> ask(FakeApi& api, ApiRequest request, std::shared_ptr<ApiAnswer> place) {
  ApiAnswer answer = co_await api.handle(std::move(request));
  *place = std::move(answer);
}

Task<void> read_piece(std::shared_ptr<ApiStream> stream, std::shared_ptr<Result<std::string>> place) {
  auto piece = co_await stream->next();
  *place = std::move(piece);
}

// A stream's pieces joined, for callers who want the whole answer.
Task<void> read_all(std::shared_ptr<ApiStream> stream, std::shared_ptr<Result<std::string>> place) {
  std::string whole;
  while (true) {
    auto piece = co_await stream->next();
    if (!piece.ok()) {
      *place = std::move(piece);
      co_return;
    }
    if (piece->empty()) break;
    whole += *piece;
  }
  *place = std::move(whole);
}

class AnswerStream final : public kube::HttpStream {
 public:
  AnswerStream(std::shared_ptr<Line> line, ApiAnswer answer)
      : line_(std::move(line)),
        status_(answer.status),
        headers_(std::move(answer.headers)),
        body_(std::move(answer.body)),
        stream_(std::move(answer.stream)),
        left_(answer.cut_after) {}

  int status() const override { return status_; }
  const kube::Headers& headers() const override { return headers_; }

  Task<Result<std::string>> read() override {
    if (line_->broken || left_ == std::size_t{0}) co_return broken_stream();
    if (stream_ == nullptr) co_return shortened(std::exchange(body_, {}));
    auto place = std::make_shared<Result<std::string>>(std::string());
    const bool whole = co_await while_connected(line_, read_piece(stream_, place));
    if (!whole) co_return broken_stream();
    if (!place->ok()) co_return std::move(*place);
    co_return shortened(std::move(**place));
  }

 private:
  std::string shortened(std::string piece) {
    if (!left_) return piece;
    if (piece.size() > *left_) piece.resize(*left_);
    *left_ -= piece.size();
    return piece;
  }

  std::shared_ptr<Line> line_;
  int status_;
  kube::Headers headers_;
  std::string body_;
  std::shared_ptr<ApiStream> stream_;
  std::optional<std::size_t> left_;  // then the connection breaks
};

}  // namespace

struct FakeApiTransport::State {
  State(FakeApi& fake, base::Clock& transport_clock, ApiUser who)
      : api(fake), clock(transport_clock), user(std::move(who)) {}

  std::shared_ptr<Line> connect() {
    std::erase_if(lines, [](const auto& line) { return line.expired(); });
    auto line = std::make_shared<Line>(api.loop());
    lines.push_back(line);
    return line;
  }

  void cut_all() {
    const auto open = std::exchange(lines, {});
    for (const auto& weak : open) {
      if (const auto line = weak.lock()) line->cut();
    }
  }

  ApiRequest request_of(kube::HttpRequest request) const {
    ApiRequest out;
    out.method = std::move(request.method);
    out.target = std::move(request.target);
    out.headers = std::move(request.headers);
    out.body = std::move(request.body);
    out.user = user;
    return out;
  }

  FakeApi& api;
  base::Clock& clock;
  ApiUser user;
  bool down = false;
  std::vector<std::weak_ptr<Line>> lines;
};

namespace {

// What came of a request, within its limit: the answer, or why there is none.
Task<Result<std::shared_ptr<ApiAnswer>>> exchange(FakeApi& api, base::Clock& clock, std::shared_ptr<Line> line,
                                                  ApiRequest request, base::Duration limit) {
  const std::string target = request.target;
  auto answer = std::make_shared<ApiAnswer>();
  const auto connected =
      co_await base::with_timeout(clock, limit, while_connected(line, ask(api, std::move(request), answer)));
  if (!connected) co_return timed_out(target);
  if (!*connected || answer->reset) co_return broken_request();
  co_return answer;
}

}  // namespace

FakeApiTransport::FakeApiTransport(FakeApi& api, base::Clock& clock, ApiUser user)
    : state_(std::make_shared<State>(api, clock, std::move(user))) {}

FakeApiTransport::~FakeApiTransport() { state_->cut_all(); }

Task<Result<kube::HttpResponse>> FakeApiTransport::send(kube::HttpRequest request, base::Duration limit) {
  const auto state = state_;
  if (state->down) co_return refused();
  const std::string target = request.target;
  const auto line = state->connect();
  const base::SteadyTime begun = state->clock.steady_now();
  ApiRequest asked = state->request_of(std::move(request));
  auto answer = co_await exchange(state->api, state->clock, line, std::move(asked), limit);
  if (!answer.ok()) co_return std::move(answer).error();
  ApiAnswer& got = **answer;
  if (got.stream != nullptr) {
    auto whole = std::make_shared<Result<std::string>>(std::string());
    std::shared_ptr<ApiStream> stream = std::move(got.stream);
    const base::Duration left = limit - (state->clock.steady_now() - begun);
    const auto connected =
        co_await base::with_timeout(state->clock, left, while_connected(line, read_all(stream, whole)));
    if (!connected) co_return timed_out(target);
    if (!*connected || !whole->ok()) co_return broken_request();
    got.body = std::move(**whole);
  }
  if (got.cut_after && *got.cut_after < got.body.size()) co_return broken_request();
  kube::HttpResponse out;
  out.status = got.status;
  out.headers = std::move(got.headers);
  out.body = std::move(got.body);
  co_return out;
}

Task<Result<std::unique_ptr<kube::HttpStream>>> FakeApiTransport::open(kube::HttpRequest request,
                                                                       base::Duration limit) {
  const auto state = state_;
  if (state->down) co_return refused();
  const auto line = state->connect();
  ApiRequest asked = state->request_of(std::move(request));
  auto answer = co_await exchange(state->api, state->clock, line, std::move(asked), limit);
  if (!answer.ok()) co_return std::move(answer).error();
  std::unique_ptr<kube::HttpStream> out = std::make_unique<AnswerStream>(line, std::move(**answer));
  co_return out;
}

void FakeApiTransport::close_all() { state_->cut_all(); }

void FakeApiTransport::set_down(bool down) {
  state_->down = down;
  if (down) state_->cut_all();
}

}  // namespace keelson::fakes
