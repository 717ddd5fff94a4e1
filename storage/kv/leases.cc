#include "storage/kv/leases.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "storage/base/check.h"
#include "storage/base/codec.h"

namespace holdfast {
namespace {

constexpr std::string_view kLease = "lease/";
constexpr std::string_view kBound = "bound/";
constexpr std::string_view kDue = "due/";
constexpr char kKeyMark = 'k';
constexpr char kLeaseMark = 'l';
constexpr size_t kDueAtOnce = 128;

void put_ordered(std::string& out, uint64_t number) {
  put_fixed(out, __builtin_bswap64(number));
}

uint64_t load_ordered(std::string_view bytes) {
  return __builtin_bswap64(load_fixed<uint64_t>(bytes.data()));
}

std::string numbered(std::string_view prefix, uint64_t number) {
  std::string name(prefix);
  put_ordered(name, number);
  return name;
}

std::string lease_name(LeaseId id) {
  return numbered(kLease, id.value);
}

std::string bound_name(LeaseId id, std::string_view key) {
  return numbered(kBound, id.value).append(key);
}

std::string due_name(uint64_t deadline_ms, char mark, std::string_view rest) {
  std::string name = numbered(kDue, deadline_ms);
  name.push_back(mark);
  return name.append(rest);
}

std::string due_name(const Lease& lease) {
  return due_name(lease.deadline_ms, kLeaseMark, numbered("", lease.id.value));
}

std::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorCode::kCorrupt,
              fmt::format("the state's {} cannot be read: restore this node from its peers", what));
}

std::string encode(const Lease& lease) {
  std::string value;
  put_fixed(value, lease.ttl_ms);
  put_fixed(value, lease.deadline_ms);
  return value;
}

Result<Lease> decode_lease(std::string_view name, std::string_view value) {
  name.remove_prefix(kLease.size());
  if (name.size() != 8 || value.size() != 16) return damaged("record of a lease");
  const Lease lease{{load_ordered(name)},
                    load_fixed<uint64_t>(value.data()),
                    load_fixed<uint64_t>(value.data() + 8)};
  const bool is_ttl = lease.ttl_ms >= kTtlMsMin && lease.ttl_ms <= kTtlMsMax;
  if (!is_lease_id(lease.id) || (lease.lives() && !is_ttl)) return damaged("record of a lease");
  return lease;
}

Result<Due> decode_due(std::string_view name) {
  name.remove_prefix(kDue.size());
  if (name.size() < 10) return damaged("list of what is due");
  Due due{.deadline_ms = load_ordered(name), .key = {}, .lease = {}};
  const std::string_view rest = name.substr(9);
  if (name[8] == kKeyMark) {
    due.key = rest;
  } else if (name[8] == kLeaseMark && rest.size() == 8) {
    due.lease = {load_ordered(rest)};
  } else {
    return damaged("list of what is due");
  }
  return due;
}

template <class T>
T must(Result<T> read) {
  if (!read)
    fatal(fmt::format("applying the log stopped, the state cannot be read: {}",
                      read.error().message));
  if constexpr (!std::is_void_v<T>) return *std::move(read);
}

}  // namespace

Result<std::optional<Lease>> read_lease(const Engine& engine, LeaseId id) {
  const std::string name = lease_name(id);
  HOLDFAST_ASSIGN(const std::optional<std::string> value, engine.get_meta(name));
  if (!value) return std::nullopt;
  HOLDFAST_ASSIGN(const Lease lease, decode_lease(name, *value));
  return lease.lives() ? std::optional(lease) : std::nullopt;
}

Result<std::vector<Lease>> list_leases(const Engine& engine, LeaseId after, size_t limit) {
  std::vector<Lease> found;
  std::string behind = after ? lease_name(after) : std::string();
  // Those that have ended are few: seldom is a second look needed.
  while (found.size() < limit) {
    const size_t wanted = limit - found.size();
    HOLDFAST_ASSIGN(const Engine::NamedValueList named, engine.scan_meta(kLease, behind, wanted));
    for (const auto& [name, value] : named) {
      HOLDFAST_ASSIGN(const Lease lease, decode_lease(name, value));
      if (lease.lives()) found.push_back(lease);
    }
    if (named.size() < wanted) break;
    behind = named.back().first;
  }
  return found;
}

