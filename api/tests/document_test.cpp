#include "api/document.hpp"

#include <gtest/gtest.h>

namespace keelson::api {
namespace {

std::string read(std::string_view text) {
  const auto node = parse_document(text);
  return node.ok() ? to_json(*node) : "error: " + node.error().to_string();
}

TEST(YamlDocument, ResolvesScalarsAsKubernetesDoes) {
  struct Row {
    const char* scalar;
    const char* json;
  };
  const Row rows[] = {
      {"yes", "true"},
      {"Yes", "true"},
      {"on", "true"},
      {"y", "true"},
      {"TRUE", "true"},
      {"no", "false"},
      {"off", "false"},
      {"n", "false"},
      {"False", "false"},
      {"yEs", "\"yEs\""},
      {"~", "null"},
      {"null", "null"},
      {"Null", "null"},
      {"", "null"},
      {"nULL", "\"nULL\""},
      {"1", "1"},
      {"-1", "-1"},
      {"+1", "1"},
      {"0", "0"},
      {"-0", "0"},
      {"0x1F", "31"},
      {"0X1f", "31"},
      {"-0x10", "-16"},
      {"0o17", "15"},
      {"0644", "420"},
      {"0b101", "5"},
      {"-0b11", "-3"},
      {"1_000", "1000"},
      {"0x", "\"0x\""},
      {"0b2", "\"0b2\""},
      {"08", "8"},
      {"0888", "888"},
      {"1.0", "1"},
      {"1.50", "1.5"},
      {".5", "0.5"},
      {"5.", "5"},
      {"+.5", "0.5"},
      {"1e3", "1000"},
      {"1E-7", "1e-7"},
      {"1e21", "1e+21"},
      {"1e20", "100000000000000000000"},
      {"1e999", "\"1e999\""},
      {"1e-999", "0"},
      {"1e", "\"1e\""},
      {"9223372036854775807", "9223372036854775807"},
      {"18446744073709551615", "18446744073709551615"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"99999999999999999999999", "1e+23"},
      {"0xFFFFFFFFFFFFFFFFF", "295147905179352825855"},
      {"1:30", "\"1:30\""},              // no base 60
      {"2026-01-02", "\"2026-01-02\""},  // timestamps stay text
      {"2026-01-02T03:04:05Z", "\"2026-01-02T03:04:05Z\""},
      {"10.0.0.1", "\"10.0.0.1\""},
      {"1.2.3", "\"1.2.3\""},
      {"-", "error"},
      {"1Gi", "\"1Gi\""},
      {"100m", "\"100m\""},
      {"\"yes\"", "\"yes\""},
      {"'1'", "\"1\""},
      {"\"\"", "\"\""},
      {"a b", "\"a b\""},
      {"!!str yes", "\"yes\""},
      {"!!str null", "\"null\""},
      {"!!str", "\"\""},
      {"!!str 1", "\"1\""},
      {"! 1", "\"1\""},
      {"!!int 5", "5"},
      {"!!int \"5\"", "5"},
      {"!!float 1", "1"},
      {"!!bool yes", "true"},
      {"!!null ~", "null"},
      {"!!binary aGVsbG8=", "\"hello\""},
      {"!!timestamp 2026-01-02", "\"2026-01-02\""},
      {"!custom 5", "\"5\""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.scalar);
    const std::string found = read("a: " + std::string(row.scalar) + "\n");
    if (std::string_view(row.json) == "error") {
      EXPECT_NE(found, "{\"a\":null}");
    } else {
      EXPECT_EQ(found, "{\"a\":" + std::string(row.json) + "}");
    }
  }
}

TEST(YamlDocument, RefusesScalarsWithoutMeaning) {
  for (const char* scalar :
       {".nan", ".inf", "-.Inf", "!!int x", "!!bool 1", "!!binary a", "!!binary /w==", "!!null 1"}) {
    const std::string found = read("a: " + std::string(scalar) + "\n");
    EXPECT_TRUE(found.starts_with("error: line 1, column 4: ")) << scalar << " gave " << found;
  }
}

TEST(YamlDocument, TurnsKeysIntoText) {
  EXPECT_EQ(read("1: a\ntrue: b\n1.5: c\nyes: d\n\"x y\": e\n"), R"({"1":"a","1.5":"c","true":"d","x y":"e"})");
  EXPECT_EQ(read("~: a\n"), "error: line 1, column 1: a field name must be a string, found null");
  EXPECT_EQ(read("? [a]\n: b\n"), "error: line 1, column 3: a field name must be a string, found list");
}

TEST(YamlDocument, KeepsPositions) {
  const auto node = parse_document("a: 1\nb:\n  - x\n  - {c: \"d\"}\n");
  ASSERT_TRUE(node.ok());
  EXPECT_EQ(node->entries[1].at.line, 2);
  EXPECT_EQ(node->entries[1].at.column, 1);
  const Node& list = *node->find("b");
  EXPECT_EQ(list.items[0].at.line, 3);
  EXPECT_EQ(list.items[0].at.column, 5);
  EXPECT_EQ(list.items[1].find("c")->at.line, 4);
  EXPECT_EQ(list.items[1].find("c")->at.column, 9);
}

TEST(YamlDocument, ExpandsAliasesAndMerges) {
  EXPECT_EQ(read("a: &x {k: 1}\nb: *x\n"), R"({"a":{"k":1},"b":{"k":1}})");
  EXPECT_EQ(read("a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3\n"), R"({"a":{"k":1,"l":2},"b":{"l":2,"k":3}})");
  EXPECT_EQ(read("b:\n  <<: [{k: 1}, {k: 2, l: 3}]\n"), R"({"b":{"l":3,"k":1}})");
  EXPECT_EQ(read("\"<<\": {k: 1}\n"), R"({"<<":{"k":1}})");
  EXPECT_EQ(read("<<: 5\n"),
            "error: line 1, column 5: expected an object or a list of objects to merge, found number 5");
  EXPECT_EQ(read("a: &x [*x]\n"), "error: line 1, column 8: alias to an anchor that contains it");
  EXPECT_EQ(read("a: *nobody\n"), "error: line 1, column 4: the referenced anchor is not defined");
}

TEST(YamlDocument, RefusesABillionLaughs) {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) text += (k > 0 ? ",*a" : "*a") + before;
    text += "]\n";
  }
  const std::string found = read(text);
  EXPECT_NE(found.find("more than 1000000 values in one document, aliases expanded"), std::string::npos)
      << found.substr(0, 200);
}

