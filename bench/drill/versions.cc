#include "bench/drill/versions.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace holdfast::drill {
namespace {

// Findings of one kind beyond these tell nothing new.
constexpr size_t kContradictionsMax = 20;

uint64_t joined(Name key, Name value) {
  return uint64_t{key} << 32 | value;
}

bool is_refused(const Operation& operation) {
  return operation.outcome == Outcome::kRefused;
}

}  // namespace

Versions::Versions(const History& history) : history_(history) {
  make_versions();
  name_revisions();
  note_observations();
  check_changes();
  check_order_of_changes();
}

void Versions::make_versions() {
  const size_t count = history_.operations.size();
  first_of_.resize(2 * count);
  ends_.resize(count);
  branches_.resize(count);
  for (uint32_t number = 0; number < count; ++number) {
    const Operation& operation = history_.operations[number];
    ends_[number] = operation.end;
    branches_[number] = operation.branch;
    for (const Branch branch : {Branch::kThen, Branch::kElse}) make_of(number, branch);
  }
}

void Versions::make_of(uint32_t number, Branch branch) {
  const Operation& operation = history_.operations[number];
  first_of_[2 * number + (branch == Branch::kElse ? 1 : 0)] =
      static_cast<uint32_t>(versions_.size());
  for (const Act& act : operation.acts(branch)) {
    if (act.kind != Kind::kPut) continue;
    if (is_refused(operation)) {
      refused_.emplace(joined(act.key, act.value), number);
      continue;
    }
    const auto id = static_cast<VersionId>(versions_.size() + kFirstVersion);
    versions_.push_back({.key = act.key,
                         .value = act.value,
                         .revision = operation.branch == branch ? operation.revision : 0,
                         .operation = number,
                         .branch = branch});
    next_alike_.push_back(0);
    // What its operation did not do is no version that anybody can see.
    if (!is_possible(number, branch)) continue;
    VersionId& first = first_alike_[joined(act.key, act.value)];
    next_alike_.back() = std::exchange(first, id);
    if (versions_.back().revision != 0) at_revision_[{act.key, versions_.back().revision}] = id;
  }
}

VersionId Versions::made_by(uint32_t operation, Branch branch, size_t place) const {
  const std::vector<Act>& acts = history_.operations[operation].acts(branch);
  const auto before = std::count_if(acts.begin(), acts.begin() + static_cast<ptrdiff_t>(place),
                                    [](const Act& act) { return act.kind == Kind::kPut; });
  return first_of_[2 * operation + (branch == Branch::kElse ? 1 : 0)] +
         static_cast<VersionId>(before) + kFirstVersion;
}

void Versions::for_each_with(Name key, Name value,
                             const std::function<void(VersionId)>& visit) const {
  const auto first = first_alike_.find(joined(key, value));
  if (first == first_alike_.end()) return;
  for (VersionId id = first->second; id != 0; id = next_alike_[id - kFirstVersion]) visit(id);
}

VersionId Versions::only_one(Name key, Name value, uint64_t revision) const {
  VersionId exact = 0;
  VersionId open = 0;  // may have that revision
  size_t opens = 0;
  for_each_with(key, value, [&](VersionId id) {
    const uint64_t known = (*this)[id].revision;
    if (revision != 0 && known == revision) exact = id;
    if (revision != 0 && known != 0) return;
    open = id;
    ++opens;
  });
  if (exact != 0) return exact;
  return opens == 1 ? open : kUnresolved;
}

VersionId Versions::seen(const Act& act) const {
  if (act.found == Found::kAbsent) return kAbsent;
  if (act.found == Found::kUntold) return kUnresolved;
  if (act.found_value != 0) return only_one(act.key, act.found_value, act.found_revision);
  if (act.found_revision == 0) return kUnresolved;
  const auto known = at_revision_.find({act.key, act.found_revision});
  return known == at_revision_.end() ? kUnresolved : known->second;
}

bool Versions::matches(VersionId id, const Act& act) const {
  if (id == kAnything || act.found == Found::kUntold) return true;
  if (act.found == Found::kAbsent || id == kAbsent)
    return (act.found == Found::kAbsent) == (id == kAbsent);
  // Nobody has seen it: only an answer that names neither a value nor a known revision can mean it.
  if (id == kOpaque) return act.found_value == 0 && seen(act) == kUnresolved;
  const Version& version = (*this)[id];
  if (act.found_value != 0 && act.found_value != version.value) return false;
  return act.found_revision == 0 || may_have(id, act.found_revision);
}

