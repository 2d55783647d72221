#include "volume/iscsi.hpp"

#include <charconv>

#include "api/document.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

std::string with_port(const std::string& portal) {
  return portal.find(':') == std::string::npos ? portal + ":3260" : portal;
}

template <class Source>
IscsiDisk disk_of(const std::string& name, const Source& source) {
  IscsiDisk disk;
  disk.name = name;
  disk.portals.push_back(with_port(source.targetportal()));
  for (const auto& portal : source.portals()) disk.portals.push_back(with_port(portal));
  disk.iqn = source.iqn();
  disk.lun = source.lun();
  if (!source.iscsiinterface().empty()) disk.init_interface = source.iscsiinterface();
  disk.initiator_name = source.initiatorname();
  disk.interface = disk.initiator_name.empty() ? disk.init_interface : disk.portals.front() + ":" + name;
  disk.chap_discovery = source.chapauthdiscovery();
  disk.chap_session = source.chapauthsession();
  return disk;
}

api::Node text_node(const std::string& text) {
  api::Node node(api::Node::Kind::string);
  node.text = text;
  return node;
}

std::string text_at(const api::Node& document, std::string_view key) {
  const api::Node* node = document.find(key);
  return node != nullptr && node->is_string() ? node->text : "";
}

std::optional<int> lun_of(const std::string& text) {
  int lun = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), lun);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return lun;
}

}  // namespace

IscsiDisk iscsi_disk(const std::string& name, const api::core::ISCSIVolumeSource& source) {
  return disk_of(name, source);
}
IscsiDisk iscsi_disk(const std::string& name, const api::core::ISCSIPersistentVolumeSource& source) {
  return disk_of(name, source);
}

std::string iscsi_global_dir(const std::string& root, const IscsiDisk& disk, IscsiUse use) {
  return plugin_dir(root, iscsi_plugin) + (use == IscsiUse::block ? "/volumeDevices" : "") + "/iface-" +
         disk.interface + "/" + disk.portals.front() + "-" + disk.iqn + "-lun-" + std::to_string(disk.lun);
}

std::optional<IscsiDisk> parse_iscsi_global_dir(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return std::nullopt;
  const std::string name = path.substr(slash + 1);
  const auto lun_at = name.rfind("-lun-");
  auto iqn_at = name.find("-iqn.");
  if (iqn_at == std::string::npos) iqn_at = name.find("-eui.");
  if (iqn_at == std::string::npos) iqn_at = name.find("-naa.");
  if (lun_at == std::string::npos || iqn_at == std::string::npos || iqn_at > lun_at) return std::nullopt;
  const auto lun = lun_of(name.substr(lun_at + 5));
  if (!lun) return std::nullopt;
  IscsiDisk disk;
  disk.portals = {name.substr(0, iqn_at)};
  disk.iqn = name.substr(iqn_at + 1, lun_at - iqn_at - 1);
  disk.lun = *lun;
  const std::string parent = path.substr(0, slash);
  const std::string interface = parent.substr(parent.find_last_of('/') + 1);
  if (interface.starts_with("iface-")) disk.interface = disk.init_interface = interface.substr(6);
  return disk;
}

std::string iscsi_json(const IscsiDisk& disk) {
  using Kind = api::Node::Kind;
  api::Node portals(Kind::list);
  for (const auto& portal : disk.portals) portals.items.push_back(text_node(portal));
  api::Node document(Kind::map);
  const auto add = [&document](std::string key, api::Node value) {
    api::Node::Entry entry;
    entry.key = std::move(key);
    entry.value = std::move(value);
    document.entries.push_back(std::move(entry));
  };
  add("VolName", text_node(disk.name));
  add("Portals", std::move(portals));
  add("Iqn", text_node(disk.iqn));
  add("Lun", text_node(std::to_string(disk.lun)));
  add("InitIface", text_node(disk.init_interface));
  add("Iface", text_node(disk.interface));
  add("InitiatorName", text_node(disk.initiator_name));
  return api::to_json(document) + "\n";
}

Result<IscsiDisk> parse_iscsi_json(const std::string& text) {
  const auto document = api::parse_json(text);
  if (!document.ok()) return document.error();
  IscsiDisk disk;
  disk.name = text_at(*document, "VolName");
  if (const api::Node* portals = document->find("Portals"); portals != nullptr && portals->is_list()) {
    for (const auto& portal : portals->items) {
      if (portal.is_string() && !portal.text.empty()) disk.portals.push_back(portal.text);
    }
  }
  disk.iqn = text_at(*document, "Iqn");
  disk.init_interface = text_at(*document, "InitIface");
  disk.interface = text_at(*document, "Iface");
  disk.initiator_name = text_at(*document, "InitiatorName");
  const auto lun = lun_of(text_at(*document, "Lun"));
  if (disk.portals.empty() || disk.iqn.empty() || !lun) {
    return Error(ErrorKind::invalid, "expected Portals, Iqn and Lun (a number in quotes)");
  }
  disk.lun = *lun;
  return disk;
}

}  // namespace keelson::volume
