#pragma once

// Random commands that look for trouble, as entries of a log.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "storage/base/random.h"
#include "storage/kv/command.h"
#include "storage/kv/settings.h"
#include "storage/log/log_entry.h"

namespace holdfast {

// Keys that are prefixes of each other, that hold NUL and 0xff, and that end in what could be
// taken for a stored revision.
inline std::string tricky_key(Random& random) {
  using namespace std::string_literals;
  static const std::vector<std::string> heads = {
      ""s,         "\0"s,     "\0\0"s,  "a"s,    "a\0"s,
      "a\0\0"s,    "ab"s,     "a\xff"s, "b"s,    "\xff"s,
      "\xff\xff"s, "\xff\0"s, "\x7f"s,  "\x80"s, "middle/of/the/road"s};
  static const std::vector<std::string> tails = {""s,
                                                 ""s,
                                                 ""s,
                                                 "\0"s,
                                                 "\xff"s,
                                                 std::string(8, '\0'),
                                                 std::string(8, '\xff'),
                                                 "\1\0\0\0\0\0\0\0"s,
                                                 std::string(40, 'k')};
  std::string key = heads[random.below(heads.size())] + tails[random.below(tails.size())];
  if (random.chance(0.01)) key += std::string(kKeyBytesMax - key.size(), '\xff');
  return key.empty() ? "\0"s : key;
}

inline std::vector<Condition> random_conditions(Random& random, Revision newest) {
  std::vector<Condition> conditions;
  while (random.chance(0.25)) {
    Condition& condition = conditions.emplace_back();
    condition.kind = random.chance(0.5) ? Condition::Kind::kMatch : Condition::Kind::kNoneMatch;
    condition.any = random.chance(0.4);
    for (uint64_t i = random.below(4); i > 0; --i) {
      condition.revisions.push_back({newest.value - random.below(newest.value + 1)});
    }
  }
  return conditions;
}

// Few, so that they meet again.
inline LeaseId random_lease(Random& random) {
  return {random.chance(0.5) ? 1 + random.below(3) : kLeaseIdMax - random.below(3)};
}

inline void bind_at_random(Random& random, PutCommand& put) {
  const uint64_t draw = random.below(100);
  if (draw < 20) put.lease = random_lease(random);
  if (draw >= 80) put.ttl_ms = kTtlMsMin + random.below(1000);
}

inline Command random_lease_command(Random& random) {
  switch (random.below(5)) {
    case 0:
    case 1:
      return {.act = GrantLeaseCommand{random_lease(random), kTtlMsMin + random.below(3000)}};
    case 2:
      return {.act = KeepLeaseAliveCommand{random_lease(random)}};
    case 3:
      return {.act = RevokeLeaseCommand{random_lease(random)}};
    default:
      return {.act = ExpireCommand{}};
  }
}

inline Command random_history_command(Random& random, LogIndex index, Revision newest) {
  switch (random.below(5)) {
    case 0:
      return {.act = CompactCommand{}};
    case 1:
      return {.act = CompactCommand{Revision{newest.value - random.below(newest.value / 4 + 1)}}};
    case 2:
      return {.act = SettingsCommand{Settings::kKeepHistoryMsMin + random.below(2)}};
    case 3:
      return {.act = HashCheckCommand{}};
    default:
      return {.act = HashReportCommand{{random.below(3)}, index - random.below(20), random.next()}};
  }
}

inline Compare random_compare(Random& random, Revision newest) {
  const bool is_value = random.chance(0.3);
  const auto target =
      is_value ? Compare::Target::kValue
               : static_cast<Compare::Target>(random.chance(0.3) ? 1 : 3 + random.below(4));
  Compare compare{.key = tricky_key(random),
                  .target = target,
                  .relation = static_cast<Compare::Relation>(1 + random.below(6)),
                  .number = random.below(3),
                  .value = {}};
  if (target == Compare::Target::kLease) compare.number = random_lease(random).value;
  if (random.chance(0.5) && !is_value) compare.number = random.below(newest.value + 1);
  if (is_value) compare.value.assign(random.below(5), static_cast<char>(random.below(256)));
  return compare;
}

inline Operation random_operation(Random& random) {
  const uint64_t draw = random.below(100);
  const auto bound = [&] { return random.chance(0.2) ? "" : tricky_key(random); };
  if (draw < 40) {
    PutCommand put{tricky_key(random), std::string(random.below(30), 'v'), {}};
    if (random.chance(0.1)) bind_at_random(random, put);
    put.prev = random.chance(0.3);
    return put;
  }
  if (draw < 60) return DeleteCommand{tricky_key(random), {}, random.chance(0.3)};
  if (draw < 65) return DeleteRangeCommand{bound(), bound()};
  if (draw < 80) return GetOperation{tricky_key(random)};
  return ScanOperation{.start = bound(),
                       .end = bound(),
                       .limit = random.chance(0.5) ? 1 + random.below(10) : kRangeKeysMax,
                       .reverse = random.chance(0.5),
                       .keys_only = random.chance(0.3),
                       .count_only = random.chance(0.2)};
}

inline TransactionCommand random_transaction(Random& random, Revision newest) {
  TransactionCommand transaction;
  while (random.chance(0.4)) transaction.compares.push_back(random_compare(random, newest));
  while (random.chance(0.8)) transaction.then.push_back(random_operation(random));
  while (random.chance(0.6)) transaction.otherwise.push_back(random_operation(random));
  return transaction;
}

// Few names, so that they meet again, sometimes with something else under them.
inline Once random_once(Random& random) {
  return {fmt::format("request {}", random.below(200)),
          {random.chance(0.2) ? 1U : 0U, random.chance(0.1) ? 1U : 0U}};
}

// Tokens are guesses: mostly of a lock that somebody had.
inline Command random_lock_command(Random& random, Revision newest) {
  const std::string name =
      random.chance(0.8) ? fmt::format("lock {}", random.below(3)) : std::string("\0/\xff", 3);
  const uint64_t token = newest.value + 3 - random.below(std::min<uint64_t>(40, newest.value));
  Command command;
  if (random.chance(0.3)) command.once = random_once(random);
  if (random.chance(0.5)) {
    command.act = AcquireLockCommand{name, std::string(random.below(5), '\xfe'),
                                     random_lease(random), kTtlMsMin + random.below(3000)};
  } else if (random.chance(0.5)) {
    command.act = KeepLockAliveCommand{name, token};
  } else {
    command.act = ReleaseLockCommand{name, token};
  }
  return command;
}

// `newest`: about where revisions are, for conditions that sometimes hold.
inline Command random_command(Random& random, LogIndex index, Revision newest) {
  if (random.chance(0.15)) return random_lease_command(random);
  if (random.chance(0.05)) return random_history_command(random, index, newest);
  if (random.chance(0.15)) return random_lock_command(random, newest);
  Command command;
  if (random.chance(0.2)) command.once = random_once(random);
  if (random.chance(0.25)) {
    command.act = random_transaction(random, newest);
    return command;
  }
  const uint64_t draw = random.below(100);
  if (draw < 60) {
    const std::string value(random.below(random.chance(0.1) ? 5000 : 50),
                            static_cast<char>(random.below(256)));
    PutCommand put{tricky_key(random), value, random_conditions(random, newest)};
    bind_at_random(random, put);
    put.prev = random.chance(0.2);
    command.act = std::move(put);
  } else if (draw < 85) {
    command.act =
        DeleteCommand{tricky_key(random), random_conditions(random, newest), random.chance(0.2)};
  } else if (draw < 95) {
    command.act = DeleteRangeCommand{random.chance(0.1) ? "" : tricky_key(random),
                                     random.chance(0.1) ? "" : tricky_key(random)};
  } else {
    command.act = AnnounceCommand{{random.below(5) + 1},
                                  fmt::format("http://127.0.0.1:{}", random.below(65536))};
  }
  return command;
}

inline EntryPtr make_entry(LogIndex index, EntryKind kind, Bytes payload, Origin origin = {},
                           std::optional<Stamp> stamp = {}) {
  // The term only has to grow; time falls now and then, as no leader would let it, and leaps where
  // a cluster was idle. The calendar falls and leaps elsewhere: it may be set.
  const uint64_t cluster_ms =
      index.value * 10 + (index.value * 7919) % 100 + index.value / 400 * 350'000;
  const uint64_t wall_ms =
      1'000'000 + index.value * 13 + (index.value * 104'729) % 130 + index.value / 300 * 900'000;
  return std::make_shared<const LogEntry>(LogEntry{index,
                                                   {1 + index.value / 100},
                                                   kind,
                                                   origin,
                                                   std::move(payload),
                                                   stamp.value_or(Stamp{cluster_ms, wall_ms})});
}

inline EntryPtr random_entry(Random& random, LogIndex index, Revision newest) {
  const Origin origin{{random.below(3)}, {index.value}};
  if (random.chance(0.03)) return make_entry(index, EntryKind::kBarrier, {}, origin);
  if (random.chance(0.03)) {
    Bytes members(fmt::format("members as of {}", index.value));
    return make_entry(index, EntryKind::kMembers, std::move(members), origin);
  }
  Bytes payload = encode_command(random_command(random, index, newest));
  return make_entry(index, EntryKind::kCommand, std::move(payload), origin);
}

}  // namespace holdfast
