#include "kube-client/dialer.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <cstring>
#include <utility>

#include "base/gate.hpp"

namespace keelson::kube {
namespace {

namespace asio = base::asio;

constexpr std::size_t connect_answer_limit = 16 * 1024;
constexpr base::Duration dead_after = std::chrono::seconds(8);  // TCP's own judgement of a silent peer

// Runs on the blocking pool.
Result<Addresses> look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (code != 0) return Error(ErrorKind::unavailable, "cannot resolve " + host + ": " + gai_strerror(code), code);
  Addresses addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family == AF_INET) {
      const auto* in = reinterpret_cast<const sockaddr_in*>(entry->ai_addr);
      addresses.push_back(asio::ip::address_v4(ntohl(in->sin_addr.s_addr)));
    } else if (entry->ai_family == AF_INET6) {
      const auto* in = reinterpret_cast<const sockaddr_in6*>(entry->ai_addr);
      asio::ip::address_v6::bytes_type bytes;
      std::memcpy(bytes.data(), &in->sin6_addr, bytes.size());
      addresses.push_back(asio::ip::address_v6(bytes, in->sin6_scope_id));
    }
  }
  freeaddrinfo(list);
  if (addresses.empty()) return Error(ErrorKind::unavailable, "cannot resolve " + host + ": it has no address");
  return addresses;
}

std::function<Result<Addresses>()> look_up_later(std::string host) {
  return [host = std::move(host)] { return look_up(host); };
}

std::string text_of(base::Duration limit) {
  const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  return count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
}

}  // namespace

std::string host_and_port(const std::string& host, const std::string& port) {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
}

Dialer::Dialer(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, const Endpoint& endpoint,
               Credentials& credentials, std::string user_agent, const HttpTransportOptions& options, base::Logger log)
    : loop_(loop),
      clock_(clock),
      pool_(pool),
      endpoint_(endpoint),
      credentials_(credentials),
      user_agent_(std::move(user_agent)),
      options_(options),
      log_(std::move(log)) {
  if (endpoint_.proxy_url.empty()) return;
  auto proxy = parse_proxy(endpoint_.proxy_url);
  if (proxy.ok()) {
    proxy_ = std::move(*proxy);
  } else {
    problem_ = proxy.error().to_string();
  }
}

base::Task<Result<Dialed>> Dialer::dial() {
  if (!problem_.empty()) co_return Error(ErrorKind::invalid, problem_);
  auto outcome = co_await base::with_timeout<Result<Dialed>>(clock_, options_.dial_limit, dial_all());
  if (!outcome) {
    ++first_;
    co_return Error(ErrorKind::unavailable, "no connection to " + host_and_port(endpoint_.host, endpoint_.port) +
                                                " within " + text_of(options_.dial_limit));
  }
  co_return std::move(*outcome);
}

base::Task<Result<Dialed>> Dialer::dial_all() {
  const std::string server = host_and_port(endpoint_.host, endpoint_.port);
  std::string peer;
  Dialed done;
  if (proxy_) {
    auto connected = co_await connect(proxy_->host, proxy_->port, &peer);
    if (!connected.ok()) co_return std::move(connected).error().wrap("proxy");
    if (proxy_->tls) {
      TlsSettings settings;  // as client-go does: what the endpoint trusts, but not our identity
      settings.ca_pem = endpoint_.ca_pem;
      settings.insecure = endpoint_.insecure;
      auto context = make_tls_context(settings);
      if (!context.ok()) co_return std::move(context).error();
      auto secured = co_await secure(std::move(*connected), *context, proxy_->host, peer);
      if (!secured.ok()) co_return std::move(secured).error().wrap("proxy");
      connected = std::move(secured);
    }
    done.channel = std::move(*connected);
    if (endpoint_.tls) {
      auto through = co_await tunnel(done.channel.get());
      if (!through.ok()) co_return std::move(through).error().wrap("proxy " + peer);
      peer = server + " (by proxy " + peer + ")";
    }
  } else {
    auto connected = co_await connect(endpoint_.host, endpoint_.port, &peer);
    if (!connected.ok()) co_return std::move(connected).error();
    done.channel = std::move(*connected);
  }
  if (endpoint_.tls) {
    auto context = context_for_server();
    if (!context.ok()) co_return std::move(context).error();
    const std::string name = endpoint_.server_name.empty() ? endpoint_.host : endpoint_.server_name;
    auto secured = co_await secure(std::move(done.channel), *context, name, peer);
    if (!secured.ok()) co_return std::move(secured).error();
    done.channel = std::move(*secured);
    done.http2 = done.channel->protocol() == "h2";
  }
  log_.debug(2, "Connected to the API server", {{"server", peer}, {"http2", done.http2}});
  co_return done;
}

