#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "api/document.hpp"
#include "base/file.hpp"
#include "tests/support/api/apiserver_control.hpp"
#include "tests/support/api/apiserver_files.hpp"
#include "tests/support/api/apiserver_options.hpp"

namespace keelson::fakes {
namespace {

TEST(ApiServerOptions, AreReadWithEqualsSignsAndWithout) {
  const auto options = parse_api_server_options({"--dir", "/d", "--listen=0.0.0.0:6443", "--node=a", "--node", "b",
                                                 "--token=t=user,g1,g2", "--schedule", "--h1-only", "--name=api.test",
                                                 "--service-accounts", "--control", "/s"});
  ASSERT_TRUE(options.ok()) << options.error().to_string();
  EXPECT_EQ(options->directory, "/d");
  EXPECT_EQ(options->address, "0.0.0.0");
  EXPECT_EQ(options->port, 6443);
  EXPECT_EQ(options->nodes, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(options->names, std::vector<std::string>{"api.test"});
  EXPECT_EQ(options->tokens.at("t").name, "user");
  EXPECT_EQ(options->tokens.at("t").groups, (std::vector<std::string>{"g1", "g2"}));
  EXPECT_EQ(options->control, "/s");
  EXPECT_TRUE(options->schedule && options->service_accounts && options->http1_only);
}

TEST(ApiServerOptions, TakeAnIpv6Address) {
  const auto options = parse_api_server_options({"--dir=/d", "--listen=[::1]:0"});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->address, "::1");
}

TEST(ApiServerOptions, NameWhatIsWrong) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> rows = {
      {{}, "--dir is missing: see --help"},
      {{"--dir"}, "--dir: expected a value behind it"},
      {{"--dir="}, "--dir \"\": expected a value"},
      {{"--dir=/d", "--listen=1.2.3.4"}, "--listen \"1.2.3.4\": expected ADDRESS:PORT"},
      {{"--dir=/d", "--listen=:80"}, "--listen \":80\": expected ADDRESS:PORT"},
      {{"--dir=/d", "--listen=a:70000"}, "--listen \"a:70000\": expected ADDRESS:PORT with a port of 0 to 65535"},
      {{"--dir=/d", "--token=abc"}, "--token \"abc\": expected TOKEN=USER[,GROUP]..."},
      {{"--dir=/d", "--token=abc=,g"}, "--token \"abc=,g\": expected TOKEN=USER[,GROUP]..."},
      {{"--what"}, "unknown argument \"--what\": see --help"},
      {{"--what=x"}, "unknown argument \"--what=x\": see --help"},
  };
  for (const auto& [arguments, expected] : rows) {
    const auto options = parse_api_server_options(arguments);
    ASSERT_FALSE(options.ok()) << expected;
    EXPECT_EQ(options.error().message(), expected);
  }
}

class ApiServerFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/keelson-apiserver-test.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string read(const std::string& name) const { return base::read_file(directory_ + "/" + name).value_or(""); }

  std::string directory_;
};

TEST_F(ApiServerFiles, AreAKubeconfigForEachUser) {
  ApiServerOptions options;
  options.directory = directory_ + "/made";
  options.nodes = {"n1"};
  const auto ca = FakeCa::create();
  ASSERT_TRUE(write_api_server_files(options, ca, "https://127.0.0.1:6443").ok());
  EXPECT_EQ(read("made/ca.crt"), ca.certificate_pem());
  EXPECT_EQ(read("made/address"), "127.0.0.1:6443\n");
  for (const std::string name : {"admin.conf", "kubelet-n1.conf", "bootstrap-kubelet.conf"}) {
    const auto document = api::parse_document(read("made/" + name));
    ASSERT_TRUE(document.ok()) << name;
    const auto* user = document->find("users")->items.at(0).find("user");
    EXPECT_EQ(user->find("token") != nullptr, name == "bootstrap-kubelet.conf");
    EXPECT_EQ(user->find("client-key-data") != nullptr, name != "bootstrap-kubelet.conf");
    const auto mode = std::filesystem::status(directory_ + "/made/" + name).permissions();
    EXPECT_EQ(mode, std::filesystem::perms(0600)) << name;
  }
}

