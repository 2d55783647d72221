// Bootstrap: with which credentials the agent starts, and how a node without any gets its first ones.
//
// read_start() looks at the files, decide_start() decides from what was found. With rotation the kubeconfig is written
// at once and a CertificateManager does the rest; without it bootstrap_node() asks for one certificate and the start
// waits for it. Blocking reads of small local files, at start only. Owner: the wiring. Thread: the loop. Stops: with
// the awaiting task. Fails when no usable credentials are there, naming the files. Source: contract 01 §6.1 "Start
// decision" rules 1-5.
#pragma once

#include <string>

#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/logger.hpp"
#include "base/result.hpp"
#include "kube-client/certificate_manager.hpp"
#include "kube-client/certificate_store.hpp"
#include "kube-client/kubeconfig.hpp"
#include "kube-client/signing_api.hpp"

namespace keelson::kube {

enum class StartAction {
  use_kubeconfig,     // its server, its credentials
  join,               // the bootstrap file's server and credentials; the kubeconfig is written now
  join_and_wait,      // the same, but the kubeconfig is written when the certificate is there
  refuse_kubeconfig,  // it must load, and does not
  refuse_bootstrap,   // the same of the bootstrap file
};
struct StartFacts {
  bool rotate = false;             // rotateCertificates
  bool bootstrap_given = false;    // --bootstrap-kubeconfig
  bool kubeconfig_loads = false;   // it and every file it names
  bool certificate_valid = false;  // it has a client certificate and nothing in the chain has expired
  bool bootstrap_loads = false;
};
StartAction decide_start(const StartFacts& facts);

struct StartFiles {
  std::string kubeconfig;
  std::string bootstrap;  // empty: not given
  bool rotate = false;
};
struct Start {
  StartAction action = StartAction::use_kubeconfig;  // never a refusal
  KubeConfig config;                                 // of the file that counts
};
Result<Start> read_start(const StartFiles& files, const Environment& environment, base::SystemTime now,
                         const base::Logger& log);

// For the CertificateManager of the node's client certificate under rotation: where its certificates are, and what it
// must say; the kubeconfig's own files or pair come along when it is the kubeconfig that counts.
CertificateStore client_store(const Start& start, const std::string& certificate_folder);
CertificatePurpose client_purpose(const Start& start, const std::string& node_name);

// Its name on the API: the same for the same key, subject and usages.
Result<std::string> node_request_name(const std::string& key_pem, const std::string& node_name);

struct NodeBootstrap {
  std::string node_name;
  std::string certificate_folder;
  std::string kubeconfig;  // to be written
  ClusterConfig cluster;   // into it
};
// Waits for the server (a minute at most), asks for the certificate, waits for it (an hour at most), stores it and
// writes the kubeconfig. A key that is in use already, or that an earlier run has left, is used again.
base::Task<Status> bootstrap_node(SigningApi* api, base::Clock* clock, base::Random* random, NodeBootstrap node,
                                  base::Logger log);

}  // namespace keelson::kube
