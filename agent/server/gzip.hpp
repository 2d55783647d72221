// Gzip: a body compressed as a whole or piece by piece (RFC 1952), quickly rather than small.
//
// Some 256 KiB while it lives. Owner: who writes the answer. Thread: any, one at a time. Nothing fails.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace keelson::server {

class Gzip {
 public:
  Gzip();
  ~Gzip();
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  // What is ready of the compressed text; may be empty.
  std::string add(std::string_view text);
  std::string end();

 private:
  std::string deflate_all(std::string_view text, int flush);

  struct Stream;
  std::unique_ptr<Stream> stream_;
};

// All at once.
std::string gzip(std::string_view text);

}  // namespace keelson::server
