#include "agent/server/request_parser.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "agent/server/status_text.hpp"

namespace keelson::server {
namespace {

namespace http = boost::beast::http;
using boost::beast::string_view;
using boost::system::error_code;

// Of bytes that wait for the rest of a chunk's header or of the trailers.
constexpr std::size_t kChunkHeaderLimit = 64u << 10;

std::size_t count_fields(const Fields& headers, std::string_view name) {
  return static_cast<std::size_t>(std::count_if(headers.begin(), headers.end(),
                                                [name](const auto& field) { return same_name(field.first, name); }));
}

// "HTTP/2.0" at the end of the line: a version that we do not speak, rather than none at all.
bool names_other_version(std::string_view input) {
  const std::string_view line = input.substr(0, input.find('\r'));
  const std::string_view version = line.substr(std::min(line.rfind(' '), line.size() - 1) + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version == "HTTP/1.0" || version == "HTTP/1.1") return false;
  return version.size() == 8 && version.starts_with("HTTP/") && is_digit(version[5]) && version[6] == '.' &&
         is_digit(version[7]);
}

}  // namespace

class RequestParser::Beast final : public http::basic_parser<true> {
 public:
  explicit Beast(std::size_t limit) {
    header_limit(static_cast<std::uint32_t>(limit));
    body_limit(boost::none);
  }

  RequestHead head;
  bool in_body = false;
  bool too_many_fields = false;
  bool too_large = false;
  std::string* body = nullptr;
  std::size_t limit = 0;
  std::size_t fields() const { return fields_; }

 private:
  void on_request_impl(http::verb, string_view method, string_view target, int version, error_code&) override {
    head.method = std::string(method);
    head.target = std::string(target);
    head.version = version;
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(http::field, string_view name, string_view value, error_code& error) override {
    if (++fields_ > kFieldLimit) {
      too_many_fields = true;
      error = http::error::header_limit;
    } else if (!in_body) {  // else a trailer
      head.headers.emplace_back(std::string(name), std::string(value));
    }
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view piece, error_code& error) override { return keep(piece, error); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view piece, error_code& error) override {
    return keep(piece, error);
  }
  void on_finish_impl(error_code&) override {}

  std::size_t keep(string_view piece, error_code& error) {
    if (piece.size() > limit - std::min(limit, body->size())) {
      too_large = true;
      error = http::error::body_limit;
      return 0;
    }
    body->append(piece.data(), piece.size());
    return piece.size();
  }

  std::size_t fields_ = 0;
};

RequestParser::RequestParser(std::size_t header_limit)
    : beast_(std::make_unique<Beast>(header_limit)), header_limit_(header_limit) {}
RequestParser::~RequestParser() = default;

RequestHead& RequestParser::head() { return beast_->head; }
std::size_t RequestParser::held() const { return taken_ + beast_->fields() * sizeof(Fields::value_type); }

RequestParser::Progress RequestParser::fail(int status, std::string reason) {
  bad_.status = status;
  bad_.text = std::to_string(status) + " " + std::string(status_text(status));
  if (!reason.empty()) bad_.text += ": " + reason;
  return Progress::failed;
}

RequestParser::Progress RequestParser::read_head(std::string& input) {
  if (input.empty()) return Progress::more;
  error_code error;
  const std::size_t used = beast_->put(boost::asio::buffer(input.data(), input.size()), error);
  input.erase(0, used);
  taken_ += used;
  const bool endless = error == http::error::need_more && taken_ + input.size() > header_limit_;
  if (error == http::error::header_limit || taken_ > header_limit_ || endless) return fail(431);
  if (error == http::error::need_more) return Progress::more;
  if (error == http::error::bad_version && names_other_version(input)) return fail(505, "unsupported protocol version");
  if (error) return fail(400);
  return beast_->is_header_done() ? check_head() : Progress::more;
}

RequestParser::Progress RequestParser::check_head() {
  RequestHead& head = beast_->head;
  const auto encoding = find_field(head.headers, "Transfer-Encoding");
  // What a proxy before us may take for one request must not be two for us.
  if (encoding && (head.version < 11 || !same_name(*encoding, "chunked"))) return fail(501, "unsupported encoding");
  const std::size_t hosts = count_fields(head.headers, "Host");
  if (hosts == 0 && head.version >= 11) return fail(400, "missing required Host header");
  if (hosts > 1) return fail(400, "too many Host headers");
  head.keep_alive = beast_->keep_alive();
  head.has_body = !beast_->is_done();
  if (head.has_body) {
    if (const auto length = beast_->content_length()) head.length = *length;
  }
  beast_->in_body = true;
  beast_->eager(true);
  return Progress::complete;
}

RequestParser::Progress RequestParser::read_body(std::string& input, std::string& body, std::size_t limit) {
  beast_->body = &body;
  beast_->limit = limit;
  std::size_t used = 0;
  error_code error;
  while (!error && !beast_->is_done() && used < input.size()) {
    used += beast_->put(boost::asio::buffer(input.data() + used, input.size() - used), error);
  }
  input.erase(0, used);
  beast_->body = nullptr;
  if (beast_->too_large) return Progress::too_large;
  if (error && error != http::error::need_more) return fail(400);
  if (beast_->is_done()) return Progress::complete;
  if (error && input.size() > kChunkHeaderLimit) return fail(400);
  return Progress::more;
}

}  // namespace keelson::server
