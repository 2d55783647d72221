#include "tests/support/api/apiserver_files.hpp"

#include <filesystem>

#include "api/base64.hpp"
#include "base/file.hpp"

namespace keelson::fakes {
namespace {

KubeconfigWish with_certificate(const FakeCa& ca, const std::string& url, const std::string& user,
                                const std::string& group) {
  CertificateWish certificate;
  certificate.common_name = user;
  certificate.organizations = {group};
  KubeconfigWish wish;
  wish.server = url;
  wish.ca_pem = ca.certificate_pem();
  wish.user = user;
  wish.identity = ca.issue(certificate);
  return wish;
}

}  // namespace

ApiUser bootstrap_user() {
  return {"system:bootstrap:abcdef",
          {"system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token", "system:authenticated"}};
}

std::string kubeconfig_text(const KubeconfigWish& wish) {
  std::string out =
      "apiVersion: v1\n"
      "kind: Config\n"
      "clusters:\n"
      "- name: kubernetes\n"
      "  cluster:\n"
      "    server: " +
      wish.server +
      "\n"
      "    certificate-authority-data: " +
      api::base64_encode(wish.ca_pem) +
      "\n"
      "contexts:\n"
      "- name: \"" +
      wish.user +
      "@kubernetes\"\n"
      "  context:\n"
      "    cluster: kubernetes\n"
      "    user: \"" +
      wish.user +
      "\"\n"
      "current-context: \"" +
      wish.user +
      "@kubernetes\"\n"
      "users:\n"
      "- name: \"" +
      wish.user +
      "\"\n"
      "  user:\n";
  if (!wish.token.empty()) return out + "    token: " + wish.token + "\n";
  out += "    client-certificate-data: " + api::base64_encode(wish.identity.certificate_pem) + "\n";
  return out + "    client-key-data: " + api::base64_encode(wish.identity.key_pem) + "\n";
}

Status write_api_server_files(const ApiServerOptions& options, const FakeCa& ca, const std::string& url) {
  std::error_code failed;
  std::filesystem::create_directories(options.directory, failed);
  if (failed) return Error(ErrorKind::invalid, "make " + options.directory + ": " + failed.message());
  const auto in_directory = [&](const std::string& name) { return options.directory + "/" + name; };
  KEELSON_TRY(base::write_file_atomically(in_directory("ca.crt"), ca.certificate_pem(), 0644));
  const auto admin = with_certificate(ca, url, "kubernetes-admin", "system:masters");
  KEELSON_TRY(base::write_file_atomically(in_directory("admin.conf"), kubeconfig_text(admin), 0600));
  for (const auto& node : options.nodes) {
    const auto wish = with_certificate(ca, url, "system:node:" + node, "system:nodes");
    KEELSON_TRY(base::write_file_atomically(in_directory("kubelet-" + node + ".conf"), kubeconfig_text(wish), 0600));
  }
  KubeconfigWish bootstrap;
  bootstrap.server = url;
  bootstrap.ca_pem = ca.certificate_pem();
  bootstrap.user = "kubelet-bootstrap";
  bootstrap.token = kBootstrapToken;
  KEELSON_TRY(base::write_file_atomically(in_directory("bootstrap-kubelet.conf"), kubeconfig_text(bootstrap), 0600));
  // Last: who waits for it finds the others.
  return base::write_file_atomically(in_directory("address"), url.substr(std::string("https://").size()) + "\n", 0644);
}

}  // namespace keelson::fakes
