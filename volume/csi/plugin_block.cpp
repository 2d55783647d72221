// Block volumes: the driver gives a device file instead of a mount.
#include "volume/csi/names.hpp"
#include "volume/csi/paths.hpp"
#include "volume/csi/plugin.hpp"
#include "volume/csi/plugin_internal.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {

using base::Task;

Task<VolumeStatus> CsiPlugin::stage_block(CsiVolume volume) {
  const Written written = std::make_shared<bool>(false);
  const std::string name = volume.name;
  VolumeStatus done = co_await try_stage_block(std::move(volume), written);
  if (csi::is_final(done) && *written) {
    const Status cleaned = co_await clean_block(name);
    tell_left(csi_block_paths(base_.root, name).volume, cleaned);
  }
  co_return done;
}

Task<VolumeStatus> CsiPlugin::try_stage_block(CsiVolume volume, Written written) {
  const StagingTexts texts{"blockMapper.SetUpDevice failed to get CSI client",
                           csi::text("blockMapper.SetupDevice failed to get volume attachment")};
  auto begun = co_await begin_staging(volume, texts);
  if (!begun.ok()) co_return std::move(begun).error();
  // Also where the driver does not stage: unpublishing needs it.
  const CsiBlockPaths paths = csi_block_paths(base_.root, volume.name);
  const Status saved = co_await prepare(paths.data, data_of(volume));
  if (!saved.ok()) co_return transient_error(saved.error().wrap(csi::text("failed to save volume info data")));
  *written = true;
  if (!begun->can.stage_unstage) co_return VolumeStatus();
  const Status made = co_await prepare(paths.staging, std::nullopt);
  if (!made.ok())
    co_return transient_error(made.error().wrap(csi::text("blockMapper.stageVolumeForBlock failed to create dir")));
  begun->request.staging_path = paths.staging;
  begun->request.use.block = true;
  VolumeStatus done = co_await begun->client.stage(std::move(begun->request));
  co_return done;
}

Task<VolumeResult<CsiPublished>> CsiPlugin::publish_block(CsiVolume volume, CsiPod pod) {
  if (const Status plain = check_element("pod uid", pod.uid); !plain.ok()) co_return final_error(plain.error());
  auto client = client_of(volume.driver, volume.migrated);
  if (!client) co_return csi::no_driver("blockMapper.MapPodDevice failed to get CSI client", volume.driver);
  const auto traits = co_await this->traits(volume.driver);
  if (!traits.ok()) co_return traits.error();
  CsiPublishRequest request;
  auto context =
      co_await publish_context(volume, *traits, csi::text("blockMapper.MapPodDevice failed to get volume attachment"));
  if (!context.ok()) co_return std::move(context).error();
  request.publish_context = std::move(*context);
  const CsiBlockPaths paths = csi_block_paths(base_.root, volume.name);
  const Status made = co_await prepare(paths.publish_dir, std::nullopt);
  if (!made.ok())
    co_return transient_error(made.error().wrap(csi::text("blockMapper.publishVolumeForBlock failed to create dir")));
  auto secrets = co_await secret_of(volume.publish_secret, "NodePublishSecretRef");
  if (!secrets.ok()) co_return std::move(secrets).error();
  request.secrets = std::move(*secrets);
  const Status saved = co_await prepare(paths.data, data_of(volume));
  if (!saved.ok()) co_return transient_error(saved.error().wrap(csi::text("failed to save volume info data")));
  request.volume_id = volume.handle;
  request.staging_path = paths.staging;
  request.target_path = csi_block_publish_path(base_.root, pod.uid, volume.name);
  request.read_only = volume.read_only;
  request.volume_context = csi_volume_context(volume, pod, *traits);
  request.use.block = true;
  request.use.access_mode = csi_access_mode_of(volume);
  const std::string target = request.target_path;
  const VolumeStatus done = co_await client->publish(std::move(request));
  if (csi::is_final(done)) {
    const Status cleaned = co_await clean_block_file(target);
    tell_left(target, cleaned);
  }
  if (!done.ok()) co_return done.error();
  auto device = co_await resolve(target);
  if (!device.ok()) co_return uncertain_error(std::move(device).error());
  CsiPublished published;
  published.path = std::move(*device);
  co_return published;
}

Task<VolumeStatus> CsiPlugin::unpublish_block(std::string pod_uid, std::string name) {
  if (const Status plain = check_element("pod uid", pod_uid); !plain.ok()) co_return final_error(plain.error());
  const std::string target = csi_block_publish_path(base_.root, pod_uid, name);
  const auto there = co_await exists(target);
  if (!there.ok()) co_return uncertain_error(there.error());
  if (!*there) co_return VolumeStatus();
  const auto data = co_await load(csi_block_paths(base_.root, name).data);
  if (!data.ok()) co_return uncertain_error(data.error().wrap(csi::text("unmapper failed to load volume data file")));
  auto client = client_of(data->driver_name);
  if (!client) co_return csi::no_driver("blockMapper.UnmapPodDevice failed to get CSI client", data->driver_name);
  const VolumeStatus done = co_await client->unpublish(data->volume_handle, target);
  if (!done.ok())
    co_return uncertain_error(done.error().error.wrap(csi::text("blockMapper.unpublishVolumeForBlock failed")));
  const Status cleaned = co_await clean_block_file(target);
  if (cleaned.ok()) co_return VolumeStatus();
  co_return uncertain_error(cleaned.error());
}

Task<VolumeStatus> CsiPlugin::unstage_block(std::string name) {
  const CsiBlockPaths paths = csi_block_paths(base_.root, name);
  const auto data = co_await load(paths.data);
  if (!data.ok() && data.error().kind() != ErrorKind::not_found)
    co_return uncertain_error(data.error().wrap(csi::text("unmapper failed to load volume data file")));
  const auto staged = co_await exists(paths.staging);
  if (!staged.ok()) co_return uncertain_error(staged.error());
  if (data.ok() && *staged) {
    auto client = client_of(data->driver_name);
    if (!client) co_return csi::no_driver("blockMapper.TearDownDevice failed to get CSI client", data->driver_name);
    const auto can = co_await client->capabilities();
    if (!can.ok()) {
      co_return uncertain_error(can.error().error.wrap(
          csi::text("blockMapper.unstageVolumeForBlock failed to check STAGE_UNSTAGE_VOLUME capability")));
    }
    if (can->stage_unstage) {
      const VolumeStatus done = co_await client->unstage(data->volume_handle, paths.staging);
      if (!done.ok())
        co_return uncertain_error(done.error().error.wrap(csi::text("blockMapper.unstageVolumeForBlock failed")));
    }
  }
  const Status cleaned = co_await clean_block(name);
  if (cleaned.ok()) co_return VolumeStatus();
  co_return uncertain_error(cleaned.error().wrap(csi::text("blockMapper.TearDownDevice failed to clean up")));
}

}  // namespace keelson::volume
