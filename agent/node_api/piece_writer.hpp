// PieceWriter: an answer whose length is not known before, in pieces of some size, so that memory stays flat.
//
// What fits into one piece goes out whole, with its length; else the answer is begun when the first piece is full.
// Every write waits for the client. Owner: a handler, for one answer. Thread: the loop. Stops: with the handler's task;
// an answer that was begun and is not ended is cut off. What fails: the client has gone. Source: contract 05 §5 "error
// bodies" (short ones with a length, long ones chunked).
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "agent/server/message.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::node_api {

class PieceWriter {
 public:
  static constexpr std::size_t piece_size = 32 * 1024;

  // `head` has no body.
  PieceWriter(server::Reply& reply, server::Response head) : reply_(reply), head_(std::move(head)) {}

  // Once one has failed, nothing is sent any more.
  base::Task<Status> add(std::string text);
  base::Task<Status> end();

 private:
  base::Task<Status> flush();

  server::Reply& reply_;
  server::Response head_;
  std::string pending_;
  bool begun_ = false;
  std::optional<Error> failed_;
};

}  // namespace keelson::node_api
