#include "agent/node_api/file_server.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include "agent/node_api/answers.hpp"
#include "agent/server/endpoints.hpp"

namespace keelson::node_api {
namespace {

constexpr std::int64_t kPiece = 128 * 1024;
constexpr std::size_t kSniffed = 512;
constexpr std::string_view kIndex = "/index.html";

server::Response failure(const Error& error) {
  if (error.kind() == ErrorKind::not_found) return server::error_text(404, "404 page not found");
  if (error.kind() == ErrorKind::permission_denied) return server::error_text(403, "403 Forbidden");
  return server::error_text(500, "500 Internal Server Error");
}

// Relative, since a path before ours may have been cut off on the way.
server::Response redirect(std::string where, const server::Request& request) {
  if (const std::size_t query = request.target.find('?'); query != std::string::npos) {
    where += request.target.substr(query);
  }
  server::Response response;
  response.status = 301;
  response.headers.emplace_back("Location", std::move(where));
  return response;
}

// The time at which Unix begins is none.
void add_last_modified(server::Response& response, base::SystemTime modified) {
  if (modified != base::SystemTime()) response.headers.emplace_back("Last-Modified", http_time(modified));
}

server::Response bare(int status, base::SystemTime modified) {
  server::Response response;
  response.status = status;
  add_last_modified(response, modified);
  return response;
}

std::string value_of(const server::Request& request, std::string_view name) {
  return std::string(request.header(name).value_or(""));
}

Conditions conditions_of(const server::Request& request) {
  Conditions conditions;
  conditions.if_match = value_of(request, "If-Match");
  conditions.if_none_match = value_of(request, "If-None-Match");
  conditions.if_modified_since = value_of(request, "If-Modified-Since");
  conditions.if_unmodified_since = value_of(request, "If-Unmodified-Since");
  conditions.if_range = value_of(request, "If-Range");
  conditions.range = value_of(request, "Range");
  return conditions;
}

// Long enough that no file has it by chance.
std::string make_boundary() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::random_device random;
  std::string boundary;
  while (boundary.size() < 60) boundary += kDigits[random() & 15];
  return boundary;
}

}  // namespace

base::Task<void> FileServer::serve(std::string path, const server::Request& request, server::Reply& reply) {
  if (!path.starts_with('/')) path.insert(path.begin(), '/');
  if (path.ends_with(kIndex)) {
    server::Response there = redirect("./", request);
    co_await answer(reply, std::move(there));
    co_return;
  }
  const std::string name = clean_path(path);
  auto opened = co_await files_.open(name);
  if (!opened.ok()) {
    server::Response failed = failure(opened.error());
    co_await answer(reply, std::move(failed));
    co_return;
  }
  NodeFile file = std::move(*opened);
  if (file.directory != path.ends_with('/')) {
    const std::string last = last_part(path);
    server::Response there = redirect(file.directory ? last + "/" : "../" + last, request);
    co_await answer(reply, std::move(there));
    co_return;
  }
  Conditions conditions = conditions_of(request);
  std::string shown = name;
  if (file.directory) {
    std::string index_path = name + std::string(kIndex);
    auto index = co_await files_.open(std::move(index_path));
    if (index.ok()) {
      file = std::move(*index);
      shown = kIndex;
    }
  }
  if (file.directory) {
    co_await send_directory(std::move(file), std::move(conditions), reply);
  } else {
    co_await send_file(std::move(file), std::move(shown), std::move(conditions), reply);
  }
}

base::Task<void> FileServer::send_directory(NodeFile directory, Conditions conditions, server::Reply& reply) {
  if (is_unchanged(conditions, directory.modified)) {
    server::Response unchanged = bare(304, base::SystemTime());
    co_await answer(reply, std::move(unchanged));
    co_return;
  }
  auto names = co_await files_.list(directory);
  server::Response response;
  if (names.ok()) {
    response = bare(200, directory.modified);
    response.headers.emplace_back("Content-Type", "text/html; charset=utf-8");
    response.body = directory_page(std::move(*names));
  } else {
    response = server::error_text(500, "Error reading directory");
  }
  co_await answer(reply, std::move(response));
}

