#include "tests/sim/api_wire.hpp"

namespace keelson::sim {
namespace {

using base::Task;

Task<Result<std::string>> read_piece(std::shared_ptr<kube::HttpStream> stream) {
  auto piece = co_await stream->read();
  co_return piece;
}

class StreamWire final : public kube::HttpStream {
 public:
  StreamWire(Wire& wire, std::unique_ptr<kube::HttpStream> stream) : wire_(wire), stream_(std::move(stream)) {}
  int status() const override { return stream_->status(); }
  const kube::Headers& headers() const override { return stream_->headers(); }
  Task<Result<std::string>> read() override { return wire_.call(read_piece(stream_), Wire::Orphan::ends); }

 private:
  Wire& wire_;
  std::shared_ptr<kube::HttpStream> stream_;
};

kube::ClientOptions heartbeat_options() {
  kube::ClientOptions options;
  options.qps = 0;
  options.timeout = std::chrono::seconds(10);
  options.timeout_in_query = true;
  return options;
}

}  // namespace

Task<Result<kube::HttpResponse>> TransportWire::travel(kube::HttpRequest request, base::Duration limit) {
  const auto there = std::chrono::microseconds(200 + outside_.random() % 3000);
  co_await outside_.clock.sleep_for(there);
  auto answer = co_await transport_.send(std::move(request), limit);
  co_return answer;
}

Task<Result<kube::HttpResponse>> TransportWire::send(kube::HttpRequest request, base::Duration limit) {
  return wire_.call(travel(std::move(request), limit));
}

Task<Result<std::unique_ptr<kube::HttpStream>>> TransportWire::open(kube::HttpRequest request, base::Duration limit) {
  auto opening = wire_.call(transport_.open(std::move(request), limit), Wire::Orphan::ends);
  auto opened = co_await std::move(opening);
  if (!opened.ok()) co_return std::move(opened).error();
  std::unique_ptr<kube::HttpStream> stream = std::make_unique<StreamWire>(wire_, std::move(*opened));
  co_return stream;
}

ApiWire::ApiWire(base::Loop& loop, base::Clock& clock, kube::Transport& transport, base::Logger log)
    : transport_(transport),
      main_(loop, clock, transport, {}, log),
      events_(loop, clock, transport, {}, log),
      heartbeat_(loop, clock, transport, heartbeat_options(), log),
      lease_(loop, clock, transport, heartbeat_options(), log) {}

Task<void> ApiWire::stop() {
  transport_.close_all();
  co_return;
}

}  // namespace keelson::sim