bool Versions::may_have(VersionId id, uint64_t revision) const {
  const Version& version = (*this)[id];
  if (version.revision != 0) return version.revision == revision;
  return !at_revision_.contains({version.key, revision});
}

Truth Versions::holds(const Compare& compare, VersionId id) const {
  if (id == kAnything) return Truth::kMaybe;
  const auto truth = [&](bool is_same) {
    return is_same == compare.is_equal ? Truth::kHolds : Truth::kFails;
  };
  switch (compare.target) {
    case Compare::Target::kExists:
      return truth((id != kAbsent) == (compare.revision == 1));
    case Compare::Target::kValue:
      // No compare of the value of a key that is not there holds.
      if (id == kAbsent) return Truth::kFails;
      return truth(id != kOpaque && (*this)[id].value == compare.value);
    case Compare::Target::kRevision:
      if (id == kAbsent || compare.revision == 0)
        return truth((id == kAbsent) == (compare.revision == 0));
      if (id == kOpaque)
        return at_revision_.contains({compare.key, compare.revision}) ? truth(false)
                                                                      : Truth::kMaybe;
      if ((*this)[id].revision != 0) return truth((*this)[id].revision == compare.revision);
      return may_have(id, compare.revision) ? Truth::kMaybe : truth(false);
  }
  return Truth::kMaybe;
}

void Versions::name_revisions() {
  for (uint32_t number = 0; number < history_.operations.size(); ++number) {
    const Operation& operation = history_.operations[number];
    if (operation.outcome != Outcome::kOk) continue;
    for (const Act& act : operation.acts(operation.branch)) {
      if (act.kind == Kind::kGet && act.found_value != 0) name_revision(number, act);
    }
  }
}

void Versions::name_revision(uint32_t number, const Act& act) {
  size_t alike = 0;
  bool is_possible_now = false;
  VersionId last = 0;
  for_each_with(act.key, act.found_value, [&](VersionId id) {
    ++alike;
    last = id;
    is_possible_now |=
        history_.operations[(*this)[id].operation].start <= history_.operations[number].end;
  });
  if (alike == 0) return say_unwritten(number, act);
  if (!is_possible_now)
    return contradict(
        Contradiction::Kind::kFuture,
        fmt::format("the value \"{}\" of '{}' was seen before its write began",
                    history_.names.text(act.found_value), history_.names.text(act.key)),
        {(*this)[last].operation, number});
  if (alike > 1 || act.found_revision == 0) return;
  Version& version = versions_[last - kFirstVersion];
  // Within a transaction its own puts have no revision yet.
  if (version.operation == number) return;
  if (version.revision == 0) version.revision = act.found_revision;
  if (version.revision != act.found_revision)
    return contradict(
        Contradiction::Kind::kDoubled,
        fmt::format("the value \"{}\" of '{}' was written once, and is there at revision {} and at "
                    "revision {}: done twice",
                    history_.names.text(version.value), history_.names.text(version.key),
                    version.revision, act.found_revision),
        {version.operation, number});
  const auto [place, is_new] = at_revision_.try_emplace({act.key, act.found_revision}, last);
  if (!is_new && place->second != last)
    contradict(Contradiction::Kind::kTwoValues,
               fmt::format("'{}' has two values at revision {}", history_.names.text(act.key),
                           act.found_revision),
               {(*this)[place->second].operation, version.operation, number});
}

void Versions::say_unwritten(uint32_t number, const Act& act) {
  const auto refused = refused_.find(joined(act.key, act.found_value));
  if (refused != refused_.end())
    return contradict(
        Contradiction::Kind::kRefusedSeen,
        fmt::format("the value \"{}\" of '{}' was refused as certainly not written, "
                    "and was seen",
                    history_.names.text(act.found_value), history_.names.text(act.key)),
        {refused->second, number});
  contradict(Contradiction::Kind::kPhantom,
             fmt::format("nobody has written the value \"{}\" that was found under '{}'",
                         history_.names.text(act.found_value), history_.names.text(act.key)),
             {number});
}

void Versions::note_observations() {
  for (uint32_t number = 0; number < history_.operations.size(); ++number) {
    const Operation& operation = history_.operations[number];
    if (operation.outcome != Outcome::kRefused) {
      for (const Compare& compare : operation.compares) {
        if (compare.target == Compare::Target::kValue)
          for_each_with(compare.key, compare.value,
                        [&](VersionId id) { versions_[id - kFirstVersion].is_seen = true; });
      }
    }
    if (operation.outcome != Outcome::kOk) continue;
    for (const Act& act : operation.acts(operation.branch)) observe(number, act);
    if (operation.branch == Branch::kThen) observe_conditions(number);
  }
}

