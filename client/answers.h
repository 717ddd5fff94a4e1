#pragma once

// The bodies of the API's answers, as values. Every reader answers kCorrupt, naming the field,
// for a body that is not what the API promises.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/result.h"

namespace holdfast {

struct PutAnswer {
  uint64_t revision = 0;
  bool is_created = false;
};

struct TxnAnswer {
  uint64_t revision = 0;
  bool has_succeeded = false;  // its compares hold
  std::string body;            // the whole answer
};

// What a bulk stream says to one line.
struct BulkAnswer {
  std::string json;
};

struct DeleteAnswer {
  uint64_t revision = 0;
  uint64_t deleted = 0;
};

struct LeaseAnswer {
  std::string id;
  uint64_t ttl_ms = 0;
};

struct RevokeAnswer {
  uint64_t revision = 0;
  uint64_t deleted = 0;
  bool is_finished = true;  // false: the rest of its keys goes in later revisions
};

struct LeaseView {
  std::string id;
  uint64_t ttl_ms = 0;
  uint64_t remaining_ms = 0;      // as the answering node knows the cluster's clock
  std::vector<std::string> keys;  // of a single lease: a page of them
  std::string next;               // cursor of the next page of keys; empty: this was the last
};

struct LeasePage {
  std::vector<LeaseView> leases;
  std::string next;
};

struct LockAnswer {
  uint64_t token = 0;  // the fencing token under which it is held
  std::string lease;   // by which it is held
  uint64_t ttl_ms = 0;
};

struct LockView {
  std::string name;
  uint64_t token = 0;
  std::string lease;
  std::string owner;  // what the holder calls itself
  uint64_t ttl_ms = 0;
  uint64_t remaining_ms = 0;  // as the answering node knows the cluster's clock
};

struct LeaderAnswer {
  std::string leader;
  uint64_t term = 0;
};

struct Value {
  std::string bytes;
  uint64_t create_revision = 0;
  uint64_t mod_revision = 0;
  uint64_t version = 0;
  std::string lease;               // empty: bound to none
  std::optional<uint64_t> ttl_ms;  // what is left, where it has a time of its own
};

struct Item {
  std::string key;
  std::string value;
  uint64_t create_revision = 0;
  uint64_t mod_revision = 0;
  uint64_t version = 0;
  std::string lease;
  std::optional<uint64_t> ttl_ms;
};

struct ScanPage {
  uint64_t revision = 0;
  std::vector<Item> items;
  uint64_t count = 0;
  std::string next;  // cursor of the page after this one; empty: this was the last
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

// One version of a key; the newest comes first.
struct KeyVersion {
  bool is_delete = false;
  uint64_t mod_revision = 0;
  uint64_t create_revision = 0;
  uint64_t version = 0;
  std::string value;
};

struct KeyHistory {
  uint64_t compact_revision = 0;  // what is older is not kept
  std::vector<KeyVersion> versions;
  uint64_t next = 0;  // the newest revision that did not fit; 0: that was all
};

// What one revision did to keys that are watched.
struct WatchedRevision {
  struct Event {
    std::string key;
    bool is_delete = false;
    std::string value;
  };
  uint64_t revision = 0;
  std::vector<Event> events;
  std::string body;  // the whole, as JSON
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

// About what lies under a prefix.
struct UsageView {
  uint64_t keys = 0;
  uint64_t bytes = 0;         // of keys and newest values
  uint64_t stored_bytes = 0;  // of all that is kept of them, on one node
  bool is_exact = false;      // keys and bytes were counted
};

struct CompactAnswer {
  uint64_t compact_revision = 0;
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

// The members after a change of them. Of each only name, id, peer and is_voter are told.
struct MembersAnswer {
  std::string cluster_id;
  std::vector<Member> members;
  std::string warning;
};

// An application/problem+json body. Where a field is missing the careful reading is taken:
// outcome unknown, not retryable.
struct Problem {
  std::string code;
  std::string detail;
  bool is_not_applied = false;
  bool is_retryable = false;
};

Result<PutAnswer> read_put_answer(std::string_view body);
std::string lease_request(uint64_t ttl_ms);
Result<LeaseAnswer> read_lease_answer(std::string_view body);
Result<RevokeAnswer> read_revoke_answer(std::string_view body);
Result<LeaseView> read_lease_view(std::string_view body);
Result<LeasePage> read_lease_page(std::string_view body);
// Without `wait` the lock is had at once or not at all.
std::string lock_request(uint64_t ttl_ms, uint64_t wait_ms, std::string_view owner);
Result<LockAnswer> read_lock_answer(std::string_view body);
Result<LockView> read_lock_view(std::string_view body);
// The body that asks for `to` to lead; empty: for any other member.
std::string leader_request(const std::string& to);
Result<LeaderAnswer> read_leader_answer(std::string_view body);
Result<DeleteAnswer> read_delete_answer(std::string_view body);
Result<TxnAnswer> read_txn_answer(std::string_view body);
Result<ScanPage> read_scan_page(std::string_view body);
Result<ClusterView> read_cluster_view(std::string_view body);
Result<MembersAnswer> read_members_answer(std::string_view body);
Result<KeyHistory> read_key_history(std::string_view body);
Result<WatchedRevision> read_watched_revision(std::string_view body);
Result<NodeEvent> read_node_event(std::string_view body);
Result<NodeEvent> read_events_reset(std::string_view body);
Result<UsageView> read_usage(std::string_view body);
std::string compact_request(uint64_t revision);
Result<CompactAnswer> read_compact_answer(std::string_view body);
// The body that changes what is not empty.
std::string settings_request(const SettingsView& change);
Result<SettingsView> read_settings(std::string_view body);
Result<FaultsView> read_faults(std::string_view body);
Problem read_problem(std::string_view body);

// Why a line of a bulk stream was not done.
struct LineProblem {
  Problem problem;
  unsigned status = 0;
  bool is_last = false;  // nothing behind it was begun either
};
// Nothing: it was done.
Result<std::optional<LineProblem>> read_bulk_line(std::string_view line);

}  // namespace holdfast
