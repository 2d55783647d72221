// LogOutput: the answer to a log query: plain text, compressed when that was asked for, in pieces.
//
// Owner: LogsHandler, for one answer. Thread: the loop. Stops: with the connection's task. What fails: the client has
// gone. Source: contract 05 §7.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "agent/node_api/piece_writer.hpp"
#include "agent/node_api/piped_program.hpp"
#include "agent/server/gzip.hpp"

namespace keelson::node_api {

class LogOutput final : public PieceSink {
 public:
  LogOutput(server::Reply& reply, bool compressed)
      : out_(reply, head(compressed)), gzip_(compressed ? std::make_unique<server::Gzip>() : nullptr) {}

  base::Task<Status> write(std::string text) {
    if (gzip_ != nullptr) text = gzip_->add(text);
    co_return co_await out_.add(std::move(text));
  }
  base::Task<Status> end() {
    std::string rest;
    if (gzip_ != nullptr) rest = gzip_->end();
    auto added = co_await out_.add(std::move(rest));
    if (!added.ok()) co_return added;
    co_return co_await out_.end();
  }
  base::Task<bool> take(std::string piece) override {
    const auto written = co_await write(std::move(piece));
    co_return written.ok();
  }

 private:
  static server::Response head(bool compressed) {
    server::Response head;
    head.headers.emplace_back("Content-Type", "text/plain;charset=UTF-8");
    if (compressed) head.headers.emplace_back("Content-Encoding", "gzip");
    return head;
  }

  PieceWriter out_;
  std::unique_ptr<server::Gzip> gzip_;
};

}  // namespace keelson::node_api
