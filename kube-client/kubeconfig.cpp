#include "kube-client/kubeconfig.hpp"

#include "api/base64.hpp"
#include "api/document.hpp"
#include "api/json_text.hpp"
#include "base/file.hpp"
#include "kube-client/certificate_store.hpp"
#include "kube-client/url.hpp"
#include "kube-client/x509.hpp"

namespace keelson::kube {
namespace {

using api::Node;

constexpr std::string_view kExecV1 = "client.authentication.k8s.io/v1";
constexpr std::string_view kExecV1beta1 = "client.authentication.k8s.io/v1beta1";
constexpr std::string_view kExecExtension = "client.authentication.k8s.io/exec";

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

// An object of the file and where it is in it.
struct Place {
  const Node* node = nullptr;
  std::string path;

  std::string of(std::string_view key) const { return path.empty() ? std::string(key) : path + "." + std::string(key); }
};

class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {
    const std::size_t slash = file_.rfind('/');
    folder_ = slash == std::string::npos ? "" : file_.substr(0, slash + 1);
  }

  void problem(api::Position at, const std::string& field, const std::string& what) {
    std::string line = at.known() ? "line " + std::to_string(at.line) + ": " : "";
    problems_.push_back(line + field + ": " + what);
  }
  void problem(const Place& place, std::string_view key, const std::string& what) {
    const Node* value = place.node == nullptr ? nullptr : place.node->find(key);
    const Node* at = value != nullptr && value->at.known() ? value : place.node;
    problem(at == nullptr ? api::Position{} : at->at, place.of(key), what);
  }

  std::string text(const Place& place, std::string_view key) {
    const Node* value = place.node->find(key);
    if (value == nullptr || value->is_null()) return {};
    if (value->is_string()) return value->text;
    wrong_type(*value, place.of(key), "a string");
    return {};
  }
  bool flag(const Place& place, std::string_view key) {
    const Node* value = place.node->find(key);
    if (value == nullptr || value->is_null()) return false;
    if (value->kind == Node::Kind::boolean) return value->boolean;
    wrong_type(*value, place.of(key), "true or false");
    return false;
  }
  std::string data(const Place& place, std::string_view key) {
    auto decoded = api::base64_decode(text(place, key));
    if (!decoded.ok()) {
      problem(place, key, "not base64");
      return {};
    }
    return std::move(*decoded);
  }
  std::string file(const Place& place, std::string_view key) {
    const std::string name = text(place, key);
    return name.empty() || name.starts_with('/') ? name : folder_ + name;
  }
  // A nested object; an empty one when it is absent.
  Place object(const Place& place, std::string_view key) {
    static const Node kEmpty(Node::Kind::map);
    const Node* value = place.node->find(key);
    if (value != nullptr && !value->is_null() && !value->is_map()) wrong_type(*value, place.of(key), "an object");
    return {value != nullptr && value->is_map() ? value : &kEmpty, place.of(key)};
  }
  std::vector<Place> list(const Place& place, std::string_view key) {
    const Node* value = place.node->find(key);
    if (value == nullptr || value->is_null()) return {};
    if (!value->is_list()) {
      wrong_type(*value, place.of(key), "a list");
      return {};
    }
    std::vector<Place> places;
    for (std::size_t i = 0; i < value->items.size(); ++i) {
      places.push_back({&value->items[i], place.of(key) + "[" + std::to_string(i) + "]"});
    }
    return places;
  }
  // The element of that name in a list of {name, ...}; reports a name that is there twice or not at all.
  std::optional<Place> named(const Place& root, std::string_view key, const std::string& name, std::string_view what,
                             const Place& asked_by, std::string_view asked_key) {
    std::optional<Place> found;
    for (auto& place : list(root, key)) {
      const Node* value = place.node->find("name");
      if (value == nullptr || !value->is_string() || value->text != name) continue;
      if (found) problem(place, "name", "there are two entries " + quoted(name));
      if (!found) found = std::move(place);
    }
    if (!found) problem(asked_by, asked_key, "there is no " + std::string(what) + " " + quoted(name));
    return found;
  }

  const std::string& folder() const { return folder_; }
  bool ok() const { return problems_.empty(); }
  Error error() const {
    std::string all;
    for (const auto& problem : problems_) all += (all.empty() ? "" : "; ") + problem;
    return Error(ErrorKind::invalid, "kubeconfig " + file_ + ": " + all);
  }

