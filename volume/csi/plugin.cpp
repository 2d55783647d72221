#include "volume/csi/plugin.hpp"

#include "volume/csi/files.hpp"
#include "volume/csi/names.hpp"
#include "volume/csi/paths.hpp"
#include "volume/csi/plugin_internal.hpp"
#include "volume/manager/selinux.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {

using base::Task;

namespace {

constexpr int kResourceExhausted = 8;

}  // namespace

CsiPlugin::CsiPlugin(Base base) : base_(std::move(base)) {}

std::optional<CsiClient> CsiPlugin::client_of(const std::string& driver, bool migrated) {
  const auto known = base_.drivers.find(driver);
  if (!known) return std::nullopt;
  return CsiClient(base_.channels, base_.clock, known->endpoint, {base_.metrics, driver, migrated});
}

VolData CsiPlugin::data_of(const CsiVolume& volume) const {
  VolData data;
  data.spec_vol_id = volume.name;
  data.volume_handle = volume.handle;
  data.driver_name = volume.driver;
  data.node_name = base_.node_name;
  data.attachment_id = csi_attachment_name(volume.handle, volume.driver, base_.node_name);
  return data;
}

Task<VolumeResult<CsiTraits>> CsiPlugin::traits(std::string driver) {
  const auto object = co_await base_.cluster.driver(std::move(driver));
  if (!object.ok()) co_return transient_error(object.error());
  co_return csi_traits(object->get());
}

Task<VolumeStatus> CsiPlugin::check_attached(CsiVolume volume) {
  const auto traits = co_await this->traits(volume.driver);
  if (!traits.ok()) co_return traits.error();
  if (volume.inline_volume || !traits->attach_required) co_return VolumeStatus();
  const std::string id = csi_attachment_name(volume.handle, volume.driver, base_.node_name);
  const auto attachment = co_await base_.cluster.attachment(id);
  co_return csi::judge_attachment(volume.handle, id, attachment);
}

Task<bool> CsiPlugin::is_node_full(CsiVolume volume) {
  const auto traits = co_await this->traits(volume.driver);
  if (!traits.ok() || traits->allocatable_update_seconds.value_or(0) <= 0) co_return false;
  const std::string id = csi_attachment_name(volume.handle, volume.driver, base_.node_name);
  const auto attachment = co_await base_.cluster.attachment(id);
  if (!attachment.ok() || attachment->attach_error_code.value_or(0) != kResourceExhausted) co_return false;
  if (base_.count_again) co_await base_.count_again(volume.driver);
  co_return true;
}

Task<VolumeResult<CsiMap>> CsiPlugin::publish_context(CsiVolume volume, CsiTraits traits, std::string what) {
  if (!traits.attach_required) co_return CsiMap();
  const std::string id = csi_attachment_name(volume.handle, volume.driver, base_.node_name);
  auto attachment = co_await base_.cluster.attachment(id);
  if (!attachment.ok()) co_return transient_error(std::move(attachment).error().wrap(what));
  co_return std::move(attachment->metadata);
}

Task<VolumeResult<CsiMap>> CsiPlugin::secret_of(std::optional<CsiSecretRef> reference, std::string what) {
  if (!reference) co_return CsiMap();
  auto data = co_await base_.cluster.secret(reference->ns, reference->name);
  if (data.ok()) co_return std::move(*data);
  co_return transient_error(
      std::move(data).error().wrap("fetching " + what + " " + reference->ns + "/" + reference->name + " failed"));
}

Task<VolumeResult<CsiMap>> CsiPlugin::tokens_of(CsiPod pod, CsiTraits traits) {
  CsiMap out;
  if (traits.token_requests.empty()) co_return out;
  std::map<std::string, CsiToken> tokens;
  for (std::size_t i = 0; i < traits.token_requests.size(); ++i) {
    const CsiTraits::TokenRequest& request = traits.token_requests[i];
    auto token = co_await base_.cluster.token(pod, request.audience, request.expiration_seconds);
    if (!token.ok()) {
      co_return transient_error(
          std::move(token).error().wrap(csi::text("mounter.SetUpAt failed to get service accoount token attributes")));
    }
    tokens[request.audience] = std::move(*token);
  }
  out[csi_tokens_key] = csi_tokens_json(tokens);
  co_return out;
}

// --- Stage

Task<VolumeStatus> CsiPlugin::stage(CsiStage wanted) {
  const Written written = std::make_shared<bool>(false);
  const std::string path = csi_staging_path(base_.root, wanted.volume.driver, wanted.volume.handle);
  VolumeStatus done = co_await try_stage(std::move(wanted), written);
  if (csi::is_final(done) && *written) {
    const Status cleaned = co_await clean_mount(path);
    tell_left(path, cleaned);
  }
  co_return done;
}

