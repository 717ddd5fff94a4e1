#include "bench/drill/search.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace holdfast::drill {
namespace {

constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

// splitmix64's finish: any two numbers differ in about half of their bits.
uint64_t mixed(uint64_t number) {
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9ULL;
  number = (number ^ (number >> 27)) * 0x94d049bb133111ebULL;
  return number ^ (number >> 31);
}

size_t index_of(Branch branch) {
  return branch == Branch::kElse ? 1 : 0;
}

uint32_t place_of(const std::vector<Name>& keys, Name key) {
  return static_cast<uint32_t>(std::ranges::lower_bound(keys, key) - keys.begin());
}

}  // namespace

Search::Search(const History& history, const Versions& versions)
    : history_(history), versions_(versions), needed_(versions.size(), 0) {}

// A configuration is what was placed and what the keys then hold. Two with the same sum of 128 bits
// are taken for one, which could only make a search miss an order: never accept what has none.
void Search::add(uint64_t what, uint64_t sign) {
  hash_.first += sign * mixed(what + 0x9e3779b97f4a7c15ULL);
  hash_.second += sign * mixed(what * 0xd6e8feb86659fd93ULL + 0xa0761d6478bd642fULL);
}

void Search::set(uint32_t key, VersionId version) {
  const auto tag = [&](VersionId of) { return uint64_t{1} << 63 | uint64_t{key} << 32 | of; };
  undo_.push_back({key, state_[key]});
  add(tag(state_[key]), ~uint64_t{0});
  state_[key] = version;
  add(tag(version), 1);
}

std::vector<Search::Move> Search::moves_of(uint32_t number, Branch branch,
                                           const std::vector<Name>& keys) const {
  std::vector<Move> moves;
  const std::vector<Act>& acts = history_.operations[number].acts(branch);
  for (size_t i = 0; i < acts.size(); ++i) {
    Move move{.key = place_of(keys, acts[i].key),
              .act = &acts[i],
              .sees = versions_.seen(acts[i]),
              .writes = kAbsent};
    if (acts[i].kind == Kind::kPut) {
      move.writes = versions_.made_by(number, branch, i);
      // Alike for all that may come later: so many searches become one.
      if (!versions_[move.writes].is_seen && versions_[move.writes].revision == 0)
        move.writes = kOpaque;
    }
    moves.push_back(move);
  }
  return moves;
}

uint32_t Search::blindness_of(const Entry& entry) const {
  const Operation& operation = history_.operations[entry.number];
  if (entry.is_mandatory || !operation.compares.empty() || operation.then.size() != 1) return 0;
  const Move& move = entry.moves[0].front();
  if (move.act->found != Found::kUntold) return 0;
  if (move.act->kind == Kind::kDelete) return 2 * move.key + 1;
  return move.writes == kOpaque ? 2 * move.key + 2 : 0;
}

Search::Entry Search::entry_of(uint32_t number, const Question& question) const {
  const Operation& operation = history_.operations[number];
  Entry entry{.number = number,
              .start = operation.start,
              .end = versions_.end_of(number),
              .branch = versions_.branch_of(number),
              .is_mandatory =
                  versions_.end_of(number) <= question.until && versions_.end_of(number) != kOpen,
              .revision = operation.revision,
              .kind_of_blind = 0,
              .moves = {},
              .compared = {},
              .needs = {}};
  // Without compares there is no other branch.
  if (operation.compares.empty()) entry.branch = Branch::kThen;
  for (const Branch branch : {Branch::kThen, Branch::kElse}) {
    if (entry.branch == Branch::kUntold || entry.branch == branch)
      entry.moves[index_of(branch)] = moves_of(number, branch, question.keys);
  }
  for (const Compare& compare : operation.compares)
    entry.compared.push_back(place_of(question.keys, compare.key));
  entry.kind_of_blind = blindness_of(entry);
  if (!entry.is_mandatory) return entry;
  for (const Move& move : entry.moves[index_of(entry.branch)]) {
    const bool is_version = move.sees >= kFirstVersion;
    if (is_version && versions_[move.sees].operation != number) entry.needs.push_back(move.sees);
    if (entry.revision == 0 && move.writes >= kFirstVersion)
      entry.revision = versions_[move.writes].revision;
  }
  return entry;
}