void Versions::observe(uint32_t number, const Act& act) {
  if (act.found != Found::kPresent) return;
  if (const VersionId id = seen(act); id != kUnresolved) return observe(id, number);
  if (act.found_value != 0)
    for_each_with(act.key, act.found_value,
                  [&](VersionId id) { versions_[id - kFirstVersion].is_seen = true; });
}

// A condition that was met has seen what it asks for.
void Versions::observe_conditions(uint32_t number) {
  for (const Compare& compare : history_.operations[number].compares) {
    if (!compare.is_equal) continue;
    Act act{.found = Found::kPresent, .key = compare.key};
    if (compare.target == Compare::Target::kValue)
      act.found_value = compare.value;
    else if (compare.target == Compare::Target::kRevision)
      act.found_revision = compare.revision;
    if (act.found_value == 0 && act.found_revision == 0) continue;
    if (const VersionId id = seen(act); id != kUnresolved) observe(id, number);
  }
}

void Versions::observe(VersionId id, uint32_t by) {
  Version& version = versions_[id - kFirstVersion];
  version.is_seen = true;
  const uint32_t writer = version.operation;
  if (writer == by || history_.operations[writer].outcome != Outcome::kUnknown) return;
  ends_[writer] = std::min(ends_[writer], ends_[by]);
  if (branches_[writer] != Branch::kUntold && branches_[writer] != version.branch)
    return contradict(Contradiction::Kind::kNotAtomic,
                      "both what a transaction does if its compares hold and what it does if they "
                      "do not was seen",
                      {writer, by});
  branches_[writer] = version.branch;
}

void Versions::check_changes() {
  std::unordered_map<uint64_t, uint32_t> changes;
  for (uint32_t number = 0; number < history_.operations.size(); ++number) {
    const Operation& operation = history_.operations[number];
    if (operation.outcome != Outcome::kOk || operation.revision == 0) continue;
    const std::vector<Act>& acts = operation.acts(operation.branch);
    const bool has_changed = std::ranges::any_of(acts, [](const Act& act) {
      return act.kind == Kind::kPut || (act.kind == Kind::kDelete && act.found == Found::kPresent);
    });
    if (!has_changed) continue;
    const auto [other, is_new] = changes.try_emplace(operation.revision, number);
    if (!is_new)
      contradict(Contradiction::Kind::kTwoChanges,
                 fmt::format("two changes were acknowledged with revision {}", operation.revision),
                 {other->second, number});
  }
}

// Of all keys together: what began after another change was acknowledged has a higher revision.
void Versions::check_order_of_changes() {
  struct Change {
    int64_t at;
    uint64_t revision;
    uint32_t number;
  };
  std::vector<Change> starts;
  for (uint32_t number = 0; number < history_.operations.size(); ++number) {
    const Operation& operation = history_.operations[number];
    if (operation.outcome != Outcome::kOk || operation.revision == 0) continue;
    // An answer of a change that found nothing to change says how far the store had come.
    if (operation.kind == Kind::kGet) continue;
    starts.push_back({operation.start, operation.revision, number});
  }
  std::vector<Change> ends = starts;
  for (Change& change : ends) change.at = history_.operations[change.number].end;
  std::ranges::sort(starts, {}, &Change::at);
  std::ranges::sort(ends, {}, &Change::at);
  const Change* newest = nullptr;
  size_t ended = 0;
  for (const Change& change : starts) {
    for (; ended < ends.size() && ends[ended].at < change.at; ++ended) {
      if (newest == nullptr || ends[ended].revision > newest->revision) newest = &ends[ended];
    }
    if (newest == nullptr || change.revision >= newest->revision) continue;
    contradict(Contradiction::Kind::kBackwards,
               fmt::format("revisions went back: {} was acknowledged before a change began that "
                           "has {}",
                           newest->revision, change.revision),
               {newest->number, change.number});
  }
}

void Versions::contradict(Contradiction::Kind kind, std::string what,
                          std::vector<uint32_t> operations) {
  const auto alike = std::ranges::count(contradictions_, kind, &Contradiction::kind);
  if (static_cast<size_t>(alike) >= kContradictionsMax) return;
  contradictions_.push_back({kind, std::move(what), std::move(operations)});
}

}  // namespace holdfast::drill
