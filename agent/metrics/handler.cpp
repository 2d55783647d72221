#include "agent/metrics/handler.hpp"

#include <exception>

#include "agent/server/gzip.hpp"

namespace keelson::metrics {
namespace {

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

server::Response response_of(std::string body, const Format& format, base::SystemTime process_started) {
  server::Response response;
  response.headers.emplace_back("Content-Type", content_type(format));
  const auto started = std::chrono::duration_cast<std::chrono::seconds>(process_started.time_since_epoch());
  response.headers.emplace_back("Process-Start-Time-Unix", std::to_string(started.count()));
  response.body = std::move(body);
  if (format.gzip) {
    response.headers.emplace_back("Content-Encoding", "gzip");
    response.body = server::gzip(response.body);
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
    if (prepare_) co_await prepare_();
    response = answer(request);
  }
  // Whether it arrived is nobody's business here.
  (void)co_await reply.send(std::move(response));
}

}  // namespace keelson::metrics
