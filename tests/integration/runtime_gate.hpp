// RuntimeGate: stands between the agent and the runtime and holds single calls, so that a test meets the agent at a
// chosen point of a pod's start or end: the runtime has not heard of it yet, or has done it and nobody knows.
//
// All other calls pass as they are. A caller that goes away is a caller that goes away for the runtime too; a call that
// was held then counts as never made (`request`) or as made with its answer lost (`answer`). Owner: a test. Thread: the
// test's; gRPC's threads carry the calls. What fails: good() is false when the socket cannot be listened on. The
// destructor ends every open call. Streams are answered with Unimplemented, as by containerd 1.6.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace keelson::integration {

class RuntimeGate {
 public:
  enum class Where { request, answer };

  // Listens on the socket `path`, and passes to the socket `target`.
  RuntimeGate(const std::string& path, const std::string& target);
  ~RuntimeGate();
  RuntimeGate(const RuntimeGate&) = delete;
  RuntimeGate& operator=(const RuntimeGate&) = delete;

  bool good() const;
  // The next such call about that pod, or about a sandbox or container of it that was made through this gate, stops.
  void hold(const std::string& method, const std::string& pod, Where where);
  // It has come and waits.
  bool holds(const std::string& pod) const;
  // Lets what is held of this pod go on.
  void let_go(const std::string& pod);
  // The requests about that pod which reached the runtime, as they were on the wire.
  std::vector<std::string> passed(const std::string& method, const std::string& pod) const;

 private:
  struct State;
  class Call;

  std::unique_ptr<State> state_;
};

}  // namespace keelson::integration
