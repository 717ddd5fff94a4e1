#pragma once

// Which write each answer has seen. Every put of a history that may have had an effect is a version
// of its key; an answer that can only mean one of them names it. What contradicts itself already
// here, without any search, is a finding.

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/drill/history.h"

namespace holdfast::drill {

using VersionId = uint32_t;
inline constexpr VersionId kAbsent = 0;
inline constexpr VersionId kAnything = 1;  // what was before the part that is looked at
inline constexpr VersionId kOpaque = 2;    // of a write without an answer, and nobody has looked
inline constexpr VersionId kUnresolved = 3;
inline constexpr VersionId kFirstVersion = 4;

struct Version {
  Name key = 0;
  Name value = 0;
  uint64_t revision = 0;  // 0: not known
  uint32_t operation = 0;
  Branch branch = Branch::kThen;
  bool is_seen = false;  // an answer or a condition may mean it
};

enum class Truth : uint8_t { kHolds, kFails, kMaybe };  // kMaybe: by a revision that nobody knows

struct Contradiction {
  enum class Kind {
    kPhantom,      // a value that nobody wrote
    kRefusedSeen,  // a value whose write was refused
    kFuture,       // seen before its write had begun
    kDoubled,      // one write at two revisions
    kTwoValues,    // one revision with two values
    kTwoChanges,   // one revision given to two changes
    kBackwards,    // a later change at a lower revision
    kNotAtomic,    // half of a transaction
  };
  Kind kind;
  std::string what;                  // a sentence
  std::vector<uint32_t> operations;  // that show it
};

class Versions {
 public:
  explicit Versions(const History& history);

  const Version& operator[](VersionId id) const { return versions_[id - kFirstVersion]; }
  size_t size() const { return versions_.size(); }
  // Of the put at `place` in the acts of `branch`: consecutive for each operation.
  VersionId made_by(uint32_t operation, Branch branch, size_t place) const;
  // What an answer says was there: kAbsent, one version, or kUnresolved.
  VersionId seen(const Act& act) const;
  // When a write without an answer has certainly happened, since somebody saw it; and by which
  // branch.
  int64_t end_of(uint32_t operation) const { return ends_[operation]; }
  Branch branch_of(uint32_t operation) const { return branches_[operation]; }
  bool is_possible(uint32_t operation, Branch branch) const {
    return branches_[operation] == Branch::kUntold || branches_[operation] == branch;
  }
  // Whether `act` can have met `id`, and whether `compare` then holds.
  bool matches(VersionId id, const Act& act) const;
  Truth holds(const Compare& compare, VersionId id) const;

  const std::vector<Contradiction>& contradictions() const { return contradictions_; }

 private:
  void make_versions();
  void make_of(uint32_t number, Branch branch);
  void name_revisions();
  void name_revision(uint32_t number, const Act& act);
  void note_observations();
  void observe(uint32_t number, const Act& act);
  void observe_conditions(uint32_t number);
  void observe(VersionId id, uint32_t by);
  void check_changes();
  void check_order_of_changes();
  void contradict(Contradiction::Kind kind, std::string what, std::vector<uint32_t> operations);
  void say_unwritten(uint32_t number, const Act& act);
  bool may_have(VersionId id, uint64_t revision) const;
  VersionId only_one(Name key, Name value, uint64_t revision) const;
  void for_each_with(Name key, Name value, const std::function<void(VersionId)>& visit) const;

  const History& history_;
  std::vector<Version> versions_;
  std::vector<uint32_t> first_of_;  // operation × branch → its first version's place
  std::vector<VersionId> next_alike_;
  std::unordered_map<uint64_t, VersionId> first_alike_;  // key and value → a chain
  std::unordered_map<uint64_t, uint32_t> refused_;       // key and value → the operation
  struct Place {
    Name key;
    uint64_t revision;
    friend bool operator==(const Place&, const Place&) = default;
  };
  struct PlaceHash {
    size_t operator()(const Place& place) const {
      return (place.revision * 0x9e3779b97f4a7c15ULL) ^ (uint64_t{place.key} << 20);
    }
  };
  std::unordered_map<Place, VersionId, PlaceHash> at_revision_;
  std::vector<int64_t> ends_;
  std::vector<Branch> branches_;
  std::vector<Contradiction> contradictions_;
};

}  // namespace holdfast::drill