void Search::prepare(const Question& question) {
  entries_.clear();
  std::vector<Entry> optional;
  for (const uint32_t number : question.operations) {
    Entry entry = entry_of(number, question);
    for (const VersionId id : entry.needs) ++needed_[id - kFirstVersion];
    (entry.is_mandatory ? entries_ : optional).push_back(std::move(entry));
  }
  mandatory_ = entries_.size();
  std::ranges::move(optional, std::back_inserter(entries_));
  next_.resize(mandatory_ + 1);
  previous_.resize(mandatory_ + 1);
  for (uint32_t i = 0; i <= mandatory_; ++i) {
    next_[i] = i == mandatory_ ? 0 : i + 1;
    previous_[i] = i == 0 ? static_cast<uint32_t>(mandatory_) : i - 1;
  }
  is_placed_.assign(entries_.size(), false);
  state_.assign(question.keys.size(), question.initial);
  frames_.clear();
  choices_.clear();
  undo_.clear();
  dead_ends_.clear();
  hash_ = {};
  steps_ = 0;
}

Answer Search::find_order(const Question& question, const Budget& budget) {
  prepare(question);
  const auto end = static_cast<uint32_t>(mandatory_);
  frames_.push_back({0, {kNone, Branch::kThen}, 0, 0, false});
  Answer answer = Answer::kNoOrder;
  while (!frames_.empty()) {
    if (next_[end] == end) {
      answer = Answer::kOrder;
      break;
    }
    Frame& frame = frames_.back();
    if (!frame.is_expanded) {
      if (++steps_ > budget.steps_max || dead_ends_.size() > budget.dead_ends_max) {
        answer = Answer::kGaveUp;
        break;
      }
      frame.first_choice = frame.next_choice = choices_.size();
      frame.is_expanded = true;
      if (!dead_ends_.contains(hash_)) expand();
    }
    if (frame.next_choice < choices_.size()) {
      take(choices_[frame.next_choice++]);
    } else {
      // Only what was given up is remembered: a history that is in order costs no memory.
      dead_ends_.insert(hash_);
      retreat();
    }
  }
  for (const Entry& entry : entries_)
    for (const VersionId id : entry.needs) needed_[id - kFirstVersion] = 0;
  return answer;
}

// An operation may come next if none that is not placed ended before it began.
void Search::expand() {
  const auto end = static_cast<uint32_t>(mandatory_);
  int64_t horizon = kOpen;
  window_.clear();
  for (uint32_t i = next_[end]; i != end && entries_[i].start <= horizon; i = next_[i]) {
    window_.push_back(i);
    horizon = std::min(horizon, entries_[i].end);
  }
  if (expand_to_reader()) return;
  const size_t first = choices_.size();
  for (const uint32_t i : window_) {
    const Choice choice{i, entries_[i].branch};
    if (is_admissible(choice)) choices_.push_back(choice);
  }
  // Revisions say in which order it happened: then the first order tried is the right one.
  std::sort(choices_.begin() + static_cast<ptrdiff_t>(first), choices_.end(),
            [&](const Choice& a, const Choice& b) {
              const Entry& one = entries_[a.entry];
              const Entry& other = entries_[b.entry];
              if (one.revision != 0 && other.revision != 0) return one.revision < other.revision;
              if (one.revision != other.revision) return one.revision != 0;
              return one.end < other.end;
            });
  add_optional(horizon);
}

// What fits here and changes nothing: no other order can do better than to have it now.
bool Search::expand_to_reader() {
  for (const uint32_t i : window_) {
    const Entry& entry = entries_[i];
    if (!changes_nothing(entry, entry.branch) || !is_admissible({i, entry.branch})) continue;
    choices_.push_back({i, entry.branch});
    return true;
  }
  return false;
}

