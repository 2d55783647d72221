// What the tests of certificates share: a CA, a folder of their own, and answers of tasks.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/result.hpp"
#include "kube-client/credentials.hpp"
#include "kube-client/x509.hpp"

namespace keelson::kube::testing {

using namespace std::chrono_literals;

// A CA that signs what it is asked to.
class TestCa {
 public:
  TestCa();
  ~TestCa();
  TestCa(const TestCa&) = delete;
  TestCa& operator=(const TestCa&) = delete;

  // The request's subject, SANs and key, signed.
  std::string sign(const std::string& request_pem, base::SystemTime not_before, base::Duration lifetime);
  // A new key and its certificate.
  Identity issue(const CertificateNames& names, base::SystemTime not_before, base::Duration lifetime);
  const std::string& pem() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A new folder, removed at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file and gives its path.
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0644) const;

 private:
  std::string path_;
};

std::string read(const std::string& path);
mode_t mode_of(const std::string& path);
std::string link_target(const std::string& path);
bool is_link(const std::string& path);

template <class T>
base::Task<void> keep_answer(base::Task<T> task, std::optional<T>* answer) {
  auto value = co_await std::move(task);
  answer->emplace(std::move(value));
}

// The names a kubelet's client certificate has.
CertificateNames node_names(const std::string& node);

}  // namespace keelson::kube::testing
