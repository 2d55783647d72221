#include "agent/node_api/piece_writer.hpp"

namespace keelson::node_api {

base::Task<Status> PieceWriter::flush() {
  if (failed_) co_return *failed_;
  Status sent;
  if (!begun_) {
    begun_ = true;
    sent = co_await reply_.begin(std::move(head_));
  }
  if (sent.ok() && !pending_.empty()) {
    std::string piece = std::exchange(pending_, {});
    sent = co_await reply_.write(std::move(piece));
  }
  if (!sent.ok()) failed_ = sent.error();
  co_return sent;
}

base::Task<Status> PieceWriter::add(std::string text) {
  pending_ += text;
  if (pending_.size() < piece_size) co_return Status();
  co_return co_await flush();
}

base::Task<Status> PieceWriter::end() {
  if (!begun_) {
    head_.body = std::move(pending_);
    co_return co_await reply_.send(std::move(head_));
  }
  auto written = co_await flush();
  if (!written.ok()) co_return written;
  co_return co_await reply_.finish();
}

}  // namespace keelson::node_api
