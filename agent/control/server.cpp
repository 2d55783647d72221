#include "agent/control/server.hpp"

#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/system/system_error.hpp>
#include <utility>
#include <vector>

#include "agent/control/socket.hpp"
#include "agent/control/views_json.hpp"

namespace keelson::agent {
namespace {

namespace asio = base::asio;
namespace http = boost::beast::http;
using Socket = asio::local::stream_protocol::socket;
using Acceptor = asio::local::stream_protocol::acceptor;

constexpr std::uint32_t request_limit = 8 * 1024;

ControlAnswer error_answer(int status, const std::string& message) { return {status, error_to_json(status, message)}; }

std::vector<std::string> split_path(const std::string& target) {
  const std::string path = target.substr(0, target.find('?'));
  std::vector<std::string> parts;
  for (std::size_t at = 1; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

}  // namespace

ControlAnswer control_answer(const std::string& method, const std::string& target, ControlSource& source) {
  if (method != "GET") return error_answer(405, "only GET is served here, not " + method);
  const auto parts = split_path(target);
  if (parts == std::vector<std::string>{"v1", "pods"}) return {200, pods_to_json(source.pods())};
  if (parts == std::vector<std::string>{"v1", "version"}) return {200, info_to_json(source.info())};
  if (parts == std::vector<std::string>{"v1", "doctor"}) {
    return {200, doctor_to_json({source.info(), source.manifest_problems()})};
  }
  if (parts.size() == 4 && parts[0] == "v1" && parts[1] == "pods") {
    const auto story = source.explain(parts[2], parts[3]);
    if (story) return {200, story_to_json(*story)};
    return error_answer(404, "this node's agent knows no pod " + parts[2] + "/" + parts[3]);
  }
  return error_answer(404, "there is nothing at " + target.substr(0, 200));
}

// One of the connections we allow; a task that never starts gives it back too.
class Seat {
 public:
  explicit Seat(std::size_t& taken) : taken_(&taken) { ++taken; }
  Seat(Seat&& other) noexcept : taken_(std::exchange(other.taken_, nullptr)) {}
  ~Seat() {
    if (taken_) --*taken_;
  }

 private:
  std::size_t* taken_;
};

struct ControlServer::State {
  State(base::Loop& l, base::Clock& c, base::Logger g, ControlSource& s)
      : loop(l), clock(c), log(std::move(g)), source(s), gate(l), acceptor(l.context()) {}

  base::Task<void> accept_all();
  base::Task<void> connection(Socket socket, Seat seat);
  base::Task<bool> exchange(Socket& socket);

  base::Loop& loop;
  base::Clock& clock;
  base::Logger log;
  ControlSource& source;
  ControlOptions options;
  base::Gate gate;
  Acceptor acceptor;
  base::UniqueFd lock;
  std::size_t open = 0;
  bool running = false;
};

base::Task<void> ControlServer::State::accept_all() {
  while (true) {
    boost::system::error_code error;
    Socket socket(loop.context());
    co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      // Out of file descriptors: others will be closed; trying again at once would only spin.
      log.warning("Cannot accept on the control socket", {{"error", error.message()}});
      co_await clock.sleep_for(std::chrono::milliseconds(200));
      continue;
    }
    if (open >= options.max_connections) continue;  // closes it
    if (!peer_allowed(socket.native_handle())) {
      log.warning("Refused a control connection of another user");
      continue;
    }
    base::spawn(gate, "control connection", connection(std::move(socket), Seat(open)));
  }
}

base::Task<void> ControlServer::State::connection(Socket socket, [[maybe_unused]] Seat seat) {
  try {
    co_await base::with_timeout<bool>(clock, options.limit, exchange(socket));
  } catch (const boost::system::system_error& e) {
    if (e.code() == asio::error::operation_aborted) throw;
    log.debug(4, "A control connection ended", {{"error", e.code().message()}});
  }
}

base::Task<bool> ControlServer::State::exchange(Socket& socket) {
  boost::beast::flat_buffer buffer(request_limit);
  http::request_parser<http::empty_body> parser;
  parser.header_limit(request_limit);
  boost::system::error_code error;
  co_await http::async_read_header(socket, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  if (error == http::error::end_of_stream) co_return false;

  ControlAnswer answer;
  if (error) {
    answer = error_answer(400, "not an HTTP request: " + error.message());
  } else {
    const auto& request = parser.get();
    answer = control_answer(std::string(request.method_string()), std::string(request.target()), source);
  }
  http::response<http::string_body> response(static_cast<http::status>(answer.status), 11);
  response.set(http::field::content_type, "application/json");
  if (answer.status == 405) response.set(http::field::allow, "GET");
  response.keep_alive(false);
  response.body() = std::move(answer.body);
  response.prepare_payload();
  co_await http::async_write(socket, response, asio::use_awaitable);
  co_return true;
}

ControlServer::ControlServer(base::Loop& loop, base::Clock& clock, base::Logger log, ControlSource& source)
    : state_(std::make_unique<State>(loop, clock, std::move(log), source)) {}

ControlServer::~ControlServer() = default;

Status ControlServer::start(ControlOptions options) {
  KEELSON_ASSERT_ON_LOOP(state_->loop);
  KEELSON_CHECK(!state_->running && "the control server runs already");
  auto control = open_control_socket(options.path);
  if (!control.ok()) return std::move(control).error();
  boost::system::error_code error;
  state_->acceptor.assign(asio::local::stream_protocol(), control->listener.get(), error);
  if (error) return Error(ErrorKind::internal, "control socket " + options.path + ": " + error.message());
  control->listener.release();
  state_->lock = std::move(control->lock);
  state_->options = std::move(options);
  state_->running = true;
  base::spawn(state_->gate, "control socket", state_->accept_all());
  return {};
}

base::Task<void> ControlServer::stop() {
  co_await state_->gate.stop();
  if (!state_->running) co_return;
  state_->running = false;
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  unlink(state_->options.path.c_str());
  state_->lock.reset();
}

std::size_t ControlServer::connections() const { return state_->open; }

}  // namespace keelson::agent
