#include "kube-client/content_coding.hpp"

#include <zlib.h>

#include <algorithm>
#include <utility>

namespace keelson::kube {
namespace {

constexpr std::size_t piece_limit = 256 * 1024;
constexpr int gzip_window = 15 + 16;  // zlib: the largest window, gzip framing only

}  // namespace

struct Gunzip::State {
  z_stream stream{};
  bool ready = false;
};

Gunzip::Gunzip() : state_(std::make_unique<State>()) {
  state_->ready = inflateInit2(&state_->stream, gzip_window) == Z_OK;
}

Gunzip::~Gunzip() {
  if (state_->ready) inflateEnd(&state_->stream);
}

Result<std::string> Gunzip::decode(std::string_view& input, std::size_t limit) {
  if (!state_->ready) return Error(ErrorKind::exhausted, "no memory to decode a gzip body");
  z_stream& stream = state_->stream;
  std::string out;
  has_more_ = true;
  while (out.size() < limit && has_more_) {
    if (complete_ && input.empty()) {
      has_more_ = false;
      break;
    }
    if (complete_) inflateReset(&stream);  // a first or another member
    complete_ = false;
    const std::size_t before = out.size();
    const std::size_t room = std::min<std::size_t>(limit - before, std::max<std::size_t>(4 * input.size(), 4096));
    out.resize(before + room);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(room);
    const int code = inflate(&stream, Z_SYNC_FLUSH);
    input.remove_prefix(input.size() - stream.avail_in);
    out.resize(out.size() - stream.avail_out);
    if (code == Z_STREAM_END) {
      complete_ = true;
      continue;
    }
    if (code != Z_OK && code != Z_BUF_ERROR) {
      return Error(ErrorKind::invalid, std::string("the body is not gzip as its header says: ") +
                                           (stream.msg != nullptr ? stream.msg : "damaged"));
    }
    has_more_ = stream.avail_out == 0 || !input.empty();
  }
  return out;
}

BodyReader::BodyReader(Held exchange) : exchange_(std::move(exchange)) {
  const std::string* found = find_header(exchange_->headers, "content-encoding");
  if (found == nullptr) return;
  const std::string coding = *found;
  if (coding == "gzip" || coding == "x-gzip") {
    gunzip_ = std::make_unique<Gunzip>();
    std::erase_if(exchange_->headers, [](const auto& field) {
      return field.first == "content-encoding" || field.first == "content-length";
    });
  } else if (coding != "identity" && !coding.empty()) {
    refused_ = Error(ErrorKind::invalid, "the answer has the content coding " + coding.substr(0, 64) +
                                             ", which was not asked for (expected gzip or none)");
  }
}

Result<std::string> BodyReader::decode() {
  std::string_view input(raw_);
  input.remove_prefix(at_);
  auto piece = gunzip_->decode(input, piece_limit);
  at_ = raw_.size() - input.size();
  if (input.empty()) {
    raw_ = {};
    at_ = 0;
  }
  return piece;
}

base::Task<Result<std::string>> BodyReader::read() {
  if (refused_) co_return *refused_;
  while (true) {
    if (gunzip_ != nullptr && (at_ < raw_.size() || gunzip_->has_more())) {
      auto piece = decode();
      if (!piece.ok() || !piece->empty()) co_return piece;
    }
    // What came before a failure is still good.
    if (!exchange_->body.empty()) {
      raw_ = exchange_->take();
      at_ = 0;
      if (gunzip_ == nullptr) co_return std::exchange(raw_, {});
      continue;
    }
    if (exchange_->failure) co_return *exchange_->failure;
    if (exchange_->ended) {
      if (gunzip_ != nullptr && !gunzip_->complete()) {
        co_return Error(ErrorKind::invalid, "the gzip body of the answer is cut short");
      }
      co_return std::string();
    }
    co_await exchange_->bell.wait();
  }
}

}  // namespace keelson::kube
