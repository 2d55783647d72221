#include "agent/stats/gzip_writer.hpp"

#include <zlib.h>

#include <array>

#include "base/result.hpp"

namespace keelson::stats {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib: the largest window, gzip framing
constexpr int kMemoryLevel = 8;       // zlib's default

}  // namespace

struct GzipWriter::Stream {
  z_stream z{};
};

GzipWriter::GzipWriter() : stream_(std::make_unique<Stream>()) {
  z_stream& z = stream_->z;
  KEELSON_CHECK(deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kMemoryLevel, Z_DEFAULT_STRATEGY) == Z_OK);
}

GzipWriter::~GzipWriter() { deflateEnd(&stream_->z); }

void GzipWriter::write(std::string_view piece) {
  if (!piece.empty()) deflate_all(piece, Z_NO_FLUSH);
}

std::string GzipWriter::finish() {
  deflate_all("", Z_FINISH);
  return std::move(out_);
}

void GzipWriter::deflate_all(std::string_view piece, int flush) {
  z_stream& z = stream_->z;
  std::array<char, 16 * 1024> room{};
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
  z.avail_in = static_cast<uInt>(piece.size());
  do {
    z.next_out = reinterpret_cast<Bytef*>(room.data());
    z.avail_out = static_cast<uInt>(room.size());
    KEELSON_CHECK(deflate(&z, flush) != Z_STREAM_ERROR);
    out_.append(room.data(), room.size() - z.avail_out);
  } while (z.avail_out == 0);
}

}  // namespace keelson::stats