 private:
  void wrong_type(const Node& value, const std::string& field, const std::string& expected) {
    // A secret may have been given as a number: name the type, never the value.
    problem(value.at, field, "expected " + expected + ", found " + std::string(value.kind_name()));
  }

  std::string file_;
  std::string folder_;  // with its slash; empty for the working directory
  std::vector<std::string> problems_;
};

// A bare host:port means https when anything says TLS, as in client-go.
Result<Url> server_url(const ClusterConfig& cluster, bool client_certificate) {
  if (cluster.server.find("://") != std::string::npos) {
    auto url = parse_url(cluster.server);
    if (!url.ok()) return url;
    if (url->scheme != "https" && url->scheme != "http") {
      return Error(ErrorKind::invalid, "scheme " + quoted(url->scheme) + " is not supported, expected https or http");
    }
    if (!url->user_info.empty()) return Error(ErrorKind::invalid, "a user in the URL is not supported");
    if (!url->query.empty()) return Error(ErrorKind::invalid, "a query in the URL is not supported");
    return url;
  }
  const bool tls = cluster.insecure || client_certificate || !cluster.ca_pem.empty() || !cluster.ca_file.empty();
  auto url = parse_url((tls ? "https://" : "http://") + cluster.server);
  if (url.ok() && url->path.size() > 1) return Error(ErrorKind::invalid, "expected a URL or host:port");
  return url;
}

void read_ca(Reader& reader, const Place& place, const ClusterConfig& cluster, Endpoint& endpoint) {
  if (!cluster.ca_file.empty() && !cluster.ca_pem.empty()) {
    reader.problem(place, "certificate-authority", "given together with certificate-authority-data, expected one");
  }
  if (cluster.insecure && !(cluster.ca_file.empty() && cluster.ca_pem.empty())) {
    reader.problem(place, "insecure-skip-tls-verify", "true together with a certificate authority");
  }
  const bool inline_ca = !cluster.ca_pem.empty();
  if (!inline_ca && cluster.ca_file.empty()) return;
  const std::string_view key = inline_ca ? "certificate-authority-data" : "certificate-authority";
  auto pem = inline_ca ? Result<std::string>(cluster.ca_pem) : base::read_file(cluster.ca_file, 4u << 20);
  if (!pem.ok()) return reader.problem(place, key, pem.error().to_string());
  const auto parsed = parse_certificates(*pem);
  if (!parsed.ok()) return reader.problem(place, key, parsed.error().to_string());
  endpoint.ca_pem = std::move(*pem);
}

void read_endpoint(Reader& reader, const Place& place, bool client_certificate, const Environment& environment,
                   const ClusterConfig& cluster, Endpoint& endpoint) {
  read_ca(reader, place, cluster, endpoint);
  endpoint.server_name = cluster.server_name;
  endpoint.insecure = cluster.insecure;
  endpoint.compression = !cluster.disable_compression;
  if (cluster.server.empty()) return reader.problem(place, "server", "missing, expected https://host:port");
  const auto url = server_url(cluster, client_certificate);
  if (!url.ok()) return reader.problem(place, "server", url.error().to_string());
  endpoint.tls = url->scheme == "https";
  endpoint.host = url->host;
  endpoint.port = !url->port.empty() ? url->port : endpoint.tls ? "443" : "80";
  endpoint.base_path = url->path;
  while (endpoint.base_path.ends_with('/')) endpoint.base_path.pop_back();
  auto proxy = cluster.proxy_url.empty() ? proxy_for(*url, environment) : normal_proxy(cluster.proxy_url);
  if (!proxy.ok()) return reader.problem(place, "proxy-url", proxy.error().to_string());
  endpoint.proxy_url = std::move(*proxy);
}

ClusterConfig read_cluster(Reader& reader, const Place& place) {
  ClusterConfig cluster;
  cluster.server = reader.text(place, "server");
  cluster.ca_file = reader.file(place, "certificate-authority");
  cluster.ca_pem = reader.data(place, "certificate-authority-data");
  cluster.server_name = reader.text(place, "tls-server-name");
  cluster.proxy_url = reader.text(place, "proxy-url");
  cluster.insecure = reader.flag(place, "insecure-skip-tls-verify");
  cluster.disable_compression = reader.flag(place, "disable-compression");
  return cluster;
}

// spec.cluster of an ExecCredential.
std::string cluster_json(Reader& reader, const Place& place, const ClusterConfig& cluster, const Endpoint& endpoint) {
  std::string json = "{";
  const auto add = [&json](std::string_view key, const std::string& value) {
    json += (json.size() > 1 ? ",\"" : "\"") + std::string(key) + "\":" + value;
  };
  const auto add_text = [&](std::string_view key, const std::string& value) {
    if (value.empty()) return;
    std::string text;
    api::append_quoted(text, value);
    add(key, text);
  };
  add_text("server", cluster.server);
  add_text("tls-server-name", cluster.server_name);
  if (cluster.insecure) add("insecure-skip-tls-verify", "true");
  add_text("certificate-authority-data", api::base64_encode(endpoint.ca_pem));
  add_text("proxy-url", cluster.proxy_url);
  if (cluster.disable_compression) add("disable-compression", "true");
  for (const auto& extension : reader.list(place, "extensions")) {
    const Node* name = extension.node->find("name");
    const Node* value = extension.node->find("extension");
    if (name != nullptr && name->text == kExecExtension && value != nullptr) add("config", api::to_json(*value));
  }
  return json + "}";
}

ExecPlugin read_exec(Reader& reader, const Place& place) {
  ExecPlugin exec;
  exec.command = reader.text(place, "command");
  if (exec.command.empty()) reader.problem(place, "command", "missing");
  const bool has_folder = exec.command.find('/') != std::string::npos;
  if (has_folder && !exec.command.starts_with('/')) exec.command = reader.folder() + exec.command;
  for (const auto& arg : reader.list(place, "args")) {
    if (!arg.node->is_string()) reader.problem(arg.node->at, arg.path, "expected a string");
    exec.args.push_back(arg.node->text);
  }
  for (const auto& variable : reader.list(place, "env")) {
    std::string name = reader.text(variable, "name");
    if (name.empty()) reader.problem(variable, "name", "missing");
    exec.env.emplace_back(std::move(name), reader.text(variable, "value"));
  }
  exec.api_version = reader.text(place, "apiVersion");
  if (exec.api_version != kExecV1 && exec.api_version != kExecV1beta1) {
    reader.problem(place, "apiVersion",
                   quoted(exec.api_version) + " is not supported, expected " + std::string(kExecV1) + " or " +
                       std::string(kExecV1beta1));
  }
  const std::string interactive = reader.text(place, "interactiveMode");
  if (interactive == "Always") {
    reader.problem(place, "interactiveMode", "Always cannot work here, expected Never or IfAvailable");
  } else if (interactive.empty() ? exec.api_version == kExecV1
                                 : interactive != "Never" && interactive != "IfAvailable") {
    reader.problem(place, "interactiveMode", "expected Never or IfAvailable, found " + quoted(interactive));
  }
  exec.install_hint = reader.text(place, "installHint");
  return exec;
}

void check_unsupported(Reader& reader, const Place& user) {
  for (const std::string_view key : {"as", "as-uid", "as-groups", "as-user-extra"}) {
    const Node* value = user.node->find(key);
    if (value == nullptr || value->is_null() || (value->is_string() && value->text.empty())) continue;
    reader.problem(user, key, "impersonation is not supported");
  }
  const Node* provider = user.node->find("auth-provider");
  if (provider != nullptr && !provider->is_null()) {
    reader.problem(user, "auth-provider", "not supported any more, use exec");
  }
}

void check_user(Reader& reader, const Place& place, const UserConfig& user) {
  if (!user.certificate_file.empty() && !user.certificate_pem.empty()) {
    reader.problem(place, "client-certificate", "given together with client-certificate-data, expected one");
  }
  if (!user.key_file.empty() && !user.key_pem.empty()) {
    reader.problem(place, "client-key", "given together with client-key-data, expected one");
  }
  const bool has_key = !user.key_pem.empty() || !user.key_file.empty();
  if (user.has_certificate() && !has_key) reader.problem(place, "client-key", "missing beside client-certificate");
  if (!user.has_certificate() && has_key) reader.problem(place, "client-certificate", "missing beside client-key");
  if (user.has_certificate() && has_key) {
    const auto identity = identity_of(user);
    if (!identity.ok()) {
      reader.problem(place, user.certificate_pem.empty() ? "client-certificate" : "client-certificate-data",
                     identity.error().to_string());
    }
  }
  const bool bearer = !user.token.empty() || !user.token_file.empty();
  const bool basic = !user.username.empty() || !user.password.empty();
  if (bearer && basic) reader.problem(place, "username", "given together with a token, expected one");
  if (user.exec && (bearer || basic || user.has_certificate())) {
    reader.problem(place, "exec", "given together with other credentials, expected one");
  }
  if (user.token.empty() && !user.token_file.empty()) {
    const auto token = base::read_file(user.token_file, 1u << 20);
    if (!token.ok()) reader.problem(place, "tokenFile", token.error().to_string());
  }
}

UserConfig read_user(Reader& reader, const Place& place) {
  UserConfig user;
  user.certificate_pem = reader.data(place, "client-certificate-data");
  user.certificate_file = reader.file(place, "client-certificate");
  user.key_pem = reader.data(place, "client-key-data");
  user.key_file = reader.file(place, "client-key");
  user.token = reader.text(place, "token");
  user.token_file = reader.file(place, "tokenFile");
  user.username = reader.text(place, "username");
  user.password = reader.text(place, "password");
  const Node* exec = place.node->find("exec");
  if (exec != nullptr && !exec->is_null()) user.exec = read_exec(reader, reader.object(place, "exec"));
  check_unsupported(reader, place);
  check_user(reader, place, user);
  return user;
}

void check_type(Reader& reader, const Place& root) {
  const std::string version = reader.text(root, "apiVersion");
  const std::string kind = reader.text(root, "kind");
  if (!version.empty() && version != "v1") reader.problem(root, "apiVersion", "expected v1, found " + quoted(version));
  if (!kind.empty() && kind != "Config") reader.problem(root, "kind", "expected Config, found " + quoted(kind));
}

}  // namespace