Result<std::vector<std::string>> bound_keys(const Engine& engine, LeaseId id,
                                            std::string_view after, size_t limit) {
  const std::string prefix = bound_name(id, "");
  HOLDFAST_ASSIGN(const Engine::NamedValueList named,
                  engine.scan_meta(prefix, after.empty() ? "" : bound_name(id, after), limit));
  std::vector<std::string> keys;
  keys.reserve(named.size());
  for (const auto& [name, unused] : named) keys.push_back(name.substr(prefix.size()));
  return keys;
}

std::optional<Lease> Leases::find(const NamedOverlay& named, LeaseId id) {
  const std::string name = lease_name(id);
  const std::optional<std::string> value = named.get(name);
  if (!value) return std::nullopt;
  return must(decode_lease(name, *value));
}

void Leases::grant(NamedOverlay& named, const Lease& lease) {
  named.add(lease_name(lease.id), encode(lease));
  named.add(due_name(lease), "");
  deadlines_.add(lease.deadline_ms);
}

void Leases::change(NamedOverlay& named, const Lease& before, const Lease& after) {
  named.replace(lease_name(before.id), encode(before), encode(after));
  if (before.deadline_ms == after.deadline_ms) return;
  named.remove(due_name(before), "");
  deadlines_.remove(before.deadline_ms);
  named.add(due_name(after), "");
  deadlines_.add(after.deadline_ms);
}

void Leases::prolong(NamedOverlay& named, const Lease& lease, uint64_t deadline_ms) {
  change(named, lease, {lease.id, lease.ttl_ms, deadline_ms});
}

Leases::Keys Leases::keys(const NamedOverlay& named, LeaseId id, size_t limit, uint64_t bytes_max) {
  const std::string prefix = bound_name(id, "");
  Keys found;
  uint64_t bytes = 0;
  for (auto& [name, unused] : named.scan(prefix, "", limit + 1)) {
    bytes += name.size() - prefix.size();
    if (found.keys.size() == limit || (bytes > bytes_max && !found.keys.empty())) {
      found.all = false;
      break;
    }
    found.keys.push_back(name.substr(prefix.size()));
  }
  return found;
}

void Leases::end(NamedOverlay& named, const Lease& lease, uint64_t now_ms, bool all_keys) {
  if (!all_keys) {
    change(named, lease, {lease.id, 0, std::min(lease.deadline_ms, now_ms)});
    return;
  }
  named.remove(lease_name(lease.id), encode(lease));
  named.remove(due_name(lease), "");
  deadlines_.remove(lease.deadline_ms);
}

void Leases::rebind(NamedOverlay& named, std::string_view key, Bond before, Bond after) {
  if (before == after) return;
  if (before.is_lease()) named.remove(bound_name(before.lease(), key), "");
  if (before.is_deadline()) {
    named.remove(due_name(before.deadline_ms(), kKeyMark, key), "");
    deadlines_.remove(before.deadline_ms());
  }
  if (after.is_lease()) named.add(bound_name(after.lease(), key), "");
  if (after.is_deadline()) {
    named.add(due_name(after.deadline_ms(), kKeyMark, key), "");
    deadlines_.add(after.deadline_ms());
  }
}

std::vector<Due> Leases::due(const NamedOverlay& named, uint64_t now_ms, size_t limit) const {
  std::vector<Due> found;
  if (deadlines_.earliest() > now_ms) return found;
  std::string behind = numbered(kDue, deadlines_.earliest());
  while (found.size() < limit) {
    const size_t wanted = std::min(kDueAtOnce, limit - found.size());
    const Engine::NamedValueList names = named.scan(kDue, behind, wanted);
    for (const auto& [name, unused] : names) {
      Due one = must(decode_due(name));
      if (one.deadline_ms > now_ms) return found;
      found.push_back(std::move(one));
    }
    if (names.size() < wanted) break;
    behind = names.back().first;
  }
  return found;
}

Result<> Leases::read_ahead() {
  while (deadlines_.must_read()) {
    HOLDFAST_ASSIGN(
        const Engine::NamedValueList names,
        engine_.scan_meta(kDue, numbered(kDue, deadlines_.unknown_from()), Deadlines::kReadAtOnce));
    std::vector<uint64_t> found;
    found.reserve(names.size());
    for (const auto& [name, unused] : names) {
      HOLDFAST_ASSIGN(const Due due, decode_due(name));
      found.push_back(due.deadline_ms);
    }
    deadlines_.read(found);
  }
  next_due_ms_.store(deadlines_.earliest(), std::memory_order_release);
  return {};
}

void Leases::settle() {
  must(read_ahead());
}

Result<> Leases::read_again() {
  deadlines_ = {};
  return read_ahead();
}

}  // namespace holdfast
