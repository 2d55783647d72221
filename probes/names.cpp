#include "probes/names.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <cstring>
#include <utility>

namespace keelson::probes {
namespace {

namespace asio = base::asio;

constexpr std::size_t kAtATime = 2;
constexpr base::Duration kLongest = std::chrono::seconds(30);  // the resolver itself gives up about then

Result<Addresses> ask_system(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (code == EAI_NONAME || code == EAI_NODATA) return Error(ErrorKind::not_found, "no such host", code);
  if (code != 0) return Error(ErrorKind::unavailable, ::gai_strerror(code), code);
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
  ::freeaddrinfo(list);
  if (addresses.empty()) return Error(ErrorKind::not_found, "no such host");
  return addresses;
}

std::function<Result<Addresses>()> look_up_later(LookUp look_up, std::string host) {
  return [look_up = std::move(look_up), host = std::move(host)] { return look_up(host); };
}

}  // namespace

Names::Names(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, LookUp look_up)
    : loop_(loop),
      clock_(clock),
      pool_(pool),
      look_up_(look_up ? std::move(look_up) : LookUp(ask_system)),
      turns_(loop, kAtATime),
      gate_(loop) {}

base::Task<Result<Addresses>> Names::resolve(std::string host, base::Duration limit) {
  boost::system::error_code not_an_address;
  const auto address = asio::ip::make_address(host, not_an_address);
  if (!not_an_address) co_return Addresses{address};
  auto& place = open_[host];
  if (place == nullptr) {
    place = std::make_shared<Question>(loop_);
    base::spawn(gate_, "look up " + host, ask(host, place));
  }
  const std::shared_ptr<Question> question = place;
  if (!question->answer) co_await question->answered.wait_for(clock_, limit);
  if (!question->answer) co_return Error(ErrorKind::deadline_exceeded, "lookup " + host + ": i/o timeout");
  if (question->answer->ok()) co_return question->answer->value();
  co_return Error(question->answer->error().kind(), "lookup " + host + ": " + question->answer->error().message());
}

base::Task<void> Names::ask(std::string host, std::shared_ptr<Question> question) {
  {
    const auto turn = co_await turns_.acquire();
    std::function<Result<Addresses>()> work = look_up_later(look_up_, host);
    question->answer = co_await pool_.run<Addresses>("look up " + host, kLongest, std::move(work));
  }
  open_.erase(host);
  question->answered.notify();
}

}  // namespace keelson::probes