Task<VolumeResult<CsiPlugin::Staging>> CsiPlugin::begin_staging(CsiVolume volume, StagingTexts texts) {
  auto client = client_of(volume.driver, volume.migrated);
  if (!client) co_return csi::no_driver(texts.no_client, volume.driver);
  const auto can = co_await client->capabilities();
  if (!can.ok()) co_return can.error();
  const auto traits = co_await this->traits(volume.driver);
  if (!traits.ok()) co_return traits.error();
  CsiStageRequest request;
  auto context = co_await publish_context(volume, *traits, texts.no_context);
  if (!context.ok()) co_return std::move(context).error();
  request.publish_context = std::move(*context);
  if (can->stage_unstage) {
    auto secrets = co_await secret_of(volume.stage_secret, "NodeStageSecretRef");
    if (!secrets.ok()) co_return std::move(secrets).error();
    request.secrets = std::move(*secrets);
  }
  request.volume_id = volume.handle;
  request.volume_context = volume.attributes;
  request.use.access_mode = csi_access_mode_of(volume);
  Staging begun{std::move(*client), *can, *traits, std::move(request)};
  co_return begun;
}

Task<VolumeStatus> CsiPlugin::try_stage(CsiStage wanted, Written written) {
  const CsiVolume& volume = wanted.volume;
  const StagingTexts texts{"attacher.MountDevice failed to create newCsiDriverClient",
                           "attacher.MountDevice failed to fetch publishContext"};
  auto begun = co_await begin_staging(volume, texts);
  if (!begun.ok()) co_return std::move(begun).error();
  CsiStageRequest& request = begun->request;
  const std::string directory = csi_staging_dir(base_.root, volume.driver, volume.handle);
  request.staging_path = csi_staging_path(base_.root, volume.driver, volume.handle);
  const Status made = co_await prepare(request.staging_path, std::nullopt);
  if (!made.ok()) co_return transient_error(made.error().wrap(csi::text("attacher.MountDevice failed to create dir")));
  if (!begun->can.stage_unstage) co_return VolumeStatus();

  request.use.fs_type = volume.fs_type;
  request.use.mount_flags = volume.mount_options;
  const auto can_group = co_await begun->client.capabilities();
  if (!can_group.ok()) co_return can_group.error();
  if (can_group->volume_mount_group && wanted.fs_group) request.use.mount_group = std::to_string(*wanted.fs_group);
  VolData data;
  data.volume_handle = volume.handle;
  data.driver_name = volume.driver;
  if (begun->traits.selinux_mount && !wanted.selinux_label.empty()) {
    request.use.mount_flags.push_back(context_option(wanted.selinux_label));
    data.selinux_mount_context = wanted.selinux_label;
  }
  const Status saved = co_await prepare(directory, data);
  if (!saved.ok()) co_return transient_error(saved.error().wrap(csi::text("failed to save volume info data")));
  *written = true;
  VolumeStatus done = co_await begun->client.stage(std::move(request));
  co_return done;
}

Task<VolumeStatus> CsiPlugin::unstage(std::string driver, std::string handle) {
  const std::string directory = csi_staging_dir(base_.root, driver, handle);
  const std::string path = csi_staging_path(base_.root, driver, handle);
  const auto data = co_await load(directory);
  if (!data.ok()) {
    // Without it nothing was staged; what the failed attempt left goes.
    const Status cleaned = co_await clean_unknown(path, data.error());
    if (cleaned.ok()) co_return VolumeStatus();
    co_return uncertain_error(cleaned.error());
  }
  const Status unused = co_await check_unused(path);
  if (!unused.ok()) co_return transient_error(unused.error());
  auto client = client_of(data->driver_name);
  if (!client)
    co_return csi::no_driver("attacher.UnmountDevice failed to create newCsiDriverClient", data->driver_name);
  const auto can = co_await client->capabilities();
  if (!can.ok()) {
    co_return uncertain_error(
        can.error().error.wrap(csi::text("attacher.UnmountDevice failed to check whether STAGE_UNSTAGE_VOLUME set")));
  }
  if (can->stage_unstage) {
    const VolumeStatus done = co_await client->unstage(data->volume_handle, path);
    if (!done.ok()) co_return uncertain_error(done.error().error.wrap(csi::text("attacher.UnmountDevice failed")));
  }
  const Status cleaned = co_await clean_mount(path);
  if (cleaned.ok()) co_return VolumeStatus();
  co_return uncertain_error(cleaned.error().wrap("failed to clean up global mount " + directory));
}

// --- Publish

Task<VolumeResult<CsiPublished>> CsiPlugin::publish(CsiPublish wanted) {
  const Written written = std::make_shared<bool>(false);
  const std::string path = csi_target_path(base_.root, wanted.pod.uid, wanted.volume.name);
  const bool keep = wanted.republish || wanted.restored;
  VolumeResult<CsiPublished> done = co_await try_publish(std::move(wanted), written);
  if (csi::is_final(done) && *written && !keep) {
    const Status cleaned = co_await clean_mount(path);
    tell_left(path, cleaned);
  }
  co_return done;
}

