// CsrServer: an API server that knows certificate signing requests and /healthz, without sockets.
//
// A test is its signer and administrator: what happens to a new request is `policy`, sign(), deny() and remove() act
// later. Each transport() is one client's; the log says whose requests came. Thread: the loop.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/sync.hpp"
#include "kube-client/signing_api.hpp"
#include "kube-client/tests/cert_support.hpp"
#include "kube-client/transport.hpp"

namespace keelson::kube::testing {

class CsrServer {
 public:
  enum class Policy { sign, hold, deny, fail };

  CsrServer(base::Loop& loop, base::Clock& clock, TestCa& ca);
  ~CsrServer();

  Transport& transport(const std::string& user);

  Policy policy = Policy::sign;
  base::Duration lifetime = std::chrono::hours(24 * 100);
  bool away = false;           // no connection
  int refuse_status = 0;       // this status for every request
  bool binary = true;          // answers in protobuf
  bool initial_events = true;  // the server knows sendInitialEvents
  bool sick = false;           // /healthz says 500

  std::vector<std::string> log;  // "user POST", "user LIST metadata.name=csr-1", "user WATCH ...", "user GET ..."
  std::map<std::string, SigningRequest> requests;

  const SigningRequest& last() const { return requests.at(last_name_); }
  const std::string& last_name() const { return last_name_; }
  void sign(const std::string& name);
  void settle(const std::string& name, const std::string& type, const std::string& reason, const std::string& message);
  void remove(const std::string& name);
  // Every open watch ends in the regular way.
  void end_watches();
  void say_to_watches(const std::string& bytes);
  std::size_t watches() const { return watches_.size(); }
  std::size_t count(const std::string& prefix) const;

 private:
  class Connection;
  class Stream;

  Result<HttpResponse> answer(const std::string& user, const HttpRequest& request);
  HttpResponse create(const std::string& body);
  HttpResponse object(int status, const google::protobuf::Message& message) const;
  HttpResponse failure(int status, const std::string& reason, const std::string& message) const;
  Result<std::unique_ptr<HttpStream>> watch(const std::string& user, const HttpRequest& request);
  void tell(const std::string& type, const SigningRequest& request);
  Headers headers() const;

  base::Loop& loop_;
  base::Clock& clock_;
  TestCa& ca_;
  std::map<std::string, std::unique_ptr<Connection>> connections_;
  std::set<Stream*> watches_;
  std::string last_name_;
  int counter_ = 0;
};

}  // namespace keelson::kube::testing
