#pragma once

// What the API says of the cluster, its nodes and its settings, as values. Read as answers.h says.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/result.h"

namespace holdfast {

struct LeaderAnswer {
  std::string leader;
  uint64_t term = 0;
};

struct Member {
  std::string name;
  std::string id;
  std::string role;
  bool is_voter = false;
  std::string peer;
  std::string client_url;
  // What the asked node does not know is not there.
  std::optional<bool> is_healthy;
  std::optional<uint64_t> match_index;
  std::optional<uint64_t> lag_entries;
  std::optional<uint64_t> last_contact_ms;
};

struct NodeView {
  std::string name;
  std::string role;
  uint64_t term = 0;
  uint64_t commit_index = 0;
  uint64_t applied_index = 0;
  uint64_t durable_index = 0;
  uint64_t revision = 0;
  std::string state_hash;
  uint64_t state_hash_index = 0;
  std::string fenced;  // why it does not take part; empty: it does
};

// GET /v1/cluster, as one node sees it.
struct ClusterView {
  std::string cluster_id;
  std::string leader;  // empty: none known
  uint64_t term = 0;
  bool has_quorum = false;
  NodeView node;
  std::vector<Member> members;
  std::string warning;  // what is unwise about the members; empty: nothing
};

// The members after a change of them. Of each only name, id, peer and is_voter are told.
struct MembersAnswer {
  std::string cluster_id;
  std::vector<Member> members;
  std::string warning;
};

// What happened to a node, or what it saw.
struct NodeEvent {
  std::string time;  // RFC 3339
  std::string node;
  uint64_t term = 0;
  std::string kind;   // "reset": what was told before is not continued
  std::string level;  // info, warning, error
  std::string text;
  std::string body;  // the whole, as JSON
};

// Durations as the API spells them.
// What one node does wrong on purpose.
struct FaultsView {
  std::string body;     // the answer as it came
  std::string warning;  // what is set, in words; empty: nothing
  std::string since;    // RFC 3339
};

struct SettingsView {
  std::string keep_history;
};

struct CompactAnswer {
  uint64_t compact_revision = 0;
};

// About what lies under a prefix.
struct UsageView {
  uint64_t keys = 0;
  uint64_t bytes = 0;         // of keys and newest values
  uint64_t stored_bytes = 0;  // of all that is kept of them, on one node
  bool is_exact = false;      // keys and bytes were counted
};

// The body that asks for `to` to lead; empty: for any other member.
std::string leader_request(const std::string& to);
Result<LeaderAnswer> read_leader_answer(std::string_view body);
Result<ClusterView> read_cluster_view(std::string_view body);
Result<MembersAnswer> read_members_answer(std::string_view body);
Result<NodeEvent> read_node_event(std::string_view body);
Result<NodeEvent> read_events_reset(std::string_view body);
Result<UsageView> read_usage(std::string_view body);
std::string compact_request(uint64_t revision);
Result<CompactAnswer> read_compact_answer(std::string_view body);
// The body that changes what is not empty.
std::string settings_request(const SettingsView& change);
Result<SettingsView> read_settings(std::string_view body);
Result<FaultsView> read_faults(std::string_view body);

}  // namespace holdfast
