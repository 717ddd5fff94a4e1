#pragma once

// Whether some order of operations explains every answer: Wing and Gong's search with Lowe's memory
// of what was tried in vain, over keys that transactions have joined.

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "bench/drill/versions.h"

namespace holdfast::drill {

// What a search is about: a component of the history, or a part of one.
struct Question {
  std::vector<uint32_t> operations;  // in order of their starts; no refused ones, no local reads
  std::vector<Name> keys;            // all that they touch
  VersionId initial = kAbsent;       // of every key
  int64_t until = kOpen;             // what ends later need not have happened, and reads no more
};

struct Budget {
  uint64_t steps_max = 5'000'000;    // places tried; a few seconds
  size_t dead_ends_max = 8'000'000;  // remembered, 16 bytes each and the table's overhead
};

enum class Answer : uint8_t {
  kOrder,    // there is one
  kNoOrder,  // there is none: certainly
  kGaveUp,   // the budget is used up: nothing is known
};

class Search {
 public:
  Search(const History& history, const Versions& versions);

  Answer find_order(const Question& question, const Budget& budget);
  uint64_t steps() const { return steps_; }  // of the last one

 private:
  struct Move {
    uint32_t key;  // its place in the question
    const Act* act;
    VersionId sees;    // kUnresolved: look at the act
    VersionId writes;  // of a put
  };
  struct Entry {
    uint32_t number;
    int64_t start;
    int64_t end;
    Branch branch;
    bool is_mandatory;
    uint64_t revision;
    uint32_t
        kind_of_blind;  // of writes that nobody has seen: alike ones are taken in order; 0: not
    std::vector<Move> moves[2];
    std::vector<uint32_t> compared;  // places of the keys of its compares
    std::vector<VersionId> needs;    // versions that must be there when it comes
  };
  struct Choice {
    uint32_t entry;
    Branch branch;
  };
  struct Frame {
    size_t undo;          // size of undo_ before its choice
    Choice choice;        // that led here
    size_t first_choice;  // what can come next: choices_ from here, where it is expanded
    size_t next_choice;
    bool is_expanded;
  };
  struct Change {
    uint32_t key;
    VersionId before;
  };
  struct Hash {
    uint64_t first = 0;
    uint64_t second = 0;
    friend bool operator==(const Hash&, const Hash&) = default;
  };
  struct HashOfHash {
    size_t operator()(const Hash& hash) const { return hash.first; }
  };

  void prepare(const Question& question);
  Entry entry_of(uint32_t number, const Question& question) const;
  std::vector<Move> moves_of(uint32_t number, Branch branch, const std::vector<Name>& keys) const;
  uint32_t blindness_of(const Entry& entry) const;
  void expand();
  bool expand_to_reader();
  void add_optional(int64_t horizon);
  bool changes_nothing(const Entry& entry, Branch branch) const;
  bool may_take(const Entry& entry, Branch branch) const;
  bool apply(const Entry& entry, Branch branch);
  void revert(const Entry& entry, size_t undo);
  bool is_admissible(const Choice& choice);
  void take(const Choice& choice);
  void retreat();
  void set(uint32_t key, VersionId version);
  void add(uint64_t what, uint64_t sign);

  const History& history_;
  const Versions& versions_;
  std::vector<uint32_t> needed_;  // by version: operations not yet placed that must see it

  // Of one question.
  std::vector<Entry> entries_;  // the mandatory ones first, each kind in order of its starts
  size_t mandatory_ = 0;
  std::vector<uint32_t> next_;  // of mandatory entries not placed; the last place is the list's end
  std::vector<uint32_t> previous_;
  std::vector<bool> is_placed_;
  std::vector<VersionId> state_;
  std::vector<Frame> frames_;
  std::vector<Choice> choices_;
  std::vector<Change> undo_;
  std::vector<uint32_t> window_;
  Hash hash_;
  std::unordered_set<Hash, HashOfHash> dead_ends_;
  uint64_t steps_ = 0;
};

}  // namespace holdfast::drill
