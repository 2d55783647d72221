// The node's addresses: which IPs it has, and what status.addresses becomes.
//
// gather_address_facts() and find_node_ips() block on name resolution and /proc: before the loop runs, or on the
// blocking pool; all else is pure. Fails with `invalid` for an IP of --node-ip that is not ours to give, `not_found`
// when the machine has no usable address; the Node then keeps the addresses it has. Source: contract 01 §7.3.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/objects.hpp"
#include "base/result.hpp"

namespace keelson::agent {

struct InterfaceAddress {
  std::string interface;
  std::string ip;
};

// What is the case on the machine now.
struct AddressFacts {
  std::vector<InterfaceAddress> local;
  std::vector<std::string> resolved;  // what the node's name resolves to; only looked up when --node-ip gives no IP
  std::string default_interface;
};

struct AddressSettings {
  std::string node_name;
  std::vector<std::string> configured;  // the IPs of --node-ip: none, one, or one of each family
  bool external_cloud = false;
};

// The interface of the default route in /proc/net/route text, lowest metric first; empty when there is none.
std::string default_route_interface(std::string_view proc_net_route);
// The same of /proc/net/ipv6_route text.
std::string default_route_interface_v6(std::string_view proc_net_ipv6_route);

// --node-ip gives an IP, not only a family (0.0.0.0, ::) or nothing.
bool has_explicit_ip(const std::vector<std::string>& configured);

// The IPs, primary first: --node-ip's, which must be local, else the name itself, else what it resolves to, else the
// default route's interface.
Result<std::vector<std::string>> choose_node_ips(const AddressSettings& settings, const AddressFacts& facts);

AddressFacts gather_address_facts(const AddressSettings& settings);
Result<std::vector<std::string>> find_node_ips(const AddressSettings& settings);

// Sets status.addresses and the annotation alpha.kubernetes.io/provided-node-ip. A failure has changed nothing.
Status set_addresses(const AddressSettings& settings, const AddressFacts& facts, api::core::Node& node);

}  // namespace keelson::agent
