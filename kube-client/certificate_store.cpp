#include "kube-client/certificate_store.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <ctime>
#include <memory>

#include "base/file.hpp"
#include "kube-client/x509.hpp"

namespace keelson::kube {
namespace {

enum class Found { nothing, link, file };

Result<Found> look_at(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) return S_ISLNK(info.st_mode) ? Found::link : Found::file;
  if (errno == ENOENT) return Found::nothing;
  return errno_error("stat " + path, errno);
}

// Whether something is there, links followed.
Result<bool> leads_somewhere(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) return true;
  if (errno == ENOENT) return false;
  return errno_error("stat " + path, errno);
}

Error not_a_link(const std::string& path) {
  return Error(ErrorKind::conflict, path + " is a file, expected a symbolic link; move it away");
}

std::string absolute(const std::string& path) {
  if (path.starts_with("/")) return path;
  char folder[PATH_MAX];
  if (::getcwd(folder, sizeof folder) == nullptr) return path;
  return std::string(folder) + "/" + path;
}

// "2026-01-02-03-04-05", local time.
std::string stamp(base::SystemTime now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm fields{};
  ::localtime_r(&seconds, &fields);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d-%H-%M-%S", &fields);
  return text;
}

// Every PEM block whose type ends in `suffix`, whole.
std::string blocks_of(std::string_view text, std::string_view suffix) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kDashes = "-----";
  std::string blocks;
  for (std::size_t at = text.find(kBegin); at != std::string_view::npos; at = text.find(kBegin, at + 1)) {
    const std::size_t name_at = at + kBegin.size();
    const std::size_t name_end = text.find(kDashes, name_at);
    if (name_end == std::string_view::npos) break;
    const std::string_view name = text.substr(name_at, name_end - name_at);
    if (!name.ends_with(suffix)) continue;
    const std::string end = "-----END " + std::string(name) + "-----";
    const std::size_t end_at = text.find(end, name_end);
    if (end_at == std::string_view::npos) break;
    blocks.append(text.substr(at, end_at + end.size() - at)).push_back('\n');
  }
  return blocks;
}

}  // namespace

Identity split_pem(std::string_view certificate_text, std::string_view key_text) {
  return {blocks_of(certificate_text, "CERTIFICATE"), blocks_of(key_text, "PRIVATE KEY")};
}

Result<Identity> load_identity(const std::string& certificate_file, const std::string& key_file) {
  auto certificate = base::read_file(certificate_file, 1u << 20);
  if (!certificate.ok()) return std::move(certificate).error();
  auto key = key_file == certificate_file ? certificate : base::read_file(key_file, 1u << 20);
  if (!key.ok()) return std::move(key).error();
  Identity identity = split_pem(*certificate, *key);
  const std::string both = key_file == certificate_file ? certificate_file : certificate_file + " and " + key_file;
  const Status matches = check_key_pair(identity.certificate_pem, identity.key_pem);
  if (!matches.ok()) return matches.error().wrap("while loading " + both);
  return identity;
}

CertificateStore::CertificateStore(std::string directory, std::string prefix, std::string certificate_file,
                                   std::string key_file)
    : directory_(absolute(directory)),
      prefix_(std::move(prefix)),
      certificate_file_(std::move(certificate_file)),
      key_file_(std::move(key_file)) {}

std::string CertificateStore::path(std::string_view stem) const {
  return directory_ + "/" + prefix_ + "-" + std::string(stem) + ".pem";
}

Status CertificateStore::recover() {
  const auto current = leads_somewhere(current_path());
  if (!current.ok()) return current.error();
  if (*current) return {};
  const std::string updated_path = path("updated");
  const auto updated = look_at(updated_path);
  if (!updated.ok()) return updated.error();
  if (*updated == Found::nothing) return {};
  if (*updated == Found::file) return not_a_link(updated_path);
  if (::rename(updated_path.c_str(), current_path().c_str()) != 0) return errno_error("rename " + updated_path, errno);
  return {};
}

Result<Identity> CertificateStore::load() const {
  const auto current = leads_somewhere(current_path());
  if (!current.ok()) return current.error();
  if (*current) return load_identity(current_path(), current_path());
  if (!certificate_file_.empty() && !key_file_.empty()) {
    const auto certificate = leads_somewhere(certificate_file_);
    if (!certificate.ok()) return certificate.error();
    const auto key = leads_somewhere(key_file_);
    if (!key.ok()) return key.error();
    if (*certificate && *key) return load_identity(certificate_file_, key_file_);
  }
  const std::string plain = directory_ + "/" + prefix_;
  const auto certificate = leads_somewhere(plain + ".crt");
  if (!certificate.ok()) return certificate.error();
  const auto key = leads_somewhere(plain + ".key");
  if (!key.ok()) return key.error();
  if (*certificate && *key) return load_identity(plain + ".crt", plain + ".key");
  return Error(ErrorKind::not_found, "no certificate at " + current_path() + " or " + plain + ".crt, .key");
}

Status CertificateStore::update(const Identity& identity, base::SystemTime now) {
  KEELSON_TRY(check_key_pair(identity.certificate_pem, identity.key_pem));
  KEELSON_TRY(base::make_directories(directory_, 0755));
  const std::string file = path(stamp(now));
  const auto ended = [](std::string text) { return text.ends_with('\n') ? text : text + '\n'; };
  KEELSON_TRY(base::write_file_atomically(file, ended(identity.certificate_pem) + ended(identity.key_pem), 0600));
  return make_current(file);
}

Status CertificateStore::make_current(const std::string& target) {
  const auto current = look_at(current_path());
  if (!current.ok()) return current.error();
  if (*current == Found::file) return not_a_link(current_path());
  const std::string updated_path = path("updated");
  const auto updated = look_at(updated_path);
  if (!updated.ok()) return updated.error();
  if (*updated == Found::file) return not_a_link(updated_path);
  if (*updated == Found::link && ::unlink(updated_path.c_str()) != 0) {
    return errno_error("unlink " + updated_path, errno);
  }
  if (::symlink(target.c_str(), updated_path.c_str()) != 0) return errno_error("symlink " + updated_path, errno);
  if (::rename(updated_path.c_str(), current_path().c_str()) != 0) return errno_error("rename " + updated_path, errno);
  return {};
}

}  // namespace keelson::kube
