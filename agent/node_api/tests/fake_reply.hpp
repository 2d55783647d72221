// What the tests of the node's API share: a Reply that keeps what was sent, and a way to have a handler answer.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "agent/server/message.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::node_api::testing {

class FakeReply final : public server::Reply {
 public:
  base::Task<Status> send(server::Response response) override {
    take_head(response);
    body = std::move(response.body);
    whole = true;
    finished = true;
    co_return Status();
  }
  base::Task<Status> begin(server::Response head) override {
    take_head(head);
    EXPECT_EQ(head.body, "");
    co_return Status();
  }
  base::Task<Status> write(std::string piece) override {
    EXPECT_FALSE(piece.empty()) << "an empty chunk would end the answer";
    if (pieces >= most_pieces) co_return Error(ErrorKind::unavailable, "the client has gone");
    ++pieces;
    largest_piece = std::max(largest_piece, piece.size());
    body += piece;
    co_return Status();
  }
  base::Task<Status> finish() override {
    finished = true;
    co_return Status();
  }
  std::unique_ptr<server::ByteStream> take_over() override { return nullptr; }

  // "" when it is not there.
  std::string header(const std::string& name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return "";
  }

  int status = 0;
  server::Fields headers;
  std::string body;
  bool whole = false;  // sent in one
  bool finished = false;
  std::size_t pieces = 0;
  std::size_t largest_piece = 0;
  std::size_t most_pieces = 1u << 30;  // then the client goes

 private:
  void take_head(const server::Response& response) {
    EXPECT_EQ(status, 0) << "answered twice";
    status = response.status;
    headers = response.headers;
  }
};

inline server::Request get(std::string target, server::Fields headers = {}) {
  server::Request request;
  request.method = "GET";
  request.target = target;
  request.path = target.substr(0, target.find('?'));
  request.headers = std::move(headers);
  if (const auto mark = target.find('?'); mark != std::string::npos) {
    std::istringstream pairs(target.substr(mark + 1));
    for (std::string pair; std::getline(pairs, pair, '&');) {
      const auto equals = pair.find('=');
      request.query.emplace_back(pair.substr(0, equals), equals == std::string::npos ? "" : pair.substr(equals + 1));
    }
  }
  return request;
}

// The handler's whole answer; other threads and programs may have a part in it.
inline void ask(base::Loop& loop, server::Handler& handler, const server::Request& request, FakeReply& reply) {
  base::Gate gate(loop);
  base::spawn(gate, "a request", handler.handle(request, reply));
  ASSERT_TRUE(base::testing::pump_until(loop, [&] { return gate.tasks() == 0; })) << "no answer within ten seconds";
}

inline FakeReply ask(server::Handler& handler, const server::Request& request) {
  base::Loop loop;
  FakeReply reply;
  ask(loop, handler, request, reply);
  return reply;
}

// What was compressed; "not gzip" for anything else.
inline std::string gunzip(const std::string& packed) {
  z_stream z{};
  inflateInit2(&z, 15 + 16);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  z.avail_in = static_cast<uInt>(packed.size());
  std::string text;
  std::array<char, 4096> buffer;
  int state = Z_OK;
  while (state == Z_OK) {
    z.next_out = reinterpret_cast<Bytef*>(buffer.data());
    z.avail_out = buffer.size();
    state = inflate(&z, Z_NO_FLUSH);
    text.append(buffer.data(), buffer.size() - z.avail_out);
  }
  inflateEnd(&z);
  return state == Z_STREAM_END && z.avail_in == 0 ? text : "not gzip";
}

inline std::string golden(const std::string& name) {
  std::ifstream in(std::string(KEELSON_SOURCE_DIR) + "/tests/golden/data/" + name);
  EXPECT_TRUE(in.good()) << name;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace keelson::node_api::testing
