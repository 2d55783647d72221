// JSON merge patch (examples of RFC 7386) and JSON patch (examples of RFC 6902 and its corners).
#include <gtest/gtest.h>

#include "api/node_edit.hpp"
#include "api/patch.hpp"

namespace keelson::api {
namespace {

Node tree(std::string_view text) {
  // parse_json takes objects only as a document, which is what bodies are; wrapped, anything goes.
  auto node = parse_json("{\"it\":" + std::string(text) + "}");
  EXPECT_TRUE(node.ok()) << text << ": " << node.error().to_string();
  return node.ok() ? *node->find("it") : Node();
}

TEST(MergePatch, FollowsTheExamplesOfRfc7386) {
  struct Row {
    const char* original;
    const char* patch;
    const char* result;
  };
  const Row rows[] = {
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {R"({"a":"b"})", R"({"a":null})", R"({})"},
      {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
      {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
      {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
      {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
      {R"({"a":"foo"})", "null", "null"},
      {R"({"a":"foo"})", R"("bar")", R"("bar")"},
      {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
      {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
      {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(to_json(merge_apply(tree(row.original), tree(row.patch))), row.result) << row.original << row.patch;
  }
}

TEST(MergePatch, IsTheDifferenceThatGivesTheNewObject) {
  struct Row {
    const char* from;
    const char* to;
    const char* patch;
  };
  const Row rows[] = {
      {R"({"a":1,"b":[1]})", R"({"a":1.0,"b":[1]})", R"({})"},
      {R"({"b":1,"a":{"x":1,"y":2}})", R"({"a":{"y":3,"z":[]}})", R"({"a":{"x":null,"y":3,"z":[]},"b":null})"},
      {R"({"a":[{"x":1}]})", R"({"a":[{"x":1},{}]})", R"({"a":[{"x":1},{}]})"},
      {R"({"a":{"x":1}})", R"({"a":"s"})", R"({"a":"s"})"},
      {R"([1])", R"([2])", R"([2])"},
  };
  for (const Row& row : rows) {
    const Node patch = merge_diff(tree(row.from), tree(row.to));
    EXPECT_EQ(to_json(patch), row.patch);
    EXPECT_TRUE(internal::equal(merge_apply(tree(row.from), patch), tree(row.to))) << row.patch;
  }
}

struct Row {
  const char* original;
  const char* patch;
  const char* result;
};

TEST(JsonPatch, KnowsAllOperations) {
  const Row rows[] = {
      {R"({"foo":"bar"})", R"([{"op":"add","path":"/baz","value":"qux"}])", R"({"foo":"bar","baz":"qux"})"},
      {R"({"foo":["bar","baz"]})", R"([{"op":"add","path":"/foo/1","value":"qux"}])", R"({"foo":["bar","qux","baz"]})"},
      {R"({"foo":["bar"]})", R"([{"op":"add","path":"/foo/-","value":["abc"]}])", R"({"foo":["bar",["abc"]]})"},
      {R"({"foo":["bar"]})", R"([{"op":"add","path":"/foo/1","value":1}])", R"({"foo":["bar",1]})"},
      {R"({"a":1})", R"([{"op":"add","path":"/a","value":2}])", R"({"a":2})"},
      {R"({"a":1})", R"([{"op":"add","path":"","value":[2]}])", R"([2])"},
      {R"({"a":1,"b":2})", R"([{"op":"remove","path":"/a"}])", R"({"b":2})"},
      {R"({"a":[1,2,3]})", R"([{"op":"remove","path":"/a/1"}])", R"({"a":[1,3]})"},
      {R"({"a":1})", R"([{"op":"replace","path":"/a","value":null}])", R"({"a":null})"},
      {R"({"a":{"b":1},"c":{}})", R"([{"op":"move","from":"/a/b","path":"/c/d"}])", R"({"a":{},"c":{"d":1}})"},
      {R"({"a":[1,2,3]})", R"([{"op":"move","from":"/a/0","path":"/a/2"}])", R"({"a":[2,3,1]})"},
      {R"({"a":{"b":1}})", R"([{"op":"copy","from":"/a","path":"/c"}])", R"({"a":{"b":1},"c":{"b":1}})"},
      {R"({"a/b":{"m~n":1}})", R"([{"op":"replace","path":"/a~1b/m~0n","value":2}])", R"({"a/b":{"m~n":2}})"},
      {R"({"":{"~1":1}})", R"([{"op":"remove","path":"//~01"}])", R"({"":{}})"},
      {R"({"a":[1,{"b":"c"}]})",
       R"([{"op":"test","path":"/a","value":[1.0,{"b":"c"}]},{"op":"add","path":"/d","value":1,"junk":2}])",
       R"({"a":[1,{"b":"c"}],"d":1})"},
      {R"({"a":1})", R"([])", R"({"a":1})"},
  };
  for (const Row& row : rows) {
    const auto result = json_patch_apply(tree(row.original), tree(row.patch));
    ASSERT_TRUE(result.ok()) << row.patch << ": " << result.error().to_string();
    EXPECT_EQ(to_json(*result), row.result) << row.patch;
  }
}

TEST(JsonPatch, RefusesAndSaysWhichOperation) {
  const Row rows[] = {
      {R"({"a":1})", R"({})", "a list of operations was expected, got object"},
      {R"({"a":1})", R"([{"op":"test","path":"/a","value":2}])",
       R"(operation 0: path string "/a": test failed: found number 1, expected number 2)"},
      {R"({"a":1})", R"([{"op":"add","path":"/b","value":1},{"op":"remove","path":"/c"}])",
       R"(operation 1: path string "/c": there is no such value)"},
      {R"({"a":1})", R"([{"op":"replace","path":"/c","value":1}])",
       R"(operation 0: path string "/c": there is no such value)"},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/2","value":1}])",
       R"(operation 0: path string "/a/2": "2" is no index of a list of 1 elements)"},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/00","value":1}])",
       R"(operation 0: path string "/a/00": "00" is no index of a list of 1 elements)"},
      {R"({"a":[1]})", R"([{"op":"remove","path":"/a/-"}])",
       R"(operation 0: path string "/a/-": there is no such value)"},
      {R"({"a":1})", R"([{"op":"add","path":"/a/b","value":1}])",
       R"(operation 0: path string "/a/b": there is nothing to add to)"},
      {R"({"a":1})", R"([{"op":"add","path":"a","value":1}])",
       R"(operation 0: path string "a": pointer "a" does not start with /)"},
      {R"({"a":1})", R"([{"op":"add","path":"/a~2","value":1}])",
       R"(operation 0: path string "/a~2": pointer "/a~2": ~ is followed by neither 0 nor 1)"},
      {R"({"a":1})", R"([{"op":"add","path":"/b"}])", R"(operation 0: path string "/b": "value" is missing)"},
      {R"({"a":1})", R"([{"op":"fly","path":"/b"}])", R"(operation 0: path string "/b": unknown op "fly")"},
      {R"({"a":1})", R"([{"path":"/b"}])", R"(operation 0: path string "/b": "op" must be a string)"},
      {R"({"a":1})", R"([{"op":"remove"}])", R"(operation 0: "path" must be a string)"},
      {R"({"a":{"b":1}})", R"([{"op":"move","from":"/a","path":"/a/b"}])",
       R"(operation 0: path string "/a/b": a value cannot be moved into itself)"},
      {R"({"a":1})", R"([{"op":"copy","from":"/x","path":"/b"}])",
       R"(operation 0: path string "/b": there is nothing at "from")"},
      {R"({"a":1})", R"([{"op":"copy","path":"/b"}])", R"(operation 0: path string "/b": "from" must be a string)"},
  };
  for (const Row& row : rows) {
    const auto result = json_patch_apply(tree(row.original), tree(row.patch));
    ASSERT_FALSE(result.ok()) << row.patch;
    EXPECT_EQ(result.error().message(), row.result) << row.patch;
  }
}

}  // namespace
}  // namespace keelson::api
