// Names that are made of a CSI volume's own: its attachment, the handle of an inline one, its unique name.
//
// Pure functions, any thread. Source: contract 04 §3 (unique volume name), §16 (attachment), §21 (inline volumes).
#pragma once

#include <string>
#include <string_view>

namespace keelson::volume {

inline constexpr std::string_view csi_plugin = "kubernetes.io/csi";

// Of the VolumeAttachment: "csi-" and a hash of all three.
std::string csi_attachment_name(const std::string& handle, const std::string& driver, const std::string& node);
// The handle of a volume that a pod has inline.
std::string csi_inline_handle(const std::string& pod_uid, const std::string& volume);
// "kubernetes.io/csi/DRIVER^HANDLE", as it stands in the Node's volumesInUse and volumesAttached.
std::string csi_unique_name(const std::string& driver, const std::string& handle);

}  // namespace keelson::volume