void Search::add_optional(int64_t horizon) {
  std::vector<uint32_t> blind;  // kinds that are there already
  for (size_t i = mandatory_; i < entries_.size() && entries_[i].start <= horizon; ++i) {
    const Entry& entry = entries_[i];
    if (is_placed_[i]) continue;
    if (entry.kind_of_blind != 0) {
      // Of alike ones the first is as good as any.
      if (std::ranges::find(blind, entry.kind_of_blind) != blind.end()) continue;
      blind.push_back(entry.kind_of_blind);
    }
    for (const Branch branch : {Branch::kThen, Branch::kElse}) {
      if (entry.branch != Branch::kUntold && entry.branch != branch) continue;
      const Choice choice{static_cast<uint32_t>(i), branch};
      // One that changes nothing can as well never happen.
      if (!changes_nothing(entry, branch) && is_admissible(choice)) choices_.push_back(choice);
    }
  }
}

bool Search::changes_nothing(const Entry& entry, Branch branch) const {
  return std::ranges::all_of(entry.moves[index_of(branch)], [&](const Move& move) {
    return move.act->kind == Kind::kGet ||
           (move.act->kind == Kind::kDelete && state_[move.key] == kAbsent);
  });
}

bool Search::may_take(const Entry& entry, Branch branch) const {
  const std::vector<Compare>& compares = history_.operations[entry.number].compares;
  bool may_fail = false;
  bool may_hold = true;
  for (size_t i = 0; i < compares.size(); ++i) {
    const Truth truth = versions_.holds(compares[i], state_[entry.compared[i]]);
    may_fail |= truth != Truth::kHolds;
    may_hold &= truth != Truth::kFails;
  }
  return branch == Branch::kElse ? may_fail : may_hold;
}

// False: it cannot come here, and what it has changed is to be reverted.
bool Search::apply(const Entry& entry, Branch branch) {
  for (const VersionId id : entry.needs) --needed_[id - kFirstVersion];
  if (!may_take(entry, branch)) return false;
  for (const Move& move : entry.moves[index_of(branch)]) {
    const VersionId now = state_[move.key];
    const bool fits = move.sees == kUnresolved ? versions_.matches(now, *move.act)
                                               : now == move.sees || now == kAnything;
    if (!fits) return false;
    if (move.act->kind == Kind::kGet) continue;
    // What somebody has yet to see must not be gone before.
    if (now >= kFirstVersion && needed_[now - kFirstVersion] > 0) return false;
    set(move.key, move.writes);
  }
  return true;
}

void Search::revert(const Entry& entry, size_t undo) {
  while (undo_.size() > undo) {
    const Change change = undo_.back();
    undo_.pop_back();
    set(change.key, change.before);
    undo_.pop_back();
  }
  for (const VersionId id : entry.needs) ++needed_[id - kFirstVersion];
}

bool Search::is_admissible(const Choice& choice) {
  const size_t undo = undo_.size();
  const bool is_legal = apply(entries_[choice.entry], choice.branch);
  revert(entries_[choice.entry], undo);
  return is_legal;
}

void Search::take(const Choice& choice) {
  const size_t undo = undo_.size();
  apply(entries_[choice.entry], choice.branch);
  is_placed_[choice.entry] = true;
  add(choice.entry, 1);
  if (choice.entry < mandatory_) {
    next_[previous_[choice.entry]] = next_[choice.entry];
    previous_[next_[choice.entry]] = previous_[choice.entry];
  }
  frames_.push_back({undo, choice, 0, 0, false});
}

void Search::retreat() {
  const Frame frame = frames_.back();
  frames_.pop_back();
  choices_.resize(frame.first_choice);
  const uint32_t entry = frame.choice.entry;
  if (entry == kNone) return;
  if (entry < mandatory_) {
    next_[previous_[entry]] = entry;
    previous_[next_[entry]] = entry;
  }
  add(entry, ~uint64_t{0});
  is_placed_[entry] = false;
  revert(entries_[entry], frame.undo);
}

}  // namespace holdfast::drill
