// CredentialProviderConfig: the programs that hand out registry credentials.
//
// Read once at start, strictly: an unknown field or a doubled key is an error. `path` is a file, or a folder whose
// .json, .yaml and .yml files are read in lexical order. Every problem goes to `errors`, one line each. Whether the
// programs exist is checked with the host (config/host_checks.hpp).
//
// Source: contract 01 §2.6.
#pragma once

#include <string>
#include <vector>

#include "config/configuration.hpp"
#include "config/files.hpp"

namespace keelson::config {

std::vector<CredentialProvider> load_credential_providers(const std::string& path, const Files& files,
                                                          std::vector<std::string>& errors);

// "sha256:..." of the texts of all those files; empty when one cannot be read. For metrics.
std::string credential_config_hash(const std::string& path, const Files& files);

}  // namespace keelson::config
