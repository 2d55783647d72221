#include "agent/streaming/handlers.hpp"

#include "agent/streaming/tests/peers.hpp"
#include "base/tests/tasks.hpp"
#include "tests/support/fake_cri.hpp"

namespace keelson::streaming::testing {
namespace {

std::shared_ptr<api::Pod> make_pod() {
  auto pod = std::make_shared<api::Pod>();
  pod->mutable_metadata()->set_name("web");
  pod->mutable_metadata()->set_namespace_("default");
  pod->mutable_metadata()->set_uid("uid-1");
  pod->mutable_spec()->add_containers()->set_name("main");
  auto* terminal = pod->mutable_spec()->add_containers();
  terminal->set_name("terminal");
  terminal->set_tty(true);
  pod->mutable_spec()->add_initcontainers()->set_name("setup");
  auto* debug = pod->mutable_spec()->add_ephemeralcontainers()->mutable_ephemeralcontainercommon();
  debug->set_name("debug");
  debug->set_tty(true);
  return pod;
}

class FakeSource final : public StreamSource {
 public:
  api::PodPtr find_pod(const std::string& ns, const std::string& name) override {
    return ns == "default" && name == "web" ? pod : nullptr;
  }
  base::Task<Result<std::optional<std::string>>> running_container(api::PodPtr of, std::string container) override {
    EXPECT_EQ(of, pod);
    if (error) co_return *error;
    if (container == "dead") co_return std::optional<std::string>();
    co_return std::optional<std::string>(id.empty() ? "id-of-" + container : id);
  }
  base::Task<Result<std::optional<std::string>>> ready_sandbox(api::PodPtr of) override {
    EXPECT_EQ(of, pod);
    if (error) co_return *error;
    co_return sandbox;
  }

  api::PodPtr pod = make_pod();
  std::optional<Error> error;
  std::optional<std::string> sandbox = "sandbox-1";
  std::string id;  // of every container that runs; empty: made of its name
};

class FakeStreaming final : public cri::StreamingService {
 public:
  base::Task<Result<std::string>> exec(std::string id, std::vector<std::string> command,
                                       cri::Streams streams) override {
    std::string call = "exec " + id + shown(streams);
    for (const auto& word : command) call += " [" + word + "]";
    calls.push_back(call);
    co_return answer;
  }
  base::Task<Result<std::string>> attach(std::string id, cri::Streams streams) override {
    calls.push_back("attach " + id + shown(streams));
    co_return answer;
  }
  base::Task<Result<std::string>> port_forward(std::string sandbox, std::vector<std::int32_t> ports) override {
    std::string call = "port_forward " + sandbox;
    for (const auto port : ports) call += " " + std::to_string(port);
    calls.push_back(call);
    co_return answer;
  }
  base::Task<Status> checkpoint_container(std::string, std::string, std::chrono::seconds) override {
    co_return Error(ErrorKind::unimplemented, "checkpoint");
  }

  static std::string shown(const cri::Streams& streams) {
    std::string out = " ";
    if (streams.in) out += 'i';
    if (streams.out) out += 'o';
    if (streams.err) out += 'e';
    if (streams.tty) out += 't';
    return out;
  }

  Result<std::string> answer = Error(ErrorKind::internal, "no answer was set");
  std::vector<std::string> calls;
};

server::Fields parse_query(const std::string& text) {
  server::Fields out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('&', at), text.size());
    const std::size_t equals = text.find('=', at);
    out.emplace_back(text.substr(at, equals - at), text.substr(equals + 1, end - equals - 1));
    at = end + 1;
  }
  return out;
}

// "STATUS BODY"
std::string shown(const std::optional<server::Response>& answer) {
  return answer ? std::to_string(answer->status) + " " + answer->body : "none";
}