TEST_F(ApiServerFiles, ThatCannotBeWrittenAreNamed) {
  ApiServerOptions options;
  options.directory = "/proc/none";
  const auto status = write_api_server_files(options, FakeCa::create(), "https://x:1");
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().to_string().find("/proc/none"), std::string::npos);
}

TEST(ApiServerControl, ReadsAFault) {
  const auto fault = parse_fault(
      R"({"method":"PATCH","path_prefix":"/api","path_contains":"pods","times":3,"latency":1.5,"hang":true,)"
      R"("status":429,"retry_after":2,"reset":true,"after_effect":true,"half_body":true,"stale":true,"id":"a"})");
  ASSERT_TRUE(fault.ok()) << fault.error().to_string();
  EXPECT_EQ(fault->method, "PATCH");
  EXPECT_EQ(fault->path_prefix, "/api");
  EXPECT_EQ(fault->path_contains, "pods");
  EXPECT_EQ(fault->times, 3);
  EXPECT_EQ(fault->latency, std::chrono::milliseconds(1500));
  EXPECT_EQ(fault->status, 429);
  EXPECT_EQ(fault->retry_after, 2);
  EXPECT_EQ(fault->id, "a");
  EXPECT_TRUE(fault->hang && fault->reset && fault->after_effect && fault->half_body && fault->stale);
}

TEST(ApiServerControl, NamesWhatIsWrongWithAFault) {
  EXPECT_EQ(parse_fault(R"({"stat":1})").error().message(), "fault.stat: no such field");
  EXPECT_EQ(parse_fault(R"({"status":"x"})").error().message(), "fault.status: \"x\" is of a wrong type");
  EXPECT_EQ(parse_fault("nonsense").error().message(), "fault: expected an object");
}

class ApiServerCommands : public ::testing::Test {
 protected:
  nlohmann::json run(const std::string& line) { return nlohmann::json::parse(control_.run(line)); }
  static FakeCa authority(const FakeApi& api) { return std::move(*FakeCa::load(api.authority())); }

  class Handler final : public ApiHandler {
   public:
    base::Task<ApiAnswer> handle(ApiRequest) override { co_return ApiAnswer(); }
    std::optional<ApiUser> user_of_token(const std::string&) const override { return std::nullopt; }
  };

  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  FakeApi api_{loop_, clock_};
  FakeCa ca_ = authority(api_);
  Handler handler_;
  FakeApiServer server_{loop_, handler_, ca_};
  ApiServerControl control_{loop_, api_, server_, clock_};
};

TEST_F(ApiServerCommands, AreAnsweredWithOkOrAnError) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {R"({"cut_watches":"pods"})", ""},
      {R"({"cut_watches":null})", ""},
      {R"({"close_all":true})", ""},
      {R"({"go_away":true})", ""},
      {R"({"compact":true})", ""},
      {R"({"watch_list":false})", ""},
      {R"({"protobuf":true})", ""},
      {R"({"node_limits":true})", ""},
      {R"({"sign_requests":true})", ""},
      {R"({"fault":{"status":500,"id":"x"}})", ""},
      {R"({"remove_fault":"x"})", ""},
      {R"({"clear_faults":true})", ""},
      {R"({"clear_log":true})", ""},
      {R"({"fault":{"x":1}})", "fault.x: no such field"},
      {R"({"watch_list":"no"})", "watch_list: \"no\" is of a wrong type"},
      {R"({"else":1})", "unknown command \"else\""},
      {"{}", "expected one JSON object with one command, as {\"cut_watches\":\"pods\"}"},
      {"nonsense", "expected one JSON object with one command, as {\"cut_watches\":\"pods\"}"},
  };
  for (const auto& [line, error] : rows) {
    const auto answer = run(line);
    EXPECT_EQ(answer.value("error", ""), error) << line;
    EXPECT_EQ(answer.value("ok", false), error.empty()) << line;
  }
}

TEST_F(ApiServerCommands, TellHowMuchIsGoingOn) {
  const auto stats = run(R"({"stats":true})")["stats"];
  EXPECT_EQ(stats["connections"], 0);
  EXPECT_EQ(stats["watches"], 0);
  EXPECT_EQ(run(R"({"log":true})")["log"], nlohmann::json::array());
}

}  // namespace
}  // namespace keelson::fakes
