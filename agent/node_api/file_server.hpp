// FileServer: answers a request for a path below a directory of the node, as Go's http.FileServer does.
//
// Large files are sent in pieces of a fixed size, each read when the one before has left. Owner: LogsHandler. Thread:
// the loop. Stops: with the connection's task. What fails: an answer that was begun is cut off when the file can no
// longer be read. Source: contract 05 §7; Go, package net/http.
#pragma once

#include <string>
#include <vector>

#include "agent/node_api/node_files.hpp"
#include "agent/server/message.hpp"

namespace keelson::node_api {

class FileServer {
 public:
  explicit FileServer(NodeFiles& files) : files_(files) {}

  // `path` is of the URL, below the directory that is served.
  base::Task<void> serve(std::string path, const server::Request& request, server::Reply& reply);

 private:
  // A stretch of the answer: some text, then a part of the file.
  struct Stretch {
    std::string text;
    ByteRange range;
  };
  struct Plan {
    server::Response head;
    std::vector<Stretch> stretches;
    std::string tail;
    std::int64_t length = 0;
  };

  base::Task<void> send_file(NodeFile file, std::string name, Conditions conditions, server::Reply& reply);
  base::Task<void> send_directory(NodeFile directory, Conditions conditions, server::Reply& reply);
  static Plan plan(const NodeFile& file, std::string type, std::vector<ByteRange> ranges);
  base::Task<void> send_whole(NodeFile file, Plan plan, server::Reply& reply);
  base::Task<void> send_in_pieces(NodeFile file, Plan plan, server::Reply& reply);

  NodeFiles& files_;
};

}  // namespace keelson::node_api