class HandlersTest : public StreamTest {
 protected:
  std::string ask(server::Handler& handler, const std::string& target) {
    request.path = target.substr(0, target.find('?'));
    request.query =
        target.find('?') == std::string::npos ? server::Fields() : parse_query(target.substr(target.find('?') + 1));
    FakeReply& reply = new_reply();
    base::spawn(handlers, "handler", handler.handle(request, reply));
    EXPECT_TRUE(until([&] { return handlers.tasks() == 0; }));
    last = reply.answer;
    return shown(reply.answer);
  }

  FakeSource source;
  FakeStreaming streaming;
  base::CountsBy<1> websockets;
  StreamingParts parts{source, streaming, proxy, websockets};
  ExecHandler exec{parts};
  AttachHandler attach{parts};
  PortForwardHandler port_forward{parts};
  std::optional<server::Response> last;
};

struct Row {
  const char* target;
  const char* answer;  // "STATUS BODY" that no call to the runtime came before
  const char* call;    // or the call that did
};

TEST_F(HandlersTest, ExecChecksInTheKubeletsOrder) {
  const Row rows[] = {
      {"/exec/default/web", "404 404: Page Not Found", ""},
      {"/exec/default/nope/main", "400 you must specify at least 1 of stdin, stdout, stderr", ""},
      {"/exec/default/nope/main?output=1", "404 pod does not exist", ""},
      {"/exec/default/web/dead?output=1", "500 container not found (\"dead\")", ""},
      {"/exec/default/web/main?output=1&command=ls&command=-l", "", "exec id-of-main o [ls] [-l]"},
      {"/exec/default/web/other-uid/main?output=1&error=1&command=ls", "", "exec id-of-main oe [ls]"},
      {"/exec/default/web/main?input=1&output=1&error=1&tty=1&command=sh", "", "exec id-of-main iot [sh]"},
      {"/exec/default/web/main?output=1", "", "exec id-of-main o"},
  };
  for (const auto& row : rows) {
    streaming.calls.clear();
    const auto answer = ask(exec, row.target);
    if (*row.answer != '\0') {
      EXPECT_EQ(answer, row.answer) << row.target;
    }
    EXPECT_EQ(streaming.calls.empty() ? "" : streaming.calls.at(0), row.call) << row.target;
  }
}

TEST_F(HandlersTest, AttachTakesTheTerminalFromTheSpec) {
  const Row rows[] = {
      {"/attach/default/web/main", "400 you must specify at least 1 of stdin, stdout, stderr", ""},
      {"/attach/default/nope/main?output=1", "404 pod does not exist", ""},
      {"/attach/default/web/dead?output=1", "500 container dead not found in pod web_default", ""},
      {"/attach/default/web/dead-uid/dead?output=1", "500 container dead not found in pod web_default", ""},
      {"/attach/default/web/other-uid/main?output=1", "500 pod web_default not found", ""},
      {"/attach/default/web/unheard-of?output=1", "500 container unheard-of not found in pod web_default", ""},
      {"/attach/default/web/uid-1/main?output=1&error=1", "", "attach id-of-main oe"},
      {"/attach/default/web/main?output=1&error=1&tty=1", "", "attach id-of-main o"},
      {"/attach/default/web/terminal?output=1&error=1", "", "attach id-of-terminal oet"},
      {"/attach/default/web/terminal?input=1&output=1&error=1&tty=1", "", "attach id-of-terminal iot"},
      {"/attach/default/web/setup?output=1", "", "attach id-of-setup o"},
      {"/attach/default/web/debug?input=1", "", "attach id-of-debug it"},
  };
  for (const auto& row : rows) {
    streaming.calls.clear();
    const auto answer = ask(attach, row.target);
    if (*row.answer != '\0') {
      EXPECT_EQ(answer, row.answer) << row.target;
    }
    EXPECT_EQ(streaming.calls.empty() ? "" : streaming.calls.at(0), row.call) << row.target;
  }
}

