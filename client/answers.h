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
Result<DeleteAnswer> read_delete_answer(std::string_view body);
Result<TxnAnswer> read_txn_answer(std::string_view body);
Result<ScanPage> read_scan_page(std::string_view body);
Result<KeyHistory> read_key_history(std::string_view body);
Result<WatchedRevision> read_watched_revision(std::string_view body);
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
