// HTTP/1.1 as a probe or hook needs it: one GET, one answer.
//
// Pure: text out, bytes in, any thread. AnswerReader takes what a server sends in pieces of any size and never more
// than its limits: a head of 1 MiB, and of the body the first 10 KiB. It is as lenient as Go's client and complains in
// its words, for users read them in events. Source: contract 02 §17; RFC 9112.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::probes {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// "content-type" -> "Content-Type", as Go writes names on the wire.
std::string canonical_header(std::string_view name);
// The first value, or nullptr. Names compare without regard to case.
const std::string* find_header(const HttpHeaders& headers, std::string_view name);

// The whole request. Of `headers` Host (only its first value, and instead of `authority`), User-Agent and Accept are
// understood as in contract 02 §17, those that frame a body are left out, the others are sent in the order of their
// names.
std::string get_request(std::string_view target, std::string_view authority, const HttpHeaders& headers,
                        std::string_view user_agent);
// The name of a header whose value cannot be sent; nullptr when there is none.
const std::string* bad_header(const HttpHeaders& headers);

class AnswerReader {
 public:
  // What came. True: more is wanted.
  bool take(std::string_view data);
  // Nothing comes any more.
  void end();

  bool head_complete() const { return state_ >= State::body; }
  int status() const { return status_; }
  const HttpHeaders& headers() const { return headers_; }
  const std::string& body() const { return body_; }
  // Empty when all is well.
  const std::string& problem() const { return problem_; }

 private:
  enum class State { head, body, chunk_size, chunk, chunk_end, trailer, done };

  bool read_head();
  bool parse_head(std::string_view head);
  bool parse_framing();
  void keep(std::string_view data);
  std::string_view read_chunked(std::string_view data);
  bool take_line(std::string_view& data);
  void fail(std::string problem);

  State state_ = State::head;
  std::string line_;  // of the head all lines, of chunks the one in progress
  std::size_t scanned_ = 0;
  int informational_ = 0;
  int status_ = 0;
  HttpHeaders headers_;
  bool until_close_ = false;
  std::uint64_t left_ = 0;  // of the body, or of the chunk
  std::string body_;
  std::string problem_;
};

}  // namespace keelson::probes
