// PatchSchema: how the fields of a type are patched by a strategic merge; internal to api.
//
// A table of the lists that merge, over the message plans; whatever is not in it is replaced whole (lists) or merged
// (objects), as for types without rules. Pure, any thread. Source: the patchStrategy and patchMergeKey tags of the
// Kubernetes v1.36 types.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <string_view>

namespace keelson::api::internal {

struct PatchField {
  const google::protobuf::Descriptor* type = nullptr;  // of the object, or of a list's elements; null: no rules below
  bool merges = false;                                 // a list whose elements are merged, not replaced
  std::string_view key;                                // of merging objects; empty: the elements are scalars
  bool retain_keys = false;                            // an element keeps only what $retainKeys names
};

// What is known of member `name` of an object of that type. Inlined fields count as members.
PatchField patch_field(const google::protobuf::Descriptor* type, std::string_view name);

inline constexpr std::string_view kDirective = "$patch";
inline constexpr std::string_view kRetainKeys = "$retainKeys";
inline constexpr std::string_view kSetElementOrder = "$setElementOrder/";
inline constexpr std::string_view kDeleteFromPrimitiveList = "$deleteFromPrimitiveList/";

}  // namespace keelson::api::internal