base::Task<void> FileServer::send_file(NodeFile file, std::string name, Conditions conditions, server::Reply& reply) {
  const Verdict verdict = judge(conditions, file.modified);
  if (verdict != Verdict::send) {
    server::Response unsent = bare(verdict == Verdict::not_modified ? 304 : 412, file.modified);
    co_await answer(reply, std::move(unsent));
    co_return;
  }
  std::string beginning;
  if (!is_typed_by_name(name)) {
    auto read = co_await files_.read(file, 0, kSniffed);
    // What is not to be read here will not be below.
    if (read.ok()) beginning = std::move(*read);
  }
  const std::string_view asked = range_holds(conditions, file.modified) ? conditions.range : std::string_view();
  const auto ranges = parse_ranges(asked, file.size);
  if (!ranges.ok()) {
    server::Response refused = server::error_text(416, ranges.error().message());
    if (ranges.error().kind() == ErrorKind::not_found) {
      refused.headers.emplace_back("Content-Range", "bytes */" + std::to_string(file.size));
    }
    co_await answer(reply, std::move(refused));
    co_return;
  }
  Plan made = plan(file, content_type(name, beginning), *ranges);
  if (made.length <= kPiece) {
    co_await send_whole(std::move(file), std::move(made), reply);
  } else {
    co_await send_in_pieces(std::move(file), std::move(made), reply);
  }
}

FileServer::Plan FileServer::plan(const NodeFile& file, std::string type, std::vector<ByteRange> ranges) {
  Plan plan;
  plan.head = bare(ranges.empty() ? 200 : 206, file.modified);
  plan.head.headers.emplace_back("Accept-Ranges", "bytes");
  if (ranges.size() <= 1) {
    Stretch& whole = plan.stretches.emplace_back();
    whole.range.length = file.size;
    if (!ranges.empty()) {
      whole.range = ranges[0];
      plan.head.headers.emplace_back("Content-Range", ranges[0].content_range(file.size));
    }
    plan.head.headers.emplace_back("Content-Type", std::move(type));
    plan.length = whole.range.length;
    return plan;
  }
  const std::string boundary = make_boundary();
  for (const ByteRange& range : ranges) {
    Stretch& part = plan.stretches.emplace_back();
    part.text = (plan.stretches.size() == 1 ? "--" : "\r\n--") + boundary +
                "\r\nContent-Range: " + range.content_range(file.size) + "\r\nContent-Type: " + type + "\r\n\r\n";
    part.range = range;
    plan.length += static_cast<std::int64_t>(part.text.size()) + range.length;
  }
  plan.tail = "\r\n--" + boundary + "--\r\n";
  plan.length += static_cast<std::int64_t>(plan.tail.size());
  plan.head.headers.emplace_back("Content-Type", "multipart/byteranges; boundary=" + boundary);
  return plan;
}

base::Task<void> FileServer::send_whole(NodeFile file, Plan plan, server::Reply& reply) {
  server::Response response = std::move(plan.head);
  for (const Stretch& stretch : plan.stretches) {
    response.body += stretch.text;
    if (stretch.range.length == 0) continue;
    auto read = co_await files_.read(file, stretch.range.start, static_cast<std::size_t>(stretch.range.length));
    if (!read.ok()) {
      response = failure(read.error());
      break;
    }
    response.body += *read;
  }
  if (response.status < 300) response.body += plan.tail;
  co_await answer(reply, std::move(response));
}

base::Task<void> FileServer::send_in_pieces(NodeFile file, Plan plan, server::Reply& reply) {
  auto sent = co_await reply.begin(std::move(plan.head));
  if (!sent.ok()) co_return;
  for (Stretch& stretch : plan.stretches) {
    if (!stretch.text.empty()) {
      sent = co_await reply.write(std::move(stretch.text));
      if (!sent.ok()) co_return;
    }
    ByteRange left = stretch.range;
    while (left.length > 0) {
      auto read = co_await files_.read(file, left.start, static_cast<std::size_t>(std::min(left.length, kPiece)));
      // Begun and not ended: the client sees that it has not got all.
      if (!read.ok() || read->empty()) co_return;
      left.start += static_cast<std::int64_t>(read->size());
      left.length -= static_cast<std::int64_t>(read->size());
      sent = co_await reply.write(std::move(*read));
      if (!sent.ok()) co_return;
    }
  }
  if (!plan.tail.empty()) {
    sent = co_await reply.write(std::move(plan.tail));
    if (!sent.ok()) co_return;
  }
  (void)co_await reply.finish();
}

}  // namespace keelson::node_api
