#include "kube-client/informer.hpp"

#include <algorithm>

#include "kube-client/api_error.hpp"
#include "kube-client/resource_version.hpp"
#include "kube-client/watch_query.hpp"
#include "kube-client/wire.hpp"

namespace keelson::kube {
namespace {

using api::meta::ObjectMeta;
using google::protobuf::Message;
using Round = WatchPlan::Round;
using End = WatchPlan::End;
using Step = WatchPlan::Step;

constexpr std::string_view kInitialEventsEnd = "k8s.io/initial-events-end";
constexpr base::Duration kInitialSilence = std::chrono::seconds(10);
constexpr base::Duration kGrace = std::chrono::seconds(30);
// A stream that lives so long is well, and the next complaint is a new one.
constexpr base::Duration kProven = std::chrono::minutes(1);

const google::protobuf::FieldDescriptor* metadata_field(const Message& message) {
  const auto* field = message.GetDescriptor()->FindFieldByName("metadata");
  KEELSON_CHECK(field != nullptr && field->message_type() == ObjectMeta::descriptor());
  return field;
}

const ObjectMeta& metadata_of(const Message& message) {
  return static_cast<const ObjectMeta&>(message.GetReflection()->GetMessage(message, metadata_field(message)));
}

// Half of an object's bytes, and of no use to a node. Clearing alone would keep their memory.
void drop_managed_fields(Message& message) {
  if (metadata_of(message).managedfields_size() == 0) return;
  auto& metadata =
      static_cast<ObjectMeta&>(*message.GetReflection()->MutableMessage(&message, metadata_field(message)));
  google::protobuf::RepeatedPtrField<api::meta::ManagedFieldsEntry> dropped;
  metadata.mutable_managedfields()->Swap(&dropped);
}

std::string key_of(const ObjectMeta& metadata) {
  return metadata.namespace_().empty() ? metadata.name() : metadata.namespace_() + "/" + metadata.name();
}

bool ends_initial_events(const ObjectMeta& metadata) {
  const auto found = metadata.annotations().find(std::string(kInitialEventsEnd));
  return found != metadata.annotations().end() && found->second == "true";
}

std::optional<Change> change_of(std::string_view type) {
  if (type == "ADDED") return Change::added;
  if (type == "MODIFIED") return Change::modified;
  if (type == "DELETED") return Change::removed;
  return std::nullopt;
}

Error nonsense(std::string message) { return Error(ErrorKind::invalid, std::move(message)); }

// An answer that could not be read as what it should be carries no status of its own.
Error without_code(const Error& error) { return Error(error.kind(), error.to_string()); }

Round ended_by(End end, Error error) {
  Round round{end, std::move(error), false, {}};
  return round;
}

Result<std::unique_ptr<Message>> new_list(const Message& prototype) {
  const api::TypeMeta* type = api::type_of(prototype);
  KEELSON_CHECK(type != nullptr && "an informer's type is an API object");
  return api::new_object({type->api_version, type->kind + "List"});
}

const api::meta::ListMeta& list_metadata_of(const Message& list) {
  const auto* field = list.GetDescriptor()->FindFieldByName("metadata");
  return static_cast<const api::meta::ListMeta&>(list.GetReflection()->GetMessage(list, field));
}

Call list_call(const std::string& path, Query query, const Message* prototype) {
  Call call;
  call.path = path;
  call.query = std::move(query);
  call.answer = prototype;
  return call;
}

}  // namespace

struct InformerBase::Stream {
  explicit Stream(api::WireFormat wire) : format(wire), reader(wire) {}

