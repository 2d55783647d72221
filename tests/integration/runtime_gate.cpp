#include "tests/integration/runtime_gate.hpp"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <set>

#include "cri-client/proto/cri.grpc.pb.h"

namespace keelson::integration {
namespace {

namespace cri = ::runtime::v1;

// The name alone, of "/runtime.v1.RuntimeService/RunPodSandbox".
std::string short_name(const std::string& method) { return method.substr(method.rfind('/') + 1); }

std::string bytes_of(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string out;
  if (!buffer.Dump(&slices).ok()) return out;
  for (const auto& slice : slices) out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return out;
}

// What the runtime has made, if it has.
std::string new_id(const std::string& method, const std::string& answer) {
  if (method == "RunPodSandbox") {
    cri::RunPodSandboxResponse made;
    return made.ParseFromString(answer) ? made.pod_sandbox_id() : std::string();
  }
  if (method == "CreateContainer") {
    cri::CreateContainerResponse made;
    return made.ParseFromString(answer) ? made.container_id() : std::string();
  }
  return "";
}

// Whose sandbox or container it is; empty when the request says it by an id.
std::string pod_named(const std::string& method, const std::string& request) {
  if (method == "RunPodSandbox") {
    cri::RunPodSandboxRequest asked;
    if (asked.ParseFromString(request)) return asked.config().metadata().name();
  } else if (method == "CreateContainer") {
    cri::CreateContainerRequest asked;
    if (asked.ParseFromString(request)) return asked.sandbox_config().metadata().name();
  } else if (method == "PullImage") {
    cri::PullImageRequest asked;
    if (asked.ParseFromString(request)) return asked.sandbox_config().metadata().name();
  }
  return "";
}

}  // namespace

struct RuntimeGate::State {
  struct Rule {
    std::string method;
    std::string pod;
    Where where;
  };
  struct Passed {
    std::string method;
    std::string pod;
    std::string request;
  };

  class Service : public grpc::CallbackGenericService {
   public:
    explicit Service(State& state) : state_(state) {}
    grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override;

   private:
    State& state_;
  };

  explicit State(const std::string& target)
      : service(*this), stub(grpc::CreateChannel("unix:" + target, grpc::InsecureChannelCredentials())) {}

  std::string pod_of(const std::string& method, const std::string& request) const {
    std::string pod = pod_named(method, request);
    if (!pod.empty()) return pod;
    for (const auto& [id, owner] : owners) {
      if (request.find(id) != std::string::npos) return owner;
    }
    return "";
  }
  // Uses up the rule.
  bool is_to_be_held(const std::string& method, const std::string& pod, Where where) {
    const auto rule = std::find_if(rules.begin(), rules.end(), [&](const Rule& one) {
      return one.method == method && one.pod == pod && one.where == where;
    });
    if (rule == rules.end()) return false;
    rules.erase(rule);
    return true;
  }

  mutable std::mutex mutex;
  std::vector<Rule> rules;
  std::map<std::string, std::string> owners;  // id -> pod
  std::set<Call*> held;
  std::vector<Passed> passed;

  Service service;
  grpc::GenericStub stub;
  std::unique_ptr<grpc::Server> server;  // last: its calls use all of the above
};

// One call on its way. It belongs to gRPC, which says in OnDone() that it is over.
class RuntimeGate::Call : public grpc::ServerGenericBidiReactor {
 public:
  Call(State& state, grpc::GenericCallbackServerContext* context)
      : state_(state), path_(context->method()), method_(short_name(path_)) {
    client_.set_deadline(context->deadline());
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    {
      const std::lock_guard lock(state_.mutex);
      text_ = bytes_of(request_);
      pod_ = state_.pod_of(method_, text_);
      if (!cancelled_ && state_.is_to_be_held(method_, pod_, Where::request)) {
        step_ = Step::request_held;
        state_.held.insert(this);
        return;
      }
    }
    pass();
  }

  void OnCancel() override {
    bool drop = false;
    {
      const std::lock_guard lock(state_.mutex);
      cancelled_ = true;
      drop = state_.held.erase(this) != 0;
      if (step_ == Step::passed) client_.TryCancel();
    }
    if (drop) Finish(grpc::Status::CANCELLED);
  }

  void OnDone() override { delete this; }

  const std::string& pod() const { return pod_; }

  // Was held, and is no longer among the held ones.
  void go_on() { step_ == Step::request_held ? pass() : give_answer(); }

 private:
  enum class Step { reading, request_held, passed, answer_held };

  void pass() {
    {
      const std::lock_guard lock(state_.mutex);
      step_ = Step::passed;
      state_.passed.push_back({method_, pod_, text_});
      if (cancelled_) client_.TryCancel();
    }
    state_.stub.UnaryCall(&client_, path_, grpc::StubOptions(), &request_, &answer_,
                          [this](grpc::Status status) { answered(std::move(status)); });
  }

  void answered(grpc::Status status) {
    status_ = std::move(status);
    {
      const std::lock_guard lock(state_.mutex);
      if (status_.ok()) {
        if (const std::string id = new_id(method_, bytes_of(answer_)); !id.empty()) state_.owners[id] = pod_;
      }
      if (!cancelled_ && state_.is_to_be_held(method_, pod_, Where::answer)) {
        step_ = Step::answer_held;
        state_.held.insert(this);
        return;
      }
    }
    give_answer();
  }

  void give_answer() {
    if (status_.ok()) {
      StartWriteAndFinish(&answer_, grpc::WriteOptions(), status_);
    } else {
      Finish(status_);
    }
  }

  State& state_;
  const std::string path_;
  const std::string method_;
  grpc::ClientContext client_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer answer_;
  grpc::Status status_;
  std::string text_;
  // Guarded by the state's mutex.
  std::string pod_;
  Step step_ = Step::reading;
  bool cancelled_ = false;
};

grpc::ServerGenericBidiReactor* RuntimeGate::State::Service::CreateReactor(
    grpc::GenericCallbackServerContext* context) {
  return new Call(state_, context);
}

RuntimeGate::RuntimeGate(const std::string& path, const std::string& target) : state_(new State(target)) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials());
  builder.RegisterCallbackGenericService(&state_->service);
  builder.SetMaxReceiveMessageSize(-1);
  state_->server = builder.BuildAndStart();
}

RuntimeGate::~RuntimeGate() {
  if (!state_->server) return;
  state_->server->Shutdown(std::chrono::system_clock::now());
  state_->server->Wait();
}

bool RuntimeGate::good() const { return state_->server != nullptr; }

void RuntimeGate::hold(const std::string& method, const std::string& pod, Where where) {
  const std::lock_guard lock(state_->mutex);
  state_->rules.push_back({method, pod, where});
}

bool RuntimeGate::holds(const std::string& pod) const {
  const std::lock_guard lock(state_->mutex);
  return std::any_of(state_->held.begin(), state_->held.end(), [&](const Call* call) { return call->pod() == pod; });
}

void RuntimeGate::let_go(const std::string& pod) {
  std::vector<Call*> calls;
  {
    const std::lock_guard lock(state_->mutex);
    for (Call* call : state_->held) {
      if (call->pod() == pod) calls.push_back(call);
    }
    for (Call* call : calls) state_->held.erase(call);
  }
  for (Call* call : calls) call->go_on();
}

std::vector<std::string> RuntimeGate::passed(const std::string& method, const std::string& pod) const {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> out;
  for (const auto& one : state_->passed) {
    if (one.method == method && one.pod == pod) out.push_back(one.request);
  }
  return out;
}

}  // namespace keelson::integration
