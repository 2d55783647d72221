#include "agent/streaming/upgrade_message.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/optional.hpp>
#include <iterator>
#include <utility>

#include "kube-client/url.hpp"

namespace keelson::streaming {
namespace {

namespace http = boost::beast::http;

constexpr std::string_view kForwarded = "X-Forwarded-For";

std::string with_scheme(std::string_view url) {
  if (url.starts_with("//")) return "http:" + std::string(url);
  if (url.find("://") == std::string_view::npos) return "http://" + std::string(url);
  return std::string(url);
}

// What is this connection's own affair, or nobody's behind us: the body comes whole, and who the client is has been
// settled here.
bool stays_here(std::string_view name) {
  constexpr std::string_view kNames[] = {"Authorization", "Content-Length", "Transfer-Encoding", "Expect", kForwarded};
  return std::any_of(std::begin(kNames), std::end(kNames), [&](auto one) { return server::same_name(name, one); });
}

bool has_body_by_its_method(const std::string& method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

// A body of which only its end is of interest.
struct PassingBody {
  struct value_type {};
  class reader {
   public:
    template <bool is_request, class Fields>
    reader(http::header<is_request, Fields>&, value_type&) {}
    void init(const boost::optional<std::uint64_t>&, boost::system::error_code& error) { error = {}; }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::system::error_code& error) {
      error = {};
      return boost::asio::buffer_size(buffers);
    }
    void finish(boost::system::error_code& error) { error = {}; }
  };
};

}  // namespace

Result<Destination> destination_of(std::string_view url) {
  const auto parsed = kube::parse_url(with_scheme(url));
  if (!parsed.ok()) {
    return Error(ErrorKind::invalid, "the runtime's streaming URL: " + parsed.error().to_string());
  }
  if (parsed->scheme != "http" && parsed->scheme != "https") {
    return Error(ErrorKind::invalid, "unknown scheme: " + parsed->scheme);
  }
  Destination out;
  out.tls = parsed->scheme == "https";
  out.host = parsed->host;
  out.port = parsed->port;
  if (out.port.empty()) out.port = out.tls ? "443" : "80";
  out.target = parsed->path.empty() ? "/" : parsed->path;
  if (!parsed->query.empty()) out.target += "?" + parsed->query;
  return out;
}

std::string upgrade_request(const server::Request& request, const Destination& to) {
  std::string out = request.method + " " + to.target + " HTTP/1.1\r\n";
  if (!request.header("host")) out += "Host: " + kube::join_host_port(to.host, to.port) + "\r\n";
  std::string forwarded;
  const auto append = [&forwarded](const std::string& address) {
    if (!forwarded.empty() && !address.empty()) forwarded += ", ";
    forwarded += address;
  };
  for (const auto& [name, value] : request.headers) {
    if (server::same_name(name, kForwarded)) append(value);
    if (!stays_here(name)) out += name + ": " + value + "\r\n";
  }
  append(request.remote);
  if (!forwarded.empty()) out += std::string(kForwarded) + ": " + forwarded + "\r\n";
  if (!request.body.empty() || has_body_by_its_method(request.method)) {
    out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  return out + "\r\n" + request.body;
}

struct BackendAnswer::State {
  http::response_parser<PassingBody> parser;
  std::string bytes;     // since the last take_bytes()
  std::string unparsed;  // the end of them that the parser has not taken
};

BackendAnswer::BackendAnswer() : state_(std::make_unique<State>()) {
  state_->parser.eager(true);
  state_->parser.header_limit(most_head);
  state_->parser.body_limit(boost::none);
}
BackendAnswer::~BackendAnswer() = default;
BackendAnswer::BackendAnswer(BackendAnswer&&) noexcept = default;
BackendAnswer& BackendAnswer::operator=(BackendAnswer&&) noexcept = default;

Status BackendAnswer::put(std::string_view bytes) {
  auto& parser = state_->parser;
  state_->bytes += bytes;
  if (parser.is_done()) return {};
  state_->unparsed += bytes;
  for (;;) {
    boost::system::error_code error;
    const std::size_t used = parser.put(boost::asio::buffer(state_->unparsed), error);
    state_->unparsed.erase(0, used);
    if (error == http::error::need_more) return {};
    if (error) return Error(ErrorKind::invalid, "malformed HTTP response: " + error.message());
    if (parser.is_done()) state_->unparsed.clear();
    if (parser.is_done() || used == 0 || state_->unparsed.empty()) return {};
  }
}

bool BackendAnswer::has_head() const { return state_->parser.is_header_done(); }
int BackendAnswer::status() const { return state_->parser.get().result_int(); }
bool BackendAnswer::is_whole() const { return state_->parser.is_done(); }
std::string BackendAnswer::take_bytes() { return std::exchange(state_->bytes, {}); }

}  // namespace keelson::streaming