  api::WireFormat format;
  api::WatchReader reader;
  bool initial = false;                        // until the initial events have ended
  bool delivered = false;                      // at least one event
  std::map<std::string, MessagePtr> incoming;  // the initial events so far
};

InformerBase::InformerBase(Client& client, base::Random& random, Selection selection, const Message& prototype,
                           base::Logger log)
    : client_(client),
      random_(random),
      selection_(std::move(selection)),
      prototype_(prototype),
      path_(path_of(resource_of(prototype.GetDescriptor()), selection_.ns)),
      log_(log.with("watch", path_)),
      synced_bell_(client.loop()) {}

void InformerBase::start(base::Gate& gate) { base::spawn(gate, "informer " + path_, run()); }

base::Task<void> InformerBase::wait_synced() {
  while (!synced_) co_await synced_bell_.wait();
}

base::Task<void> InformerBase::run() {
  base::Clock& clock = client_.clock();
  while (true) {
    const base::SteadyTime started = clock.steady_now();
    auto round = co_await watch_once();
    round.lived = clock.steady_now() - started;
    if (round.lived > kProven) complaint_.clear();
    const base::Duration pause = plan_.ended(round, clock.steady_now(), random_);
    if (pause == base::Duration(0)) continue;
    failed(round, pause);
    co_await clock.sleep_for(pause);
  }
}

base::Task<Round> InformerBase::watch_once() {
  if (plan_.step() == Step::list) {
    auto listed = co_await list();
    if (!listed.ok()) co_return ended_by(End::failed, std::move(listed).error());
  }
  const bool initial = plan_.step() == Step::initial_events;
  const std::chrono::seconds length = watch_length(selection_, random_);
  Query query = initial ? watch_list_query(selection_, plan_.version(), length)
                        : watch_query(selection_, plan_.version(), length);
  std::string path = path_;
  auto stream = co_await client_.open(std::move(path), std::move(query));
  if (!stream.ok()) co_return ended_by(End::failed, std::move(stream).error());
  last_heard_ = client_.clock().steady_now();
  if (!initial) recovered();
  auto round = co_await read_stream(std::move(*stream), initial, length);
  co_return round;
}

base::Task<Status> InformerBase::list() {
  auto page = new_list(prototype_);
  if (!page.ok()) co_return page.error();
  const std::unique_ptr<Message> prototype = std::move(*page);
  std::map<std::string, MessagePtr> objects;
  std::string version;
  bool paged = true;
  Query query = list_query(selection_, plan_.version());
  while (true) {
    Call call = list_call(path_, query, prototype.get());
    auto answer = co_await client_.call(std::move(call));
    // Pages that have expired on the way are had by one whole list.
    if (!answer.ok() && is_expired(answer.error()) && !version.empty() && paged) {
      paged = false;
      objects.clear();
      version.clear();
      query = list_query(selection_, {}, false);
      continue;
    }
    if (!answer.ok()) co_return std::move(answer).error();
    const api::meta::ListMeta metadata = list_metadata_of(**answer);
    if (version.empty()) version = metadata.resourceversion();
    auto taken = take_page(**answer, objects);
    if (!taken.ok()) co_return std::move(taken).error();
    if (metadata.continue_().empty()) break;
    query = continue_query(selection_, metadata.continue_());
  }
  last_heard_ = client_.clock().steady_now();
  complete(std::move(objects), std::move(version));
  co_return Status();
}

Status InformerBase::take_page(Message& page, std::map<std::string, MessagePtr>& objects) {
  const auto* items = page.GetDescriptor()->FindFieldByName("items");
  KEELSON_CHECK(items != nullptr && items->is_repeated());
  const auto* reflection = page.GetReflection();
  const int count = reflection->FieldSize(page, items);
  for (int i = 0; i < count; ++i) {
    MessagePtr object(prototype_.New());
    object->GetReflection()->Swap(object.get(), reflection->MutableRepeatedMessage(&page, items, i));
    drop_managed_fields(*object);
    std::string key = key_of(metadata_of(*object));
    if (key.empty()) return nonsense("an object without a name in the list");
    objects[std::move(key)] = std::move(object);
  }
  return {};
}

base::Task<Round> InformerBase::read_stream(std::unique_ptr<HttpStream> source, bool initial,
                                            std::chrono::seconds length) {
  base::Clock& clock = client_.clock();
  const auto format = format_of(source->headers(), {});
  if (!format.ok()) co_return ended_by(End::failed, format.error());
  Stream stream(*format);
  stream.initial = initial;
  Round round = ended_by(End::ended, Error(ErrorKind::unavailable, "the watch ended"));
  const base::SteadyTime latest_end = clock.steady_now() + length + kGrace;
  while (true) {
    const base::Duration limit =
        stream.initial ? kInitialSilence : std::max<base::Duration>(latest_end - clock.steady_now(), kGrace);
    auto piece = co_await base::with_timeout(clock, limit, source->read());
    if (!piece.has_value()) {
      round.end = End::silent;
      round.error = Error(ErrorKind::deadline_exceeded, "the watch has said nothing for too long");
      break;
    }
    if (!piece->ok()) {
      round.end = End::cut;
      round.error = std::move(*piece).error();
      break;
    }
    if ((*piece)->empty()) {
      if (stream.reader.mid_frame()) round.end = End::cut;
      break;
    }
    last_heard_ = clock.steady_now();
    stream.reader.feed(**piece);
    auto taken = take_events(stream);
    if (!taken.ok()) {
      round.end = End::failed;
      round.error = std::move(taken).error();
      break;
    }
  }
  round.delivered = stream.delivered;
  co_return round;
}

Status InformerBase::take_events(Stream& stream) {
  while (true) {
    auto event = stream.reader.next();
    if (!event.ok()) return without_code(event.error());
    if (!event->has_value()) return {};
    KEELSON_TRY(take(std::move(**event), stream));
  }
}

Status InformerBase::take(api::WatchEvent event, Stream& stream) {
  if (event.type == "ERROR") {
    const auto* status = event.object.as<api::meta::Status>();
    return status != nullptr ? error_of(*status) : nonsense("an ERROR event without a Status");
  }
  if (event.object.message == nullptr || event.object.message->GetDescriptor() != prototype_.GetDescriptor()) {
    return nonsense("a watch event " + event.type + " of kind " + event.object.type.kind + ", expected " +
                    prototype_.GetDescriptor()->name());
  }
  MessagePtr object(std::move(event.object.message));
  if (event.type == "BOOKMARK") {
    const ObjectMeta& metadata = metadata_of(*object);
    stream.delivered = true;
    if (!stream.initial) {
      plan_.advance(metadata.resourceversion());
    } else if (ends_initial_events(metadata)) {
      stream.initial = false;
      complete(std::exchange(stream.incoming, {}), metadata.resourceversion());
    }
    return {};
  }
  const auto change = change_of(event.type);
  if (!change) {
    // A server of the future; what it means we cannot know, and asking again would not help.
    log_.warning("A watch event of a type that is not known is left out", {{"type", event.type}});
    return {};
  }
  if (metadata_of(*object).name().empty()) return nonsense("a watch event " + event.type + " of a nameless object");
  stream.delivered = true;
  drop_managed_fields(*object);
  take_change(*change, std::move(object), stream);
  return {};
}

void InformerBase::take_change(Change change, MessagePtr object, Stream& stream) {
  const ObjectMeta& metadata = metadata_of(*object);
  const std::string key = key_of(metadata);
  if (stream.initial) {
    if (change == Change::removed) {
      stream.incoming.erase(key);
    } else {
      stream.incoming[key] = std::move(object);
    }
    return;
  }
  const std::string version = metadata.resourceversion();
  if (!is_old(change, key, metadata)) {
    const auto before = held(key);
    // Deleted and made anew while we did not look: the end of the first must be told.
    const bool other = before.has_value() && before->uid != metadata.uid();
    if (other) apply(Change::removed, key, nullptr);
    if (!other || change != Change::removed) apply(change, key, std::move(object));
  }
  plan_.advance(version);
}

bool InformerBase::is_old(Change change, const std::string& key, const ObjectMeta& metadata) const {
  const auto before = held(key);
  const std::string& version = metadata.resourceversion();
  if (change == Change::removed) return !before.has_value() || older(version, before->version);
  if (before.has_value()) return not_newer(version, before->version);
  // Not held and from before where we are: it has come and gone already.
  return not_newer(version, plan_.position());
}

void InformerBase::complete(std::map<std::string, MessagePtr> objects, std::string version) {
  plan_.complete(std::move(version));
  recovered();
  replace(std::move(objects));
  if (std::exchange(synced_, true)) return;
  on_synced();
  synced_bell_.notify();
}

void InformerBase::recovered() {
  problem_.clear();
  if (!std::exchange(complained_, false)) return;
  log_.info("Watching again");
  if (again_) again_();
}

void InformerBase::failed(const Round& round, base::Duration pause) {
  problem_ = round.error.to_string();
  const double seconds = std::chrono::duration<double>(pause).count();
  if (problem_ == complaint_) {
    log_.debug(4, "Watching failed again", {{"error", problem_}, {"pause", seconds}});
    return;
  }
  complaint_ = problem_;
  complained_ = true;
  log_.warning("Watching failed, trying again", {{"error", problem_}, {"pause", seconds}});
}

}  // namespace keelson::kube
