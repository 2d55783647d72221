#include "tests/support/api/apiserver_options.hpp"

#include <algorithm>
#include <charconv>

namespace keelson::fakes {

const char kApiServerUsage[] =
    "Usage: keelson-fake-apiserver --dir DIR [OPTION]...\n"
    "\n"
    "An API server for tests and for trying things by hand: HTTPS, state in memory, enough for one kubelet or keelson\n"
    "and for kubectl. Prints \"ready https://...\" when it serves; SIGTERM or SIGINT ends it.\n"
    "  --dir DIR              writes DIR/ca.crt, DIR/address, DIR/admin.conf (kubectl --kubeconfig) and\n"
    "                         DIR/bootstrap-kubelet.conf\n"
    "  --listen ADDRESS:PORT  default 127.0.0.1:0; port 0 takes a free one\n"
    "  --name NAME            a further name or address in the serving certificate; may be repeated\n"
    "  --node NAME            writes DIR/kubelet-NAME.conf with the node's client certificate; may be repeated\n"
    "  --token TOKEN=USER[,GROUP]...\n"
    "                         lets this bearer token in; may be repeated\n"
    "  --schedule             binds unscheduled pods to a Ready node; every namespace gets its default ServiceAccount\n"
    "  --service-accounts     pods get the volume with their account's token, as in a cluster\n"
    "  --h1-only              does not offer HTTP/2\n"
    "  --control SOCKET       a unix socket for faults: one JSON command a line (tests/support/api/README.md)\n";

namespace {

Error wrong(const std::string& flag, const std::string& value, const char* expected) {
  return {ErrorKind::invalid, flag + " \"" + value + "\": expected " + expected};
}

Status set_listen(ApiServerOptions& options, const std::string& value) {
  const auto colon = value.rfind(':');
  if (colon == std::string::npos || colon == 0) return wrong("--listen", value, "ADDRESS:PORT");
  options.address = value.substr(0, colon);
  if (options.address.front() == '[' && options.address.back() == ']') {
    options.address = options.address.substr(1, options.address.size() - 2);
  }
  const char* end = value.data() + value.size();
  const auto [stopped, error] = std::from_chars(value.data() + colon + 1, end, options.port);
  if (error != std::errc() || stopped != end) return wrong("--listen", value, "ADDRESS:PORT with a port of 0 to 65535");
  return {};
}

Status add_token(ApiServerOptions& options, const std::string& value) {
  const auto equals = value.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == value.size()) {
    return wrong("--token", value, "TOKEN=USER[,GROUP]...");
  }
  std::vector<std::string> parts;
  for (std::size_t at = equals + 1; at <= value.size();) {
    const auto comma = std::min(value.find(',', at), value.size());
    parts.push_back(value.substr(at, comma - at));
    at = comma + 1;
  }
  if (std::find(parts.begin(), parts.end(), "") != parts.end()) {
    return wrong("--token", value, "TOKEN=USER[,GROUP]...");
  }
  ApiUser user;
  user.name = parts.front();
  user.groups.assign(parts.begin() + 1, parts.end());
  options.tokens[value.substr(0, equals)] = user;
  return {};
}

Status set_value(ApiServerOptions& options, const std::string& flag, const std::string& value) {
  if (flag == "--listen") return set_listen(options, value);
  if (flag == "--token") return add_token(options, value);
  if (value.empty()) return wrong(flag, value, "a value");
  if (flag == "--dir") options.directory = value;
  if (flag == "--control") options.control = value;
  if (flag == "--node") options.nodes.push_back(value);
  if (flag == "--name") options.names.push_back(value);
  return {};
}

bool takes_value(const std::string& flag) {
  return flag == "--listen" || flag == "--token" || flag == "--dir" || flag == "--control" || flag == "--node" ||
         flag == "--name";
}

bool* switch_of(ApiServerOptions& options, const std::string& flag) {
  if (flag == "--h1-only") return &options.http1_only;
  if (flag == "--schedule") return &options.schedule;
  if (flag == "--service-accounts") return &options.service_accounts;
  if (flag == "--help" || flag == "-h") return &options.help;
  return nullptr;
}

}  // namespace

Result<ApiServerOptions> parse_api_server_options(const std::vector<std::string>& arguments) {
  ApiServerOptions options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string flag = arguments[i];
    if (bool* on = switch_of(options, flag)) {
      *on = true;
      continue;
    }
    std::optional<std::string> value;
    if (const auto equals = flag.find('='); equals != std::string::npos) {
      value = flag.substr(equals + 1);
      flag.resize(equals);
    }
    if (!takes_value(flag)) return Error(ErrorKind::invalid, "unknown argument \"" + arguments[i] + "\": see --help");
    if (!value) {
      if (i + 1 == arguments.size()) return Error(ErrorKind::invalid, flag + ": expected a value behind it");
      value = arguments[++i];
    }
    KEELSON_TRY(set_value(options, flag, *value));
  }
  if (!options.help && options.directory.empty()) return Error(ErrorKind::invalid, "--dir is missing: see --help");
  return options;
}

}  // namespace keelson::fakes
