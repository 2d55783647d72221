#include "api/base64.hpp"
#include "api/document.hpp"
#include "api/json_text.hpp"
#include "base/file.hpp"
#include "kube-client/kubeconfig.hpp"

namespace keelson::kube {
namespace {

using api::Node;

Node text_node(std::string text) {
  Node node(Node::Kind::string);
  node.text = std::move(text);
  return node;
}

void add(Node& map, std::string key, Node value) {
  Node::Entry entry;
  entry.key = std::move(key);
  entry.value = std::move(value);
  map.entries.push_back(std::move(entry));
}

void add_text(Node& map, std::string key, std::string value) {
  if (!value.empty()) add(map, std::move(key), text_node(std::move(value)));
}

void add_flag(Node& map, std::string key, bool value) {
  if (!value) return;
  Node node(Node::Kind::boolean);
  node.boolean = true;
  add(map, std::move(key), std::move(node));
}

// A list of one {name: ..., key: value}.
Node single(std::string key, std::string name, Node value) {
  Node element(Node::Kind::map);
  add_text(element, "name", std::move(name));
  add(element, std::move(key), std::move(value));
  Node list(Node::Kind::list);
  list.items.push_back(std::move(element));
  return list;
}

}  // namespace

std::string kubeconfig_text(const ClusterConfig& from, const std::string& certificate_file) {
  Node cluster(Node::Kind::map);
  if (from.ca_file.empty()) add_text(cluster, "certificate-authority-data", api::base64_encode(from.ca_pem));
  add_text(cluster, "certificate-authority", from.ca_file);
  add_flag(cluster, "disable-compression", from.disable_compression);
  add_flag(cluster, "insecure-skip-tls-verify", from.insecure);
  add_text(cluster, "proxy-url", from.proxy_url);
  add_text(cluster, "server", from.server);
  add_text(cluster, "tls-server-name", from.server_name);
  Node user(Node::Kind::map);
  add_text(user, "client-certificate", certificate_file);
  add_text(user, "client-key", certificate_file);
  Node context(Node::Kind::map);
  add_text(context, "cluster", "default-cluster");
  add_text(context, "namespace", "default");
  add_text(context, "user", "default-auth");

  Node root(Node::Kind::map);
  add_text(root, "apiVersion", "v1");
  add(root, "clusters", single("cluster", "default-cluster", std::move(cluster)));
  add(root, "contexts", single("context", "default-context", std::move(context)));
  add_text(root, "current-context", "default-context");
  add_text(root, "kind", "Config");
  add(root, "users", single("user", "default-auth", std::move(user)));
  return api::to_yaml(root);
}

Status write_kubeconfig(const std::string& path, const ClusterConfig& cluster, const std::string& certificate_file) {
  const std::size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) KEELSON_TRY(base::make_directories(path.substr(0, slash), 0755));
  return base::write_file_atomically(path, kubeconfig_text(cluster, certificate_file), 0600);
}

}  // namespace keelson::kube
