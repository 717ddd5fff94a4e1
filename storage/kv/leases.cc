#include "storage/kv/leases.h"

#include <algorithm>
#include <utility>

#include "storage/base/codec.h"
#include "storage/kv/must.h"

namespace holdfast {
namespace {

constexpr std::string_view kLease = "lease/";
constexpr std::string_view kBound = "bound/";
constexpr char kKeyMark = 'k';
constexpr char kLeaseMark = 'l';

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

// What is due with a key, or with a lease.
std::string marked(std::string_view key) {
  return std::string(1, kKeyMark).append(key);
}
std::string marked(LeaseId id) {
  return numbered(std::string_view(&kLeaseMark, 1), id.value);
}

std::unexpected<Error> damaged_record(std::string_view what) {
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
  if (name.size() != 8 || value.size() != 16) return damaged_record("record of a lease");
  const Lease lease{{load_ordered(name)},
                    load_fixed<uint64_t>(value.data()),
                    load_fixed<uint64_t>(value.data() + 8)};
  const bool is_ttl = lease.ttl_ms >= kTtlMsMin && lease.ttl_ms <= kTtlMsMax;
  if (!is_lease_id(lease.id) || (lease.lives() && !is_ttl))
    return damaged_record("record of a lease");
  return lease;
}

Result<Due> decode_due(const DueIndex::Due& due) {
  const std::string_view rest = std::string_view(due.what).substr(1);
  if (due.what[0] == kKeyMark && !rest.empty())
    return Due{.deadline_ms = due.deadline_ms, .key = std::string(rest), .lease = {}};
  if (due.what[0] == kLeaseMark && rest.size() == sizeof(uint64_t))
    return Due{.deadline_ms = due.deadline_ms, .key = {}, .lease = {load_ordered(rest)}};
  return damaged_record("list of what is due");
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
  due_.add(named, lease.deadline_ms, marked(lease.id));
}

void Leases::change(NamedOverlay& named, const Lease& before, const Lease& after) {
  named.replace(lease_name(before.id), encode(before), encode(after));
  if (before.deadline_ms == after.deadline_ms) return;
  due_.remove(named, before.deadline_ms, marked(before.id));
  due_.add(named, after.deadline_ms, marked(after.id));
}

void Leases::prolong(NamedOverlay& named, const Lease& lease, uint64_t deadline_ms) {
  change(named, lease, {lease.id, lease.ttl_ms, deadline_ms});
}

Leases::Keys Leases::keys(const NamedOverlay& named, LeaseId id, size_t limit,
                          uint64_t bytes_max) const {
  const std::string prefix = bound_name(id, "");
  Keys found;
  uint64_t bytes = 0;
  for (auto& [name, unused] :
       named.scan(prefix, id == ending_.id ? ending_.behind : "", limit + 1)) {
    bytes += name.size() - prefix.size();
    if (found.keys.size() == limit || (bytes > bytes_max && !found.keys.empty())) {
      found.rest_behind = bound_name(id, found.keys.back());
      break;
    }
    found.keys.push_back(name.substr(prefix.size()));
  }
  return found;
}

void Leases::end(NamedOverlay& named, const Lease& lease, uint64_t now_ms,
                 const std::string& rest_behind) {
  if (!rest_behind.empty()) {
    ending_ = {lease.id, rest_behind};
    change(named, lease, {lease.id, 0, std::min(lease.deadline_ms, now_ms)});
    return;
  }
  if (ending_.id == lease.id) ending_ = {};  // its id may be granted again
  named.remove(lease_name(lease.id), encode(lease));
  due_.remove(named, lease.deadline_ms, marked(lease.id));
}

void Leases::rebind(NamedOverlay& named, std::string_view key, Bond before, Bond after) {
  if (before == after) return;
  if (before.is_lease()) named.remove(bound_name(before.lease(), key), "");
  if (before.is_deadline()) due_.remove(named, before.deadline_ms(), marked(key));
  if (after.is_lease()) named.add(bound_name(after.lease(), key), "");
  if (after.is_deadline()) due_.add(named, after.deadline_ms(), marked(key));
}

std::vector<Due> Leases::due(const NamedOverlay& named, uint64_t now_ms, size_t limit) const {
  std::vector<Due> found;
  for (const DueIndex::Due& one : due_.due(named, now_ms, limit))
    found.push_back(must(decode_due(one)));
  return found;
}

void Leases::publish() {
  next_due_ms_.store(due_.earliest(), std::memory_order_release);
}

void Leases::settle() {
  must(due_.read_ahead());
  publish();
}

Result<> Leases::read_again() {
  ending_ = {};
  HOLDFAST_TRY(due_.read_again());
  publish();
  return {};
}

}  // namespace holdfast
