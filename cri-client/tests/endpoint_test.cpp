#include "cri-client/endpoint.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <fstream>

#include "base/file.hpp"
#include "cri-client/tests/test_server.hpp"

namespace keelson::cri {
namespace {

TEST(Endpoint, TakesUnixUrlsAndBarePaths) {
  const struct {
    const char* endpoint;
    const char* path;
  } rows[] = {
      {"unix:///run/containerd/containerd.sock", "/run/containerd/containerd.sock"},
      {"unix:/run/x.sock", "/run/x.sock"},
      {"/run/x.sock", "/run/x.sock"},
      {"unix:///run/a%20b.sock", "/run/a b.sock"},
      {"unix:///run/x.sock?y=1#z", "/run/x.sock"},
      {"/run/with:colon", "/run/with:colon"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.endpoint);
    const auto path = socket_path(row.endpoint);
    ASSERT_TRUE(path.ok()) << path.error().to_string();
    EXPECT_EQ(*path, row.path);
  }
}

TEST(Endpoint, RefusesEverythingElseSayingWhatIsExpected) {
  const struct {
    std::string endpoint;
    const char* why;
  } rows[] = {
      {"", "it is empty"},
      {"tcp://127.0.0.1:1234", "\"tcp\" is not supported"},
      {"npipe:////./pipe/x", "\"npipe\" is not supported"},
      {"http://x/y", "\"http\" is not supported"},
      {"unix://", "it has no path"},
      {"unix:", "not absolute"},
      {"unix://run/x.sock", "not absolute"},
      {"run/x.sock", "not absolute"},
      {"unix:///run/%zz", "hexadecimal"},
      {"unix:///run/%00", "zero byte"},
      {"/" + std::string(107, 'x'), "at most 107"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.endpoint);
    const auto path = socket_path(row.endpoint);
    ASSERT_FALSE(path.ok());
    EXPECT_EQ(path.error().kind(), ErrorKind::invalid);
    EXPECT_NE(path.error().message().find(row.why), std::string::npos) << path.error().message();
    EXPECT_NE(path.error().message().find("expected unix:///absolute/path.sock"), std::string::npos);
  }
}

TEST(Endpoint, DiagnosesWhyASocketGivesNoAnswer) {
  const std::string directory = make_temporary_directory();
  const std::string absent = directory + "/absent.sock";
  EXPECT_EQ(diagnose(absent), "there is no socket at " + absent + ": is the container runtime running?");

  const std::string file = directory + "/file";
  std::ofstream(file) << "x";
  EXPECT_EQ(diagnose(file), file + " is not a socket");

  const std::string stale = directory + "/stale.sock";
  base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, stale.c_str());
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(diagnose(stale), stale + " refuses connections: nothing listens on it");

  ASSERT_EQ(listen(fd.get(), 1), 0);
  EXPECT_EQ(diagnose(stale), stale + " accepts connections but does not answer as a container runtime (gRPC) does");
  remove_temporary_directory(directory);
}

}  // namespace
}  // namespace keelson::cri
