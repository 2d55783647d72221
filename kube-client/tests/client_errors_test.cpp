#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/envelope.hpp"
#include "kube-client/api_error.hpp"
#include "kube-client/resource_version.hpp"
#include "kube-client/retry.hpp"

namespace keelson::kube {
namespace {

using namespace std::chrono_literals;

api::meta::Status status_of(int code, const std::string& reason, const std::string& message) {
  api::meta::Status status;
  status.set_status("Failure");
  status.set_code(code);
  status.set_reason(reason);
  status.set_message(message);
  return status;
}

struct KindRow {
  int http_status;
  const char* reason;
  ErrorKind kind;
  int code;
};

constexpr KindRow kKindRows[] = {
    {400, "BadRequest", ErrorKind::invalid, 400},
    {401, "Unauthorized", ErrorKind::permission_denied, 401},
    {403, "Forbidden", ErrorKind::permission_denied, 403},
    {404, "NotFound", ErrorKind::not_found, 404},
    {405, "MethodNotAllowed", ErrorKind::unimplemented, 405},
    {406, "NotAcceptable", ErrorKind::invalid, 406},
    {408, "", ErrorKind::deadline_exceeded, 408},
    {409, "AlreadyExists", ErrorKind::already_exists, 409},
    {409, "Conflict", ErrorKind::conflict, 409},
    {409, "", ErrorKind::conflict, 409},
    {410, "Gone", ErrorKind::conflict, 410},
    {410, "Expired", ErrorKind::conflict, 410},
    {400, "Expired", ErrorKind::conflict, 410},
    {413, "RequestEntityTooLarge", ErrorKind::invalid, 413},
    {415, "UnsupportedMediaType", ErrorKind::invalid, 415},
    {422, "Invalid", ErrorKind::invalid, 422},
    {429, "TooManyRequests", ErrorKind::unavailable, 429},
    {500, "InternalError", ErrorKind::unavailable, 500},
    {502, "", ErrorKind::unavailable, 502},
    {503, "ServiceUnavailable", ErrorKind::unavailable, 503},
    {504, "Timeout", ErrorKind::deadline_exceeded, 504},
    {302, "", ErrorKind::invalid, 302},
};

TEST(ApiError, HasTheKindOfTheStatusAndTheServersMessageInEitherFormat) {
  for (const KindRow& row : kKindRows) {
    SCOPED_TRACE(std::to_string(row.http_status) + " " + row.reason);
    const auto status = status_of(row.http_status, row.reason, "nodes \"n1\" said no");
    for (const std::string& body : {api::encode_binary(status), api::encode_json(status)}) {
      const Error error = error_of(row.http_status, body);
      EXPECT_EQ(error.kind(), row.kind);
      EXPECT_EQ(error.code(), row.code);
      EXPECT_EQ(error.message(), "nodes \"n1\" said no");
    }
  }
}

struct TextRow {
  std::string body;
  std::string message;
};

TEST(ApiError, MakesOneLineOfWhatIsNoStatus) {
  const TextRow rows[] = {
      {"", "the server answered 503"},
      {" \n\t", "the server answered 503"},
      {"apiserver not ready\nmore\n", "the server answered 503: apiserver not ready"},
      {"\r\n<html>\x01</html>\r\n", "the server answered 503: <html> </html>"},
      {R"({"kind":"Pod","apiVersion":"v1"})", R"(the server answered 503: {"kind":"Pod","apiVersion":"v1"})"},
      {R"({"kind":"Status","apiVersion":"v1")", R"(the server answered 503: {"kind":"Status","apiVersion":"v1")"},
      {std::string("k8s\0\x01\x02", 6), "the server answered 503"},
      {api::encode_binary(status_of(503, "", "")), "the server answered 503"},
      {api::encode_json(status_of(503, "ServiceUnavailable", "")), "the server answered 503 (ServiceUnavailable)"},
      {std::string(5000, 'x'), "the server answered 503: " + std::string(512, 'x')},
  };
  for (const TextRow& row : rows) {
    const Error error = error_of(503, row.body);
    EXPECT_EQ(error.message(), row.message);
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
    EXPECT_EQ(error.code(), 503);
  }
}

TEST(ApiError, TakesTheCodeOfAnEventFromItsReasonWhenItHasNone) {
  EXPECT_EQ(error_of(status_of(0, "Expired", "too old resource version: 1 (9)")).code(), 410);
  EXPECT_EQ(error_of(status_of(410, "", "gone")).code(), 410);
  EXPECT_EQ(error_of(status_of(0, "Forbidden", "no")).kind(), ErrorKind::permission_denied);
  EXPECT_EQ(error_of(status_of(0, "", "what")).kind(), ErrorKind::unavailable);
  EXPECT_TRUE(is_expired(error_of(status_of(0, "Gone", ""))));
  EXPECT_FALSE(is_expired(error_of(status_of(0, "Conflict", ""))));
  EXPECT_TRUE(is_too_new(error_of(
      504, api::encode_json(status_of(504, "Timeout", "Timeout: Too large resource version: 9, current: 4")))));
}

struct RetryAfterRow {
  const char* value;
  std::optional<base::Duration> wait;
};

TEST(RetryAfter, IsSecondsOrADate) {
  const base::SystemTime now(std::chrono::seconds(784'111'770));  // Sun, 06 Nov 1994 08:49:30 GMT
  const RetryAfterRow rows[] = {
      {"1", 1s},
      {" 30 ", 30s},
      {"0", 0s},
      {"-1", std::nullopt},
      {"1.5", std::nullopt},
      {"soon", std::nullopt},
      {"", std::nullopt},
      {"99999999999999999999999", 1'000'000'000s},
      {"Sun, 06 Nov 1994 08:49:37 GMT", 7s},
      {"Sunday, 06-Nov-94 08:49:37 GMT", 7s},
      {"Sun Nov  6 08:49:37 1994", 7s},
      {"Sun, 06 Nov 1994 08:49:00 GMT", 0s},
      {"Sun, 06 Nov 1994 08:49:37 CET", std::nullopt},
  };
  for (const RetryAfterRow& row : rows) {
    const auto wait = parse_retry_after(row.value, now);
    EXPECT_EQ(wait, row.wait) << row.value;
  }
}

TEST(ResourceVersions, CompareAsNumbersOfAnyLength) {
  struct Row {
    const char* a;
    const char* b;
    bool a_older;
    bool b_older;
  };
  const Row rows[] = {
      {"9", "10", true, false},     {"10", "10", false, false},
      {"0010", "9", false, true},   {"99999999999999999999999998", "99999999999999999999999999", true, false},
      {"0", "1", true, false},      {"0", "00", false, false},
      {"abc", "abd", false, false}, {"", "1", false, false},
      {"1", "", false, false},      {"1a", "2", false, false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(older(row.a, row.b), row.a_older) << row.a << " " << row.b;
    EXPECT_EQ(older(row.b, row.a), row.b_older) << row.b << " " << row.a;
  }
  EXPECT_TRUE(not_newer("x", "x"));
  EXPECT_FALSE(not_newer("x", "y"));
  EXPECT_TRUE(not_newer("7", "7"));
}

}  // namespace
}  // namespace keelson::kube