TEST_F(HandlersTest, PortForwardAsksForTheSandbox) {
  EXPECT_EQ(ask(port_forward, "/portForward/default/web/uid-1/more"), "404 404: Page Not Found");
  EXPECT_EQ(ask(port_forward, "/portForward/default/nope"), "404 pod does not exist");
  EXPECT_EQ(ask(port_forward, "/portForward/default/web/other-uid"), "404 pod not found");
  EXPECT_TRUE(streaming.calls.empty());
  ask(port_forward, "/portForward/default/web/uid-1?port=80");
  request.headers = {{"Connection", "Upgrade"}, {"Upgrade", "websocket"}};
  EXPECT_EQ(ask(port_forward, "/portForward/default/nope"), "400 query parameter \"port\" is required");
  ask(port_forward, "/portForward/default/web?port=80,443&port=8080");
  EXPECT_EQ(streaming.calls,
            (std::vector<std::string>{"port_forward sandbox-1", "port_forward sandbox-1 80 443 8080"}));
  EXPECT_EQ(websockets, (base::CountsBy<1>{{{"portforward"}, 2}})) << "asked for, whatever came of it";
  source.sandbox.reset();
  EXPECT_EQ(ask(port_forward, "/portForward/default/web?port=80"), "500 pod not found (\"web_default\")");
}

TEST_F(HandlersTest, ErrorsOfTheRuntimeBecomeTheirStatus) {
  struct Failure {
    Error error;
    int status;
  };
  const Failure failures[] = {
      {Error(ErrorKind::not_found, "rpc error: code = NotFound desc = gone", 5), 404},
      {Error(ErrorKind::exhausted, "rpc error: code = ResourceExhausted desc = full", 8), 429},
      {Error(ErrorKind::invalid, "rpc error: code = InvalidArgument desc = tty and stderr cannot both be true", 3),
       500},
      {Error(ErrorKind::unavailable, "rpc error: code = Unavailable desc = away", 14), 500},
  };
  for (const auto& [error, status] : failures) {
    const std::string expected = std::to_string(status) + " " + error.message();
    streaming.answer = error;
    for (const auto& [handler, target] :
         std::map<server::Handler*, std::string>{{&exec, "/exec/default/web/main?output=1"},
                                                 {&attach, "/attach/default/web/main?output=1"},
                                                 {&port_forward, "/portForward/default/web"}}) {
      EXPECT_EQ(ask(*handler, target), expected) << target;
      ASSERT_TRUE(last.has_value());
      const bool says_when = last->headers.back() == std::pair<std::string, std::string>("Retry-After", "60");
      EXPECT_EQ(says_when, status == 429) << target;
    }
    source.error = error;
    EXPECT_EQ(ask(exec, "/exec/default/web/main?output=1"), expected);
    source.error.reset();
  }
}

TEST_F(HandlersTest, TheUpgradeIsLookedAtLast) {
  streaming.answer = runtime.url();
  request.headers = {{"Host", "node"}};
  EXPECT_EQ(ask(exec, "/exec/default/web/main?output=1"), "500 Upgrade request required\n");
  EXPECT_EQ(ask(exec, "/exec/default/web/dead?output=1"), "500 container not found (\"dead\")");
  EXPECT_EQ(streaming.calls.size(), 1u);
  EXPECT_EQ(runtime.connections, 0u);
}

TEST_F(HandlersTest, AStreamGoesThroughToTheRuntime) {
  streaming.answer = runtime.url("/exec/token");
  request.path = "/exec/default/web/main";
  request.query = parse_query("output=1&command=ls");
  FakeReply& reply = new_reply();
  reply.client->read_on();
  base::spawn(handlers, "handler", exec.handle(request, reply));
  ASSERT_TRUE(until([&] { return runtime.peer != nullptr; }));
  EXPECT_TRUE(runtime.request.starts_with("POST /exec/token HTTP/1.1\r\n")) << runtime.request;
  runtime.peer->send("output");
  EXPECT_TRUE(until([&] { return reply.client->received.ends_with("\r\n\r\noutput"); }));
}