Task<VolumeResult<CsiPublished>> CsiPlugin::try_publish(CsiPublish wanted, Written written) {
  const CsiVolume& volume = wanted.volume;
  if (const Status plain = check_element("pod uid", wanted.pod.uid); !plain.ok()) co_return final_error(plain.error());
  auto client = client_of(volume.driver, volume.migrated);
  if (!client) co_return csi::no_driver("mounter.SetUpAt failed to get CSI client", volume.driver);
  const auto traits = co_await this->traits(volume.driver);
  if (!traits.ok()) {
    co_return transient_error(
        traits.error().error.wrap(csi::text("mounter.SetupAt failed to check volume lifecycle mode")));
  }
  if (const Status allowed = check_lifecycle_mode(volume, *traits); !allowed.ok()) {
    co_return transient_error(allowed.error().wrap(csi::text("mounter.SetupAt failed to check volume lifecycle mode")));
  }
  CsiPublished published;
  CsiPublishRequest request;
  request.volume_id = volume.handle;
  request.target_path = csi_target_path(base_.root, wanted.pod.uid, volume.name);
  request.read_only = volume.read_only;
  if (!volume.inline_volume) {
    const auto can = co_await client->capabilities();
    if (!can.ok()) co_return can.error();
    if (can->stage_unstage) request.staging_path = csi_staging_path(base_.root, volume.driver, volume.handle);
    auto context =
        co_await publish_context(volume, *traits, csi::text("mounter.SetUpAt failed to fetch publishContext"));
    if (!context.ok()) co_return std::move(context).error();
    request.publish_context = std::move(*context);
  }
  const std::string directory = csi_volume_dir(base_.root, wanted.pod.uid, volume.name);
  const Status made = co_await prepare(directory, std::nullopt);
  if (!made.ok()) co_return transient_error(made.error().wrap(csi::text("mounter.SetUpAt failed to create dir")));

  auto secrets = co_await secret_of(volume.publish_secret, "NodePublishSecretRef");
  if (!secrets.ok()) co_return std::move(secrets).error();
  request.secrets = std::move(*secrets);
  request.volume_context = csi_volume_context(volume, wanted.pod, *traits);
  const auto tokens = co_await tokens_of(wanted.pod, *traits);
  if (!tokens.ok()) co_return tokens.error();
  CsiMap& place = traits->tokens_in_secrets ? request.secrets : request.volume_context;
  for (const auto& [key, value] : *tokens) place[key] = value;

  const auto can_group = co_await client->capabilities();
  if (!can_group.ok()) co_return can_group.error();
  published.group_by_driver = can_group->volume_mount_group;
  if (published.group_by_driver && wanted.fs_group) request.use.mount_group = std::to_string(*wanted.fs_group);
  request.use.fs_type = volume.fs_type;
  request.use.mount_flags = volume.mount_options;
  request.use.access_mode = csi_access_mode_of(volume);
  VolData data = data_of(volume);
  data.lifecycle_mode = volume.inline_volume ? "Ephemeral" : "Persistent";
  if (traits->selinux_mount && !wanted.selinux_label.empty()) {
    request.use.mount_flags.push_back(context_option(wanted.selinux_label));
    data.selinux_mount_context = wanted.selinux_label;
    published.selinux_mounted = true;
  }
  const Status saved = co_await prepare(directory, data);
  if (!saved.ok())
    co_return transient_error(saved.error().wrap(csi::text("mounter.SetUpAt failed to save volume info data")));
  *written = true;
  published.path = request.target_path;
  const VolumeStatus done = co_await client->publish(std::move(request));
  if (!done.ok()) co_return done.error();
  if (!published.group_by_driver && wants_fs_group(volume, *traits, wanted.fs_group)) {
    const Status grouped = co_await apply_group(wanted, published.path);
    if (!grouped.ok()) co_return uncertain_error(grouped.error().wrap("applyFSGroup failed for vol " + volume.handle));
    published.grouped = wanted.progress->entries > 0;
  }
  co_return published;
}

Task<VolumeStatus> CsiPlugin::unpublish(std::string pod_uid, std::string name) {
  if (const Status plain = check_element("pod uid", pod_uid); !plain.ok()) co_return final_error(plain.error());
  const std::string path = csi_target_path(base_.root, pod_uid, name);
  const auto data = co_await load(csi_volume_dir(base_.root, pod_uid, name));
  if (!data.ok()) {
    const Status cleaned = co_await clean_unknown(path, data.error());
    if (cleaned.ok()) co_return VolumeStatus();
    co_return uncertain_error(cleaned.error().wrap(csi::text("unmounter failed to load volume data file")));
  }
  auto client = client_of(data->driver_name);
  if (!client) co_return csi::no_driver("Unmounter.TearDownAt failed to get CSI client", data->driver_name);
  const VolumeStatus done = co_await client->unpublish(data->volume_handle, path);
  if (!done.ok()) co_return uncertain_error(done.error().error.wrap(csi::text("Unmounter.TearDownAt failed")));
  const Status cleaned = co_await clean_mount(path);
  if (cleaned.ok()) co_return VolumeStatus();
  co_return uncertain_error(
      cleaned.error().wrap(csi::text("Unmounter.TearDownAt failed to clean mount dir [" + path + "]")));
}

}  // namespace keelson::volume
