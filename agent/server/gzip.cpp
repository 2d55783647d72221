#include "agent/server/gzip.hpp"

#include <zlib.h>

#include <array>

#include "base/result.hpp"

namespace keelson::server {
namespace {

constexpr int kGzipWindow = 15 + 16;  // the largest window, with gzip's head and tail
constexpr int kMemory = 8;

}  // namespace

struct Gzip::Stream {
  z_stream z{};
};

Gzip::Gzip() : stream_(std::make_unique<Stream>()) {
  KEELSON_CHECK(deflateInit2(&stream_->z, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kMemory, Z_DEFAULT_STRATEGY) == Z_OK);
}

Gzip::~Gzip() { deflateEnd(&stream_->z); }

std::string Gzip::deflate_all(std::string_view text, int flush) {
  z_stream& z = stream_->z;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  std::string out;
  std::array<char, 16 * 1024> buffer;
  do {
    z.next_out = reinterpret_cast<Bytef*>(buffer.data());
    z.avail_out = static_cast<uInt>(buffer.size());
    KEELSON_CHECK(deflate(&z, flush) != Z_STREAM_ERROR);
    out.append(buffer.data(), buffer.size() - z.avail_out);
  } while (z.avail_out == 0);
  return out;
}

std::string Gzip::add(std::string_view text) { return deflate_all(text, Z_NO_FLUSH); }

std::string Gzip::end() { return deflate_all({}, Z_FINISH); }

std::string gzip(std::string_view text) {
  Gzip whole;
  std::string out = whole.add(text);
  out += whole.end();
  return out;
}

}  // namespace keelson::server