Result<KubeConfig> parse_kubeconfig(std::string_view text, const std::string& path, const Environment& environment) {
  const auto document = api::parse_document(text);
  if (!document.ok()) return document.error().wrap("kubeconfig " + path);
  if (!document->is_map()) return Error(ErrorKind::invalid, "kubeconfig " + path + ": there is no object in it");
  Reader reader(path);
  const Place root{&*document, ""};
  check_type(reader, root);

  const std::string context_name = reader.text(root, "current-context");
  if (context_name.empty()) {
    reader.problem(root, "current-context", "missing, expected the name of a context");
    return reader.error();
  }
  const auto context_entry = reader.named(root, "contexts", context_name, "context", root, "current-context");
  if (!context_entry) return reader.error();
  const Place context = reader.object(*context_entry, "context");

  KubeConfig config;
  Place user_place;
  const std::string user_name = reader.text(context, "user");
  if (!user_name.empty()) {
    if (const auto entry = reader.named(root, "users", user_name, "user", context, "user")) {
      user_place = reader.object(*entry, "user");
      config.user = read_user(reader, user_place);
    }
  }
  const std::string cluster_name = reader.text(context, "cluster");
  const auto entry = reader.named(root, "clusters", cluster_name, "cluster", context, "cluster");
  if (!entry) return reader.error();
  const Place cluster_place = reader.object(*entry, "cluster");
  config.cluster = read_cluster(reader, cluster_place);
  read_endpoint(reader, cluster_place, config.user.has_certificate(), environment, config.cluster, config.endpoint);
  if (config.user.exec) {
    const Place exec = reader.object(user_place, "exec");
    if (reader.flag(exec, "provideClusterInfo")) {
      config.user.exec->cluster_json = cluster_json(reader, cluster_place, config.cluster, config.endpoint);
    }
  }
  if (!reader.ok()) return reader.error();
  return config;
}

Result<KubeConfig> load_kubeconfig(const std::string& path, const Environment& environment) {
  const auto text = base::read_file(path, 4u << 20);
  if (!text.ok()) return text.error().wrap("kubeconfig");
  return parse_kubeconfig(*text, path, environment);
}

Result<std::optional<Identity>> identity_of(const UserConfig& user) {
  if (!user.has_certificate()) return std::optional<Identity>();
  std::string certificate = user.certificate_pem;
  std::string key = user.key_pem;
  if (certificate.empty()) {
    auto text = base::read_file(user.certificate_file, 1u << 20);
    if (!text.ok()) return std::move(text).error();
    certificate = std::move(*text);
  }
  if (key.empty()) {
    auto text = base::read_file(user.key_file, 1u << 20);
    if (!text.ok()) return std::move(text).error();
    key = std::move(*text);
  }
  Identity identity = split_pem(certificate, key);
  const Status matches = check_key_pair(identity.certificate_pem, identity.key_pem);
  if (!matches.ok()) return matches.error();
  return std::optional<Identity>(std::move(identity));
}

}  // namespace keelson::kube
