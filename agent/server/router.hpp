// Router: the endpoints of one port with the handlers that the wiring has plugged in.
//
// An endpoint without a handler is one that does not exist (404). Owner: the wiring; outlives the Server. Handlers are
// borrowed and outlive it, too. Thread: the loop. Plug everything in before the server starts. Source: contract 05 §6.
#pragma once

#include <map>
#include <string_view>

#include "agent/server/endpoints.hpp"
#include "agent/server/message.hpp"

namespace keelson::server {

class Router {
 public:
  Router(Port port, Switches switches) : port_(port), switches_(switches) {}

  // `name` is one of namespace endpoint; one that the port or the switches leave out may be plugged in all the same.
  void plug(std::string_view name, Handler& handler);

  struct Route {
    bool guarded = false;        // the rest is only for those who may ask
    Handler* handler = nullptr;  // null: `response` is the answer
    Response response;
  };
  Route find(const Asked& asked) const;

  Port port() const { return port_; }
  const Switches& switches() const { return switches_; }

 private:
  Port port_;
  Switches switches_;
  std::map<std::string_view, Handler*> handlers_;
};

}  // namespace keelson::server
