#include "api/message_plan.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "api/envelope.hpp"
#include "api/proto/options.pb.h"
#include "base/result.hpp"

namespace keelson::api::internal {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

struct SpecialName {
  std::string_view full_name;
  Special special;
};

constexpr std::array kSpecials = {
    SpecialName{"k8s.resource.Quantity", Special::quantity},
    SpecialName{"k8s.intstr.IntOrString", Special::int_or_string},
    SpecialName{"k8s.meta.v1.Time", Special::time},
    SpecialName{"k8s.meta.v1.MicroTime", Special::micro_time},
    SpecialName{"k8s.meta.v1.Duration", Special::duration},
    SpecialName{"k8s.runtime.RawExtension", Special::raw_extension},
    SpecialName{"k8s.meta.v1.FieldsV1", Special::fields_v1},
    SpecialName{"k8s.meta.v1.Verbs", Special::string_list},
    SpecialName{"k8s.authentication.v1.ExtraValue", Special::string_list},
    SpecialName{"k8s.authorization.v1.ExtraValue", Special::string_list},
    SpecialName{"k8s.certificates.v1.ExtraValue", Special::string_list},
};

class Plans {
 public:
  Plans() {
    // Messages that are reached from an API object; the others are added below with their file.
    for (const TypeMeta& type : known_types()) {
      auto prototype = new_object(type);
      if (prototype.ok()) add_file((*prototype)->GetDescriptor()->file());
    }
    for (auto& [descriptor, plan] : plans_) add_keys(*plan, *plan, {});
    for (auto& [descriptor, plan] : plans_) {
      std::sort(plan->keys.begin(), plan->keys.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    }
  }

  const MessagePlan& get(const Descriptor* descriptor) const {
    const auto found = plans_.find(descriptor);
    KEELSON_CHECK(found != plans_.end() && "a message of api/proto");
    return *found->second;
  }

 private:
  void add_file(const google::protobuf::FileDescriptor* file) {
    for (int i = 0; i < file->message_type_count(); ++i) add(file->message_type(i));
  }

  MessagePlan* add(const Descriptor* descriptor) {
    auto& plan = plans_[descriptor];
    if (plan != nullptr) return plan.get();
    plan = std::make_unique<MessagePlan>();
    MessagePlan* out = plan.get();
    out->descriptor = descriptor;
    out->object = type_of(descriptor) != nullptr;
    const auto special = std::find_if(kSpecials.begin(), kSpecials.end(),
                                      [&](const SpecialName& s) { return s.full_name == descriptor->full_name(); });
    if (special != kSpecials.end()) out->special = special->special;
    out->fields.reserve(static_cast<std::size_t>(descriptor->field_count()));
    for (int i = 0; i < descriptor->field_count(); ++i) out->fields.push_back(field_plan(descriptor->field(i)));
    return out;
  }

  FieldPlan field_plan(const FieldDescriptor* field) {
    FieldPlan out;
    out.field = field;
    const auto& options = field->options();
    out.pointer = options.GetExtension(k8s::options::pointer);
    out.inlined = options.GetExtension(k8s::options::inlined);
    out.always = options.GetExtension(k8s::options::always);
    out.nullable_always = options.GetExtension(k8s::options::nullable_always);
    const FieldDescriptor* value = field->is_map() ? field->message_type()->map_value() : field;
    if (value->message_type() != nullptr) out.message = add(value->message_type());
    return out;
  }

  static void add_keys(MessagePlan& target, const MessagePlan& from, const std::vector<const FieldPlan*>& path) {
    for (const FieldPlan& field : from.fields) {
      std::vector<const FieldPlan*> longer = path;
      longer.push_back(&field);
      if (field.inlined) {
        add_keys(target, *field.message, longer);
      } else {
        target.keys.push_back({field.name(), std::move(longer)});
      }
    }
  }

  std::map<const Descriptor*, std::unique_ptr<MessagePlan>> plans_;
};

}  // namespace

const MessagePlan::Key* MessagePlan::find(std::string_view name) const {
  const auto found =
      std::lower_bound(keys.begin(), keys.end(), name, [](const Key& key, std::string_view n) { return key.name < n; });
  return found != keys.end() && found->name == name ? &*found : nullptr;
}

const MessagePlan& plan_of(const Descriptor* descriptor) {
  static const Plans plans;
  return plans.get(descriptor);
}

}  // namespace keelson::api::internal
