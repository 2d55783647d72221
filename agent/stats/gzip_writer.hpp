// GzipWriter: compresses a text that comes in pieces, so that only the small result is held.
//
// One text each. Any one thread. Nothing fails but memory. Source: RFC 1952.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace keelson::stats {

class GzipWriter {
 public:
  GzipWriter();
  ~GzipWriter();
  GzipWriter(const GzipWriter&) = delete;
  GzipWriter& operator=(const GzipWriter&) = delete;

  void write(std::string_view piece);
  // The whole; nothing is written after.
  std::string finish();

 private:
  struct Stream;
  void deflate_all(std::string_view piece, int flush);

  std::unique_ptr<Stream> stream_;
  std::string out_;
};

}  // namespace keelson::stats
