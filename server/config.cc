#include "server/config.h"

#include <charconv>
#include <iostream>

#include <CLI/CLI.hpp>

#include "replication/transport/tcp_transport.h"
#include "server/join.h"
#include "server/member_name.h"
#include "storage/base/text.h"

namespace holdfast {
namespace {

constexpr const char* kDescription =
    R"(holdfastd: one node of Holdfast, a replicated key-value store with an HTTP API.

With no flags it is a complete single-node database on this machine:
    holdfastd
    curl -X PUT --data-binary hello http://127.0.0.1:4653/v1/kv/greeting
    curl http://127.0.0.1:4653/v1/kv/greeting

Three nodes on three machines (the same list on each, only the name differs):
    holdfastd --name n1 --listen 10.0.0.1:4653 --peer-listen 10.0.0.1:4654 \
              --initial-cluster n1=10.0.0.1:4654,n2=10.0.0.2:4654,n3=10.0.0.3:4654
One more, at any time, told of any node of the cluster:
    holdfastd --name n4 --listen 10.0.0.4:4653 --peer-listen 10.0.0.4:4654 \
              --join http://10.0.0.1:4653
For three on this machine, to try it: holdfast dev

Exit codes: 0 stopped when asked to; 3 removed from its cluster; anything else: an error, which the
last line of the log tells.

There is no access control yet: listen on loopback or on a network that you trust.)";

Result<Duration> parse_period(const std::string& text) {
  const std::optional<Duration> duration = parse_duration(text);
  if (duration && *duration > Duration::zero()) return *duration;
  return fail(ErrorCode::kInvalid, "is not a duration, as in 50ms, 2s, 5m or 24h");
}

Result<size_t> parse_size(const std::string& text) {
  uint64_t count = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  unsigned shift = 64;
  if (unit.empty() || unit == "B") shift = 0;
  if (unit == "KiB") shift = 10;
  if (unit == "MiB") shift = 20;
  if (unit == "GiB") shift = 30;
  if (code != std::errc() || shift == 64 || count > (uint64_t{1} << 33))
    return fail(ErrorCode::kInvalid, "is not a size, as in 512KiB or 8MiB");
  return static_cast<size_t>(count << shift);
}

// A CLI11 check that stores what it has understood.
template <class T>
auto into(T& target, Result<T> (*parse)(const std::string&)) {
  return [&target, parse](const std::string& text) -> std::string {
    Result<T> value = parse(text);
    if (!value) return "'" + text + "' " + value.error().message;
    target = *std::move(value);
    return {};
  };
}

Result<std::vector<InitialMember>> parse_members(const std::string& text) {
  return parse_initial_cluster(text);
}

Result<std::vector<std::string>> parse_urls(const std::string& text) {
  return parse_join_urls(text);
}

std::string check_name(const std::string& text) {
  return is_member_name(text) ? std::string() : "'" + text + "': " + std::string(kMemberNameRule);
}

std::string check_advertised(const std::string& text) {
  const Result<> checked = check_peer_address(text);
  return checked ? std::string() : checked.error().message;
}

std::string check_address(const std::string& text) {
  const Result<HostPort> parsed = parse_host_port(text);
  return parsed ? std::string() : parsed.error().message;
}

std::string check_limits(const Config& config) {
  if (config.election_timeout < 4 * config.heartbeat)
    return "--election-timeout must be at least four times --heartbeat: else one late heartbeat "
           "elects a new leader";
  if (!config.join.empty() && !config.initial_cluster.empty())
    return "--join and --initial-cluster exclude each other: a node joins a cluster that exists, "
           "or forms a new one with all that are listed";
  if (config.learner && config.join.empty())
    return "--learner says how a node joins: give --join too";
  if (config.value_bytes_max < 1024 || config.value_bytes_max > (size_t{8} << 20))
    return "--max-value-bytes must lie between 1KiB and 8MiB";
  return {};
}

}  // namespace

ParsedConfig parse_config(int argc, char** argv) {
  Config config;
  std::string initial_cluster;
  std::string join;
  std::string heartbeat;
  std::string election_timeout;
  std::string keep_log_bytes;
  std::string value_bytes;
  std::string scrub_every;
  CLI::App app(kDescription);
  app.set_version_flag("--version", std::string("holdfastd ") + HOLDFAST_VERSION);
  app.set_config("--config", "", "read flags from this file (name = value, one a line)");
  const auto add = [&app](const char* flag, std::string& target, const char* help) {
    std::string environment = "HOLDFAST";
    for (const char c : std::string_view(flag).substr(1))
      environment += c == '-' ? '_' : static_cast<char>(std::toupper(c));
    return app.add_option(flag, target, help)->envname(environment);
  };
  add("--name", config.name,
      "this node's name, unique in its cluster (first start: n1, or, joining, one of its own)")
      ->check(check_name);
  add("--data-dir", config.data_dir, "where everything is kept")->capture_default_str();
  add("--log-dir", config.log_dir, "put the log here, on a disk of its own");
  add("--listen", config.listen, "HOST:PORT for clients")
      ->capture_default_str()
      ->check(check_address);
  add("--peer-listen", config.peer_listen, "HOST:PORT for the other nodes")
      ->capture_default_str()
      ->check(check_address);
  add("--advertise-client", config.advertise_client,
      "http://HOST:PORT where clients reach this node");
  add("--advertise-peer", config.advertise_peer, "HOST:PORT where the other nodes reach this node")
      ->check(check_advertised);
  add("--initial-cluster", initial_cluster, "NAME=HOST:PORT,… of all first members, this one too")
      ->check(into(config.initial_cluster, parse_members));
  add("--join", join, "URL,… of nodes of the cluster that this new node shall belong to")
      ->check(into(config.join, parse_urls));
  app.add_flag("--learner", config.learner, "with --join: never vote, only hold a copy")
      ->envname("HOLDFAST_LEARNER");
  add("--heartbeat", heartbeat, "how often the leader speaks [50ms]")
      ->check(into(config.heartbeat, parse_period));
  add("--election-timeout", election_timeout,
      "how long a silent leader is waited for: from this to its double, at random [300ms]")
      ->check(into(config.election_timeout, parse_period));
  add("--keep-log-bytes", keep_log_bytes,
      "so much of the log stays for followers that were away, four times as much at most for one "
      "that reads [256MiB]")
      ->check(into(config.keep_log_bytes, parse_size));
  add("--max-value-bytes", value_bytes, "the largest value that is taken [8MiB]")
      ->check(into(config.value_bytes_max, parse_size));
  add("--scrub-every", scrub_every,
      "how often all files are read back, to find what the disk has damaged [24h]")
      ->check(into(config.scrub_every, parse_period));
  app.add_flag("--enable-faults", config.enable_faults,
               "whoever reaches this node may break it for drills: PUT /v1/faults cuts its links, "
               "stalls its disk, skews its clock")
      ->envname("HOLDFAST_ENABLE_FAULTS");
  std::string log_format = "text";
  add("--log-format", log_format, "text for people, json for machines")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "json"}));
  try {
    app.parse(argc, argv);
    if (const std::string problem = check_limits(config); !problem.empty())
      throw CLI::ValidationError(problem);
  } catch (const CLI::ParseError& problem) {
    return {std::nullopt, app.exit(problem) == 0 ? 0 : 1};
  }
  config.log_format = log_format == "json" ? LogFormat::kJson : LogFormat::kText;
  return {config, 0};
}

}  // namespace holdfast
