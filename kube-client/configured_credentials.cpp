#include "kube-client/configured_credentials.hpp"

#include <sys/stat.h>

#include "api/base64.hpp"
#include "base/file.hpp"
#include "kube-client/exec_credentials.hpp"

namespace keelson::kube {
namespace {

constexpr base::Duration kPeriod = std::chrono::seconds(10);

std::string trimmed(const std::string& text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

}  // namespace

bool FileChange::look() {
  struct stat info {};
  Stamp now;
  if (::stat(path_.c_str(), &info) == 0) {
    now = {info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
  }
  if (seen_ && now == stamp_) return false;
  seen_ = true;
  stamp_ = now;
  return true;
}

ConfiguredCredentials::ConfiguredCredentials(base::Clock& clock, UserConfig user, base::Logger log)
    : clock_(clock),
      user_(std::move(user)),
      log_(std::move(log)),
      certificate_file_(user_.certificate_file),
      key_file_(user_.key_file),
      token_file_(user_.token_file),
      last_token_(user_.token) {
  refresh_identity();
  told_ = identity_;
}

void ConfiguredCredentials::start(base::Gate& gate) {
  if (!user_.certificate_file.empty() || !user_.key_file.empty()) {
    base::spawn(gate, "client-certificate-files", watch_files());
  }
}

base::Task<void> ConfiguredCredentials::watch_files() {
  while (true) {
    co_await clock_.sleep_for(kPeriod);
    refresh_identity();
    if (identity_ == told_) continue;
    told_ = identity_;
    log_.info("Client certificate was replaced on disk", {{"path", user_.certificate_file}});
    if (listener_) listener_();
  }
}

void ConfiguredCredentials::refresh_identity() {
  const bool certificate_changed = certificate_file_.look();
  const bool key_changed = key_file_.look();
  if (!certificate_changed && !key_changed) return;
  auto read = identity_of(user_);
  if (read.ok()) {
    identity_ = std::move(*read);
    unreadable_ = false;
    return;
  }
  certificate_file_.forget();  // the next look may find the trouble gone without the files having changed
  if (!std::exchange(unreadable_, true)) {
    log_.warning("Client certificate cannot be read, the last one stays in use", {{"err", read.error()}});
  }
}

std::optional<Identity> ConfiguredCredentials::identity() {
  refresh_identity();
  return identity_;
}

Result<std::string> ConfiguredCredentials::token() {
  if (user_.token_file.empty() || !token_file_.look()) return last_token_;
  auto text = base::read_file(user_.token_file, 1u << 20);
  const std::string token = text.ok() ? trimmed(*text) : std::string();
  if (!token.empty()) {
    last_token_ = token;
    return last_token_;
  }
  token_file_.forget();
  Error why = text.ok() ? Error(ErrorKind::invalid, "token file " + user_.token_file + " is empty")
                        : text.error().wrap("token file");
  if (last_token_.empty()) return why;
  log_.warning("Token file cannot be read, the last token stays in use", {{"err", why}});
  return last_token_;
}

base::Task<Result<std::string>> ConfiguredCredentials::authorization() {
  if (!user_.username.empty() || !user_.password.empty()) {
    co_return "Basic " + api::base64_encode(user_.username + ":" + user_.password);
  }
  auto current = token();
  if (!current.ok() || current->empty()) co_return current;
  co_return "Bearer " + *current;
}

std::unique_ptr<StartedCredentials> make_credentials(base::Loop& loop, base::Clock& clock, UserConfig user,
                                                     Environment environment, base::Logger log) {
  if (user.exec) {
    return std::make_unique<ExecCredentials>(loop, clock, std::move(*user.exec), std::move(environment),
                                             std::move(log));
  }
  return std::make_unique<ConfiguredCredentials>(clock, std::move(user), std::move(log));
}

}  // namespace keelson::kube