class RunTest : public HandlersTest {
 protected:
  RunTest() {
    cri.latency = [](const std::string&) { return base::Duration(0); };
    cri.exec = [this](const std::string& about, const std::vector<std::string>& command) {
      executed = about;
      for (const auto& word : command) executed += " [" + word + "]";
      return outcome;
    };
    source.id = base::testing::run_real<std::string>(loop, start(&cri));
  }
  static base::Task<std::string> start(fakes::FakeCri* cri) {
    cri::PodSandboxConfig sandbox;
    sandbox.metadata.name = "web";
    sandbox.metadata.ns = "default";
    sandbox.metadata.uid = "uid-1";
    const auto sandbox_id = co_await cri->run_pod_sandbox(sandbox, "");
    cri::ContainerConfig config;
    config.metadata.name = "main";
    const auto id = co_await cri->create_container(*sandbox_id, config, sandbox);
    (void)co_await cri->start_container(*id);
    co_return *id;
  }

  fakes::FakeCri cri{loop, clock};
  fakes::FakeExec outcome;
  std::string executed;
  RunHandler run{source, cri};
};

TEST_F(RunTest, AnswersWithTheOutputOfTheCommand) {
  outcome.out = "out\n";
  outcome.err = "err\n";
  EXPECT_EQ(ask(run, "/run/default/web/main?cmd=ls -l  /"), "200 out\nerr\n");
  EXPECT_EQ(executed, "uid-1/main [ls] [-l] [] [/]");
  const server::Fields json = {{"Content-Type", "application/json"}};
  EXPECT_EQ(last->headers, json);
  EXPECT_EQ(ask(run, "/run/default/web/uid-1/main"), "200 out\nerr\n");
  EXPECT_EQ(executed, "uid-1/main []");
}

TEST_F(RunTest, AnswersWithNothingWhenThereIsNoOutput) {
  EXPECT_EQ(ask(run, "/run/default/web/main?cmd=true"), "200 ");
  EXPECT_TRUE(last->headers.empty());
}

TEST_F(RunTest, SaysWhatFailed) {
  EXPECT_EQ(ask(run, "/run/default/web"), "404 404: Page Not Found");
  EXPECT_EQ(ask(run, "/run/default/nope/main?cmd=ls"), "404 pod does not exist");
  EXPECT_EQ(ask(run, "/run/default/web/dead?cmd=ls"), "500 container not found (\"dead\")");
  outcome.exit_code = 2;
  outcome.out = "seen by nobody";
  outcome.err = "no such file\n";
  EXPECT_EQ(ask(run, "/run/default/web/main?cmd=ls  /x"), "500 command 'ls  /x' exited with 2: no such file\n");
  fakes::FakeFault fault;
  fault.call = "exec_sync";
  fault.error = Error(ErrorKind::not_found, "rpc error: code = NotFound desc = gone", 5);
  cri.inject(fault);
  EXPECT_EQ(ask(run, "/run/default/web/main?cmd=ls"), "500 rpc error: code = NotFound desc = gone");
}

TEST_F(RunTest, HasNoLimitButEndsWithItsClient) {
  outcome.lasts = std::chrono::hours(5);
  request.path = "/run/default/web/main";
  request.query = parse_query("cmd=sleep");
  FakeReply& reply = new_reply();
  base::spawn(handlers, "handler", run.handle(request, reply));
  settle();
  clock.advance(std::chrono::hours(4));
  EXPECT_EQ(handlers.tasks(), 1u);
  EXPECT_FALSE(reply.answer.has_value());
  handlers.cancel("handler");
  EXPECT_TRUE(until([&] { return handlers.tasks() == 0; }));
  EXPECT_FALSE(reply.answer.has_value());
}

}  // namespace
}  // namespace keelson::streaming::testing