TEST(Document, RefusesWhatIsTooLargeOrTooDeep) {
  EXPECT_EQ(read(std::string(11 << 20, ' ')),
            "error: document of 11534336 bytes is larger than the limit of 10485760 bytes");
  for (const char* start : {"", "a: "}) {
    const std::string yaml = start + std::string(101, '[') + std::string(101, ']');
    EXPECT_NE(read(yaml).find("nested deeper than 100 levels"), std::string::npos) << read(yaml).substr(0, 200);
  }
  EXPECT_NE(read(std::string(5000, '[')).find("error: "), std::string::npos);
  std::string json;
  for (int i = 0; i < 101; ++i) json += "{\"a\":";
  EXPECT_NE(read(json).find("nested deeper than 100 levels"), std::string::npos);
  const auto many = parse_json("[1,2,3,4]", {.nodes = 4});
  EXPECT_FALSE(many.ok());
}

TEST(Document, RefusesBytesThatAreNoText) {
  EXPECT_EQ(read("a: b\nc: \xff\n"), "error: line 2, column 4: invalid UTF-8: expected text in UTF-8");
  for (const char* bytes : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xfe\xff"}) {
    EXPECT_NE(read("a: " + std::string(bytes)).find("invalid UTF-8"), std::string::npos);
  }
  EXPECT_EQ(read(std::string_view("a: \0b", 5)), "error: line 1, column 4: control character 0 is not allowed");
  EXPECT_EQ(read("{\"a\": \"\x01\"}"), "error: line 1, column 8: control character 1 is not allowed");
  EXPECT_EQ(read("a: \x7f"), "error: line 1, column 4: control character 127 is not allowed");
  EXPECT_EQ(read("{\"a\":\"\x7f\"}"), "{\"a\":\"\\u007f\"}");
  EXPECT_EQ(read("\xef\xbb\xbf"
                 "a: \xc3\xa4\n"),
            "{\"a\":\"\xc3\xa4\"}");
}

TEST(Document, EmptyTextIsNull) {
  for (const char* text : {"", "\n", "# comment\n", "---\n", "---\n---\n", "\t\n"})
    EXPECT_EQ(read(text), "null") << text;
}

TEST(Document, SeveralDocumentsAreRefusedOrListed) {
  const char* text = "a: 1\n---\n---\n# none\n---\nb: 2\n";
  EXPECT_EQ(read(text), "error: line 6, column 1: a second document starts here: expected one object per file");
  const auto first = parse_document(text, MultiDocument::first_only);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(to_json(*first), R"({"a":1})");
  const auto all = parse_documents(text);
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ(to_json((*all)[1]), R"({"b":2})");
  const auto json = parse_documents("{\"a\":1}\n{\"b\":2}\n");
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->size(), 2u);
  // What follows the first document does not matter to those who want only that.
  EXPECT_TRUE(parse_document("a: 1\n---\nb: [\n", MultiDocument::first_only).ok());
  EXPECT_FALSE(parse_documents("a: 1\n---\nb: [\n").ok());
}

TEST(Document, LastDuplicateCountsAndKnowsTheFirst) {
  for (const char* text : {"a: 1\nb: 2\na: 3\na: 4\n", "{\"a\": 1,\n\"b\": 2,\n\"a\": 3,\n\"a\": 4}"}) {
    const auto node = parse_document(text);
    ASSERT_TRUE(node.ok());
    EXPECT_EQ(to_json(*node), R"({"b":2,"a":4})");
    EXPECT_TRUE(node->entries[0].shadowed);
    EXPECT_TRUE(node->entries[2].shadowed);
    EXPECT_EQ(node->entries[3].first.line, 1);
    EXPECT_EQ(node->find("a")->text, "4");
  }
}

