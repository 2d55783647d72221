#include "probes/http_action.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

#include "base/go_text.hpp"

namespace keelson::probes {

Result<int> resolve_port(const api::IntOrString& port, const api::core::Container& container) {
  std::int64_t number = port.intval();
  if (api::is_string(port)) {
    const std::string& name = port.strval();
    const auto found = std::find_if(container.ports().begin(), container.ports().end(),
                                    [&](const auto& known) { return known.name() == name; });
    if (found != container.ports().end()) {
      number = found->containerport();
    } else {
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
      if (error != std::errc() || end != name.data() + name.size()) {
        return Error(ErrorKind::invalid, "strconv.Atoi: parsing " + base::go_quote(name) + ": invalid syntax");
      }
    }
  }
  if (number > 0 && number < 65536) return static_cast<int>(number);
  return Error(ErrorKind::invalid, "invalid port number: " + std::to_string(number));
}

Result<HttpGet> make_http_get(const api::core::HTTPGetAction& action, const api::core::Container& container,
                              const std::string& pod_ip, std::string user_agent, base::Duration limit) {
  auto port = resolve_port(action.port(), container);
  if (!port.ok()) return port.error();
  std::string scheme = action.scheme().empty() ? "http" : action.scheme();
  for (char& c : scheme) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  HttpGet request;
  request.url = make_url(std::move(scheme), action.host().empty() ? pod_ip : action.host(), *port, action.path());
  for (const auto& header : action.httpheaders()) request.headers.emplace_back(header.name(), header.value());
  request.user_agent = std::move(user_agent);
  request.limit = limit;
  return request;
}

}  // namespace keelson::probes
