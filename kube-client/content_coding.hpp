// Gunzip and BodyReader: the body of an answer as its server meant it.
//
// Gunzip undoes `Content-Encoding: gzip` piece by piece, never more than it is asked for at a time, so that a small
// piece cannot fill the memory. BodyReader takes the pieces of an Exchange through it. Owner: the one who reads.
// Thread: the loop. Fails with `invalid` for what is not gzip, and with what the Exchange failed with. Source: RFC
// 1952; RFC 9110 §8.4.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/task.hpp"
#include "kube-client/exchange.hpp"

namespace keelson::kube {

class Gunzip {
 public:
  Gunzip();
  ~Gunzip();
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;

  // Decodes from the front of `input`, which it shortens, until it is empty or `limit` bytes have come out.
  Result<std::string> decode(std::string_view& input, std::size_t limit);
  // More may come out without more input.
  bool has_more() const { return has_more_; }
  // Nothing is missing: no input at all, or whole members.
  bool complete() const { return complete_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  bool has_more_ = false;
  bool complete_ = true;
};

class BodyReader {
 public:
  // Takes what describes the coding out of the headers. Destruction gives up the rest.
  explicit BodyReader(Held exchange);
  BodyReader(const BodyReader&) = delete;
  BodyReader& operator=(const BodyReader&) = delete;

  // The next piece, empty at the end.
  base::Task<Result<std::string>> read();
  const Exchange& exchange() const { return *exchange_; }

 private:
  Result<std::string> decode();

  Held exchange_;
  std::unique_ptr<Gunzip> gunzip_;
  std::optional<Error> refused_;  // a coding that we have not asked for
  std::string raw_;
  std::size_t at_ = 0;
};

}  // namespace keelson::kube
