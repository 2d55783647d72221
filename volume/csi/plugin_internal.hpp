// Texts and judgements that the plugin's files share; internal to volume/csi. Pure functions, any thread.
#pragma once

#include <string>

#include "volume/csi/cluster.hpp"
#include "volume/volume_error.hpp"

namespace keelson::volume::csi {

// As the kubelet begins all texts of its CSI plugin.
inline std::string text(const std::string& what) { return "kubernetes.io/csi: " + what; }

inline VolumeError no_driver(const std::string& what, const std::string& driver) {
  return transient_error(Error(ErrorKind::unavailable, text(what + ": driver name " + driver +
                                                            " not found in the list of registered CSI drivers")));
}

template <class Outcome>
bool is_final(const Outcome& result) {
  return !result.ok() && result.error().outcome == VolumeError::Outcome::final;
}

// One look at the VolumeAttachment: nothing has been tried yet, so nothing is lost.
inline VolumeStatus judge_attachment(const std::string& handle, const std::string& id,
                                     const Result<CsiAttachment>& attachment) {
  if (!attachment.ok()) {
    return transient_error(attachment.error().wrap("volume " + handle + " has GET error for volume attachment " + id));
  }
  std::string why = "volume " + handle + " is not attached to this node yet (VolumeAttachment " + id + ")";
  if (attachment->deleting) {
    why = "volume attachment is being deleted";
  } else if (attachment->attached) {
    return {};
  } else if (attachment->attach_error) {
    why = *attachment->attach_error;
  }
  return transient_error(Error(ErrorKind::unavailable, why));
}

}  // namespace keelson::volume::csi
