#include "tests/support/api/tests/server_world.hpp"

#include <sys/wait.h>

#include <fstream>

#include "base/gate.hpp"

namespace keelson::fakes::testing {

class EndlessStream final : public ApiStream {
 public:
  explicit EndlessStream(TestBackend& backend) : backend_(backend) {}
  base::Task<Result<std::string>> next() override {
    std::string piece(16 * 1024, 'e');
    backend_.produced += piece.size();
    co_return piece;
  }

 private:
  TestBackend& backend_;
};

class WatchStream final : public ApiStream {
 public:
  WatchStream(TestBackend& backend, base::Loop& loop) : backend_(backend), mailbox_(loop) {
    backend_.listeners_.push_back(&mailbox_);
    ++backend_.watches;
  }
  ~WatchStream() override {
    backend_.listeners_.remove(&mailbox_);
    --backend_.watches;
  }
  base::Task<Result<std::string>> next() override {
    std::string piece = co_await mailbox_.receive();
    co_return piece;
  }

 private:
  TestBackend& backend_;
  base::Mailbox<std::string> mailbox_;
};

namespace {

std::size_t number_in(const std::string& target) { return std::stoul(target.substr(target.rfind('/') + 1)); }

struct Waiting {
  std::atomic<std::size_t>& count;
  ~Waiting() { --count; }
};

}  // namespace

base::Task<ApiAnswer> TestBackend::handle(ApiRequest request) {
  ApiAnswer answer;
  answer.headers.emplace_back("content-type", "text/plain");
  const std::string& target = request.target;
  if (target.rfind("/echo", 0) == 0) {
    answer.body = request.method + " " + request.user.name;
    for (const auto& group : request.user.groups) answer.body += " " + group;
    answer.body += " [" + request.body + "]";
  } else if (target.rfind("/big/", 0) == 0) {
    answer.body = std::string(number_in(target), 'b');
  } else if (target == "/endless") {
    answer.stream = std::make_unique<EndlessStream>(*this);
  } else if (target == "/watch") {
    answer.stream = std::make_unique<WatchStream>(*this, loop_);
  } else if (target.rfind("/wait", 0) == 0) {
    ++waiting;
    const Waiting counted{waiting};
    while (!out_) co_await released_.wait();
    answer.body = "late";
  } else if (target == "/reset") {
    answer.reset = true;
  } else if (target.rfind("/cut/", 0) == 0) {
    answer.body = std::string(1000, 'x');
    answer.cut_after = number_in(target);
  } else {
    answer.status = 404;
  }
  co_return answer;
}

std::optional<ApiUser> TestBackend::user_of_token(const std::string& token) const {
  if (token != "secret") return std::nullopt;
  return ApiUser{"token-user", {"token-group"}};
}

void TestBackend::say(const std::string& text) {
  for (auto* listener : listeners_) listener->send(text);
}

void TestBackend::hang_up() { say(""); }

void TestBackend::release() {
  out_ = true;
  released_.notify();
}

Curl::Curl(const std::string& command) : pipe_(popen(command.c_str(), "r")) {}
Curl::~Curl() {
  if (pipe_ != nullptr) pclose(pipe_);
}

std::string Curl::read(std::size_t size) {
  std::string out(size, '\0');
  out.resize(std::fread(out.data(), 1, size, pipe_));
  return out;
}

CurlAnswer Curl::finish() {
  CurlAnswer answer;
  for (std::string piece = read(65536); !piece.empty(); piece = read(65536)) answer.out += piece;
  const int status = pclose(std::exchange(pipe_, nullptr));
  answer.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return answer;
}

ServerWorld::ServerWorld(FakeApiServerOptions options) {
  std::string pattern = "/tmp/keelson-server-test.XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) std::abort();
  directory_ = pattern;
  file("ca.crt", ca_.certificate_pem());
  backend_ = std::make_unique<TestBackend>(loop_);
  server_ = std::make_unique<FakeApiServer>(loop_, *backend_, ca_, std::move(options));
  gate_ = std::make_unique<base::Gate>(loop_);
  thread_ = std::thread([this] { loop_.run(); });
  const bool started = at([this] { return server_->start().ok(); });
  EXPECT_TRUE(started);
}

namespace {

base::Task<void> stop_and_tell(FakeApiServer* server, std::promise<void>* told) {
  co_await server->stop();
  told->set_value();
}

}  // namespace

ServerWorld::~ServerWorld() {
  std::promise<void> told;
  at([this, &told] {
    server_->blackhole(false);
    base::spawn(*gate_, "stop", stop_and_tell(server_.get(), &told));
  });
  told.get_future().get();
  loop_.stop();
  thread_.join();
  loop_.poll();
  std::filesystem::remove_all(directory_);
}

bool ServerWorld::eventually(const std::function<bool()>& so) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < limit) {
    if (at(so)) return true;
    std::this_thread::yield();
  }
  return false;
}

std::string ServerWorld::command(const std::string& arguments) const {
  return "URL=" + server_->url() + "; exec curl --silent --show-error --max-time 30 --cacert " + directory_ +
         "/ca.crt " + arguments + " 2>&1";
}

std::string ServerWorld::file(const std::string& name, const std::string& content) const {
  const std::string path = directory_ + "/" + name;
  std::ofstream(path) << content;
  return path;
}

std::string ServerWorld::certificate(const FakeCa& ca, const CertificateWish& wish) const {
  const auto identity = ca.issue(wish);
  return "--cert " + file("client.crt", identity.certificate_pem) + " --key " + file("client.key", identity.key_pem);
}

}  // namespace keelson::fakes::testing