TEST(JsonDocument, ReadsAllOfJson) {
  EXPECT_EQ(
      read(
          R"( {"a" : [ ] , "b":{}, "c":[1,-2.50,3e+2,0], "d":[true,false,null], "e":"\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00"} )"),
      "{\"a\":[],\"b\":{},\"c\":[1,-2.50,3e+2,0],\"d\":[true,false,null],\"e\":\"\\\"\\\\/"
      "\\b\\f\\n\\r\\t\xc3\xa4\xf0\x9f\x98\x80\"}");
  EXPECT_EQ(read(R"({"a":"\ud800","b":"\udc00x","c":"\ud800\u0041"})"),
            "{\"a\":\"\xef\xbf\xbd\",\"b\":\"\xef\xbf\xbdx\",\"c\":\"\xef\xbf\xbd"
            "A\"}");
}

TEST(JsonDocument, SaysWhereItIsBroken) {
  struct Row {
    const char* text;
    const char* error;
  };
  const Row rows[] = {
      {"{", "line 1, column 2: expected a field name in double quotes, found the end of the text"},
      {"{a: 1}", "line 1, column 2: expected a field name in double quotes, found \"a\""},
      {"{\"a\" 1}", "line 1, column 6: expected ':' behind a field name, found \"1\""},
      {"{\"a\":1,}", "line 1, column 8: expected a field name in double quotes, found \"}\""},
      {"{\"a\":[1 2]}", "line 1, column 9: expected ',' or ']' in a list, found \"2\""},
      {"{\"a\":[1,]}", "line 1, column 9: expected a JSON value, found \"]\""},
      {"{\n \"a\": tru}", "line 2, column 7: expected a JSON value, found \"t\""},
      {"{\"a\":01}", "line 1, column 7: a number must not start with 0"},
      {"{\"a\":-}", "line 1, column 7: expected a digit, found \"}\""},
      {"{\"a\":1.}", "line 1, column 8: expected a digit behind the decimal point, found \"}\""},
      {"{\"a\":1e}", "line 1, column 8: expected a digit in the exponent, found \"}\""},
      {"{\"a\":\"b}", "line 1, column 6: string without a closing quote"},
      {"{\"a\":\"\\x\"}", "line 1, column 8: unknown escape"},
      {"{\"a\":\"\\u12\"}", "line 1, column 9: expected four hexadecimal digits"},
      {"{\"a\":\"b\nc\"}", "line 1, column 8: control character in a string"},
      {"{} x", "line 1, column 4: expected the end of the text, found \"x\""},
      {"{}{}", "line 1, column 3: expected the end of the text, found \"{\""},
      {"{\"a\":1 /* */}", "line 1, column 8: expected ',' or '}' in an object, found \"/\""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    EXPECT_TRUE(read(row.text).starts_with("error: " + std::string(row.error))) << read(row.text);
  }
  EXPECT_FALSE(parse_json("a: 1").ok());
  EXPECT_FALSE(parse_json("").ok());
}

TEST(YamlDocument, RefusesHalfWrittenText) {
  struct Row {
    const char* text;
    const char* error;
  };
  const Row rows[] = {
      {"a: \"x\n", "line 1, column 4: string without a closing quote"},
      {"a: 'x''\n", "line 1, column 4: string without a closing quote"},
      {"a: 'x", "line 1, column 6: illegal EOF in scalar"},
      {"a: \"x\\\"", "line 1, column 8: illegal EOF in scalar"},
      {"a: !!str &x \"x\n", "line 1, column 4: string without a closing quote"},
      {"a: 1\n\"b", "line 2, column 3: illegal EOF in scalar"},
      {"a: 1\nhostNetwork\n", "line 2, column 1: expected ':' behind the field name \"hostNetwork\""},
      {"a:\n  b: 1\n  c", "line 3, column 3: expected ':' behind the field name \"c\""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    EXPECT_EQ(read(row.text), "error: " + std::string(row.error));
  }
  EXPECT_EQ(read("a: {b, c: 1}\n? d\ne:\nf: \"\"\ng: ''"), R"({"a":{"b":null,"c":1},"d":null,"e":null,"f":"","g":""})");
}

TEST(YamlDocument, SaysWhereItIsBroken) {
  for (const char* text : {"a: [1,2\nb: }\n", "a: b: c\n", "a\n b: c\n- d\n", "\ta: b\n", "- a\nb: c\n", "%YAML 9\n",
                           "a: &\n", "key: |\n bad\n  - x\nfoo"}) {
    const std::string found = read(text);
    EXPECT_TRUE(found.starts_with("error: line ")) << text << " gave " << found;
  }
}

}  // namespace
}  // namespace keelson::api
