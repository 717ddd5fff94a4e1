#pragma once

// What an operator can choose: flags, HOLDFAST_… in the environment, or a file (--config), checked
// once at start.

#include <optional>
#include <string>
#include <vector>

#include "server/bootstrap.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"

namespace holdfast {

struct Config {
  std::string name;  // empty: at the first start n1, or one made up; then what IDENTITY says
  std::string data_dir = "./holdfast-data";
  std::string log_dir;  // empty: in data_dir
  std::string listen = "127.0.0.1:4653";
  std::string peer_listen = "127.0.0.1:4654";
  std::string advertise_client;  // empty: http:// and `listen`
  std::string advertise_peer;    // empty: this node's entry in initial_cluster, else `peer_listen`
  std::vector<InitialMember> initial_cluster;
  std::vector<std::string> join;  // URLs of nodes of the cluster that this node joins
  bool learner = false;           // and stays one there, without a vote
  Duration heartbeat = std::chrono::milliseconds(50);
  Duration election_timeout = std::chrono::milliseconds(300);
  size_t keep_log_bytes = size_t{256} << 20;
  size_t value_bytes_max = size_t{8} << 20;
  Duration scrub_every = std::chrono::hours(24);
  bool enable_faults = false;
  LogFormat log_format = LogFormat::kText;
};

// Exactly one is set: a Config to run with, or what the process should end with (after --help,
// --version, or a mistake, which have been printed).
struct ParsedConfig {
  std::optional<Config> config;
  int exit_code = 0;
};
ParsedConfig parse_config(int argc, char** argv);

}  // namespace holdfast
