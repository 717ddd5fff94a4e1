#pragma once

// What a load asks for, one at a time, and what became of it.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/base/clock.h"

namespace holdfast::load {

enum class OpKind : uint8_t {
  kPut,
  kInsert,  // a put of a key that was not there
  kGet,
  kScan,
  kReadModifyWrite,  // a get, then a put of the same key: one operation, one latency
  kTxn,
  kBulk,      // many puts in one request; each counts
  kDelivery,  // of a change to a watcher: nothing is sent for it
};
inline constexpr size_t kOpKinds = 8;
inline constexpr std::array<std::string_view, kOpKinds> kOpNames{
    "put", "insert", "get", "scan", "read-modify-write", "txn", "bulk put", "delivery"};

struct Operation {
  OpKind kind = OpKind::kGet;
  bool has_read = false;    // a read-modify-write of which the first half is done
  uint64_t key = 0;         // its number
  uint64_t keys = 1;        // how many there are: further keys of it lie among them
  uint32_t count = 1;       // items of a scan, operations of a transaction, lines of a bulk
  uint32_t value_size = 0;  // bytes
  Instant intended{};       // when it was due; its latency counts from here
  Duration late{};          // sent so much later than it could have been

  // The i-th key of several; scattered over all, always the same for the same operation.
  uint64_t key_at(uint32_t i) const { return (key + i * 0x9e3779b97f4a7c15) % keys; }
  bool changes() const { return kind != OpKind::kGet && kind != OpKind::kScan; }
};

enum class Fate {
  kOk,
  kMissing,  // a read of a key that is not there
  kRefused,  // certainly nothing happened
  kUnknown,  // it may have happened
};

struct Answer {
  Fate fate = Fate::kOk;
  std::string code;      // of what was refused or is unknown
  uint64_t done = 1;     // operations: the lines of a bulk
  uint64_t refused = 0;  // lines of a bulk, as `unknown`
  uint64_t unknown = 0;
};

}  // namespace holdfast::load
