#include "agent/metrics/handler.hpp"

#define ZLIB_CONST
#include <zlib.h>

#include <exception>

#include "base/result.hpp"

namespace keelson::metrics {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib: the largest window, gzip framing
constexpr int kMemoryLevel = 8;       // zlib's default

std::string content_type(const Format& format) {
  const char* type =
      format.protobuf ? "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
                      : "text/plain; version=0.0.4; charset=utf-8";
  return std::string(type) + "; escaping=" + format.escaping;
}

server::Response reset_answer() {
  server::Response response = server::plain_text(200, "metrics reset\n");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  return response;
}

}  // namespace

std::string gzip(std::string_view text) {
  z_stream stream{};
  KEELSON_CHECK(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kMemoryLevel, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int end = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  KEELSON_CHECK(end == Z_STREAM_END);
  return out;
}

server::Response response_of(std::string body, const Format& format, base::SystemTime process_started) {
  server::Response response;
  response.headers.emplace_back("Content-Type", content_type(format));
  const auto started = std::chrono::duration_cast<std::chrono::seconds>(process_started.time_since_epoch());
  response.headers.emplace_back("Process-Start-Time-Unix", std::to_string(started.count()));
  response.body = std::move(body);
  if (format.gzip) {
    response.headers.emplace_back("Content-Encoding", "gzip");
    response.body = gzip(response.body);
  }
  return response;
}

Page MetricsHandler::page() const {
  Page page;
  for (const auto& [name, collect] : collectors_) {
    try {
      collect(page);
    } catch (const std::exception& e) {
      log_.warning("Some metrics cannot be collected", {{"collector", name}, {"err", std::string(e.what())}});
    }
  }
  return page;
}

server::Response MetricsHandler::answer(const server::Request& request) const {
  const Format format =
      negotiate(request.header("Accept").value_or(""), request.header("Accept-Encoding").value_or(""));
  const Page collected = page();
  return response_of(format.protobuf ? delimited_protobuf(collected) : text(collected), format, process_started_);
}

base::Task<void> MetricsHandler::handle(const server::Request& request, server::Reply& reply) {
  server::Response response;
  if (request.method == "DELETE" && reset_) {
    reset_();
    response = reset_answer();
  } else {
    response = answer(request);
  }
  // Whether it arrived is nobody's business here.
  (void)co_await reply.send(std::move(response));
}

}  // namespace keelson::metrics