base::Task<Result<Addresses>> Dialer::resolve(std::string host) {
  boost::system::error_code not_an_address;
  const auto address = asio::ip::make_address(host, not_an_address);
  if (!not_an_address) co_return Addresses{address};
  if (options_.resolve) {
    auto found = co_await options_.resolve(std::move(host));
    co_return found;
  }
  std::function<Result<Addresses>()> work = look_up_later(host);
  auto found = co_await pool_.run<Addresses>("resolve " + host, options_.dial_limit, std::move(work));
  co_return found;
}

base::Task<Result<std::unique_ptr<Channel>>> Dialer::connect(std::string host, std::string port, std::string* peer) {
  auto addresses = co_await resolve(host);
  if (!addresses.ok()) co_return std::move(addresses).error();
  const std::size_t count = addresses->size();
  if (count == 0) co_return Error(ErrorKind::unavailable, "cannot resolve " + host + ": it has no address");
  const base::Duration limit = count == 1 ? options_.dial_limit : options_.address_limit;
  const std::string name = host_and_port(host, port);
  std::string reasons;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& address = (*addresses)[first_ % count];
    const asio::ip::tcp::endpoint to(address, static_cast<std::uint16_t>(std::atoi(port.c_str())));
    const std::string shown = host_and_port(address.to_string(), port);
    auto connected = co_await base::with_timeout<Result<std::unique_ptr<Channel>>>(clock_, limit,
                                                                                   connect_tcp(loop_, to, dead_after));
    if (connected && connected->ok()) {
      *peer = shown == name ? name : name + " (" + shown + ")";
      co_return std::move(*connected);
    }
    const std::string why = connected ? connected->error().message() : "no answer within " + text_of(limit);
    reasons += (reasons.empty() ? "" : "; ") + shown + ": " + why;
    ++first_;
  }
  co_return Error(ErrorKind::unavailable, "cannot connect to " + (count == 1 ? reasons : name + ": " + reasons));
}

base::Task<Result<std::unique_ptr<Channel>>> Dialer::secure(std::unique_ptr<Channel> below, TlsContext context,
                                                            std::string name, std::string what) {
  auto secured = co_await base::with_timeout<Result<std::unique_ptr<Channel>>>(
      clock_, options_.tls_limit, start_tls(std::move(below), std::move(context), std::move(name), what));
  if (secured && secured->ok()) co_return std::move(*secured);
  ++first_;
  if (secured) co_return std::move(*secured).error();
  co_return Error(ErrorKind::unavailable,
                  "TLS handshake with " + what + ": no answer within " + text_of(options_.tls_limit));
}

base::Task<Status> Dialer::tunnel(Channel* channel) {
  const std::string authority = host_and_port(endpoint_.host, endpoint_.port);
  const std::string request = connect_request(*proxy_, authority, user_agent_);
  boost::system::error_code error;
  co_await channel->write(request.data(), request.size(), error);
  std::string head;
  // One byte at a time: what follows the head is not ours to read.
  while (!error && head.size() < connect_answer_limit && !head.ends_with("\r\n\r\n")) {
    char byte = 0;
    const std::size_t size = co_await channel->read_some(&byte, 1, error);
    head.append(&byte, size);
  }
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  if (error) co_return Error(ErrorKind::unavailable, "CONNECT " + authority + ": " + describe(error));
  if (!head.ends_with("\r\n\r\n")) co_return Error(ErrorKind::unavailable, "its answer to CONNECT has no end");
  co_return check_connect_answer(head, authority);
}

Result<TlsContext> Dialer::context_for_server() {
  auto identity = credentials_.identity();
  if (context_ != nullptr && identity == context_identity_) return context_;
  TlsSettings settings;
  settings.ca_pem = endpoint_.ca_pem;
  settings.insecure = endpoint_.insecure;
  settings.identity = identity;
  settings.protocols = {"http/1.1"};
  if (options_.http2) settings.protocols.insert(settings.protocols.begin(), "h2");
  auto context = make_tls_context(settings);
  if (!context.ok()) return std::move(context).error().wrap(host_and_port(endpoint_.host, endpoint_.port));
  context_ = std::move(*context);
  context_identity_ = std::move(identity);
  return context_;
}

}  // namespace keelson::kube
