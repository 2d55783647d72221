#include "agent/stats/page_handler.hpp"

#include "agent/metrics/handler.hpp"
#include "agent/server/gzip.hpp"
#include "agent/stats/cadvisor_metrics.hpp"
#include "agent/stats/resource_metrics.hpp"

namespace keelson::stats {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kWriteLimit = 30s;

struct Writing {
  SnapshotPtr snapshot;  // null: there is none
  PageHandler::EachPart each_part;
  metrics::Format format;
  base::SystemTime process_started;
};

std::string part_text(const metrics::Page& part, const metrics::Format& format) {
  return format.protobuf ? metrics::delimited_protobuf(part) : metrics::text(part);
}

server::Response plain_page(const Writing& order) {
  std::string body;
  order.each_part(order.snapshot.get(), [&](const metrics::Page& part) { body += part_text(part, order.format); });
  return metrics::response_of(std::move(body), order.format, order.process_started);
}

// Compressed piece by piece: a page of some megabytes becomes a twentieth of that.
server::Response compressed_page(const Writing& order) {
  server::Gzip gzip;
  std::string body;
  order.each_part(order.snapshot.get(),
                  [&](const metrics::Page& part) { body += gzip.add(part_text(part, order.format)); });
  body += gzip.end();
  metrics::Format compressed_already = order.format;
  compressed_already.gzip = false;
  server::Response response = metrics::response_of(std::move(body), compressed_already, order.process_started);
  response.headers.emplace_back("Content-Encoding", "gzip");
  return response;
}

std::function<Result<server::Response>()> writing(Writing order) {
  return [order = std::move(order)]() -> Result<server::Response> {
    return order.format.gzip ? compressed_page(order) : plain_page(order);
  };
}

void each_resource_part(const Snapshot* snapshot, const PageHandler::See& see) {
  metrics::Page page;
  std::optional<Summary> summary;
  if (snapshot != nullptr) summary = make_summary(*snapshot, true);
  add_resource_metrics(page, summary);
  see(page);
}

}  // namespace

PageHandler::PageHandler(Sampler& sampler, Depth depth, EachPart each_part, base::SystemTime process_started)
    : sampler_(sampler), depth_(depth), each_part_(std::move(each_part)), process_started_(process_started) {}

base::Task<void> PageHandler::handle(const server::Request& request, server::Reply& reply) {
  std::string accept(request.header("Accept").value_or(""));
  std::string accept_encoding(request.header("Accept-Encoding").value_or(""));
  server::Response response = co_await answer(std::move(accept), std::move(accept_encoding));
  // Whether it arrived is nobody's business here.
  (void)co_await reply.send(std::move(response));
}

base::Task<server::Response> PageHandler::answer(std::string accept, std::string accept_encoding) {
  Writing order;
  auto snapshot = co_await sampler_.take(depth_);
  if (snapshot.ok()) {
    order.snapshot = std::move(*snapshot);
  } else {
    sampler_.log().error("Metrics of containers cannot be collected", {{"err", snapshot.error()}});
  }
  order.each_part = each_part_;
  order.format = metrics::negotiate(accept, accept_encoding);
  order.process_started = process_started_;
  auto write = writing(std::move(order));
  auto response = co_await sampler_.pool().run<server::Response>("writing metrics", kWriteLimit, std::move(write));
  if (response.ok()) co_return std::move(*response);
  sampler_.log().error("Metrics of containers cannot be written", {{"err", response.error()}});
  co_return server::plain_text(500, response.error().to_string() + "\n");
}

PageHandler resource_handler(Sampler& sampler, base::SystemTime process_started) {
  return PageHandler(sampler, Depth::resources, each_resource_part, process_started);
}

PageHandler cadvisor_handler(Sampler& sampler, MachineFacts machine, base::SystemTime process_started) {
  const auto each_part = [machine = std::move(machine)](const Snapshot* snapshot, const PageHandler::See& see) {
    each_cadvisor_page(snapshot, machine, see);
  };
  return PageHandler(sampler, Depth::containers, each_part, process_started);
}

}  // namespace keelson::stats
