#include "bench/micro/imagined_history.h"

#include <algorithm>
#include <functional>
#include <map>
#include <queue>
#include <utility>

#include <fmt/format.h>

namespace holdfast::drill {
namespace {

struct Held {
  Name value = 0;
  uint64_t revision = 0;
};

class Imagination {
 public:
  Imagination(const Imagined& what, Random random) : what_(what), random_(random) {}

  History run() {
    for (size_t i = 0; i < what_.keys; ++i)
      keys_.push_back(history_.names.number_of(fmt::format("k{}", i)));
    for (size_t i = 0; i < what_.clients; ++i)
      clients_.push_back(history_.names.number_of(fmt::format("c{}", i)));
    history_.operations.reserve(what_.operations);
    for (size_t i = 0; i < what_.clients; ++i) begin(clients_[i], static_cast<int64_t>(i));
    while (!moments_.empty()) {
      const auto [moment, number] = moments_.top();
      moments_.pop();
      happen(history_.operations[number]);
    }
    if (!what_.has_revisions) forget_revisions();
    return std::move(history_);
  }

 private:
  // Each client asks again a little after it was answered; what it asks happens in between.
  void begin(Name client, int64_t now) {
    while (history_.operations.size() < what_.operations) {
      Operation operation = request(client);
      operation.start = now;
      const auto latency = static_cast<int64_t>(random_.between(2'000, 2'000'000));
      operation.end = now + latency;
      int64_t moment = now + static_cast<int64_t>(random_.below(static_cast<uint64_t>(latency)));
      bool happens = true;
      if (random_.chance(what_.refused)) {
        operation.outcome = Outcome::kRefused;
        happens = false;
      } else if (operation.kind != Kind::kGet && random_.chance(what_.unknown)) {
        operation.outcome = Outcome::kUnknown;
        operation.end = kOpen;
        happens = random_.chance(0.5);
        if (random_.chance(0.3)) moment += static_cast<int64_t>(random_.below(100'000'000));
      }
      const size_t number = history_.operations.size();
      history_.operations.push_back(std::move(operation));
      if (happens) moments_.emplace(moment, number);
      now += latency + static_cast<int64_t>(random_.below(1000)) + 1;
      const size_t share = what_.operations / what_.clients + 1;
      if (number % share == share - 1) break;
    }
  }

  Operation request(Name client) {
    Operation made;
    made.client = client;
    const size_t key = random_.below(keys_.size());
    const uint64_t dice = random_.below(100);
    if (dice < 40) {
      made.kind = Kind::kGet;
      made.then.push_back({.kind = Kind::kGet, .key = keys_[key]});
    } else if (dice < 70) {
      made.kind = Kind::kPut;
      made.then.push_back(put(key));
    } else if (dice < 80) {
      made.kind = Kind::kDelete;
      made.then.push_back({.kind = Kind::kDelete, .key = keys_[key]});
    } else if (dice < 90) {
      made.kind = Kind::kPut;
      made.compares.push_back({.key = keys_[key], .revision = 0});
      made.then.push_back(put(key));
      made.otherwise.push_back({.kind = Kind::kGet, .key = keys_[key]});
    } else {
      made.kind = Kind::kTxn;
      const size_t first = key - key % what_.keys_joined;
      const size_t other = std::min(first + random_.below(what_.keys_joined), keys_.size() - 1);
      made.compares.push_back({.key = keys_[key], .revision = 1});
      made.then = {put(key), put(other)};
      made.otherwise = {{.kind = Kind::kGet, .key = keys_[other]}, put(key)};
    }
    return made;
  }

  Act put(size_t key) {
    const uint64_t number = what_.values == 0 ? ++serial_ : random_.below(what_.values);
    return {.kind = Kind::kPut,
            .key = keys_[key],
            .value = history_.names.number_of(fmt::format("v{}", number))};
  }

  void happen(Operation& operation) {
    bool holds = true;
    for (const Compare& compare : operation.compares)
      holds &= store_.contains(compare.key) == (compare.revision == 1);
    Operation done = operation;
    std::vector<Act>& acts = holds ? done.then : done.otherwise;
    bool has_changed = false;
    for (Act& act : acts) has_changed |= perform(act, revision_ + 1);
    if (has_changed) done.revision = ++revision_;
    done.branch = holds ? Branch::kThen : Branch::kElse;
    if (operation.outcome == Outcome::kOk) operation = std::move(done);
  }

  bool perform(Act& act, uint64_t revision) {
    const auto held = store_.find(act.key);
    const bool is_there = held != store_.end();
    act.found = is_there ? Found::kPresent : Found::kAbsent;
    if (act.kind == Kind::kGet && is_there) {
      act.found_value = held->second.value;
      act.found_revision = held->second.revision == revision ? 0 : held->second.revision;
    }
    if (act.kind == Kind::kPut) store_[act.key] = {act.value, revision};
    if (act.kind == Kind::kDelete && is_there) store_.erase(held);
    return act.kind == Kind::kPut || (act.kind == Kind::kDelete && is_there);
  }

  void forget_revisions() {
    for (Operation& operation : history_.operations) {
      operation.revision = 0;
      for (Act& act : operation.then) act.found_revision = 0;
      for (Act& act : operation.otherwise) act.found_revision = 0;
    }
  }

  const Imagined what_;
  Random random_;
  History history_;
  std::vector<Name> keys_;
  std::vector<Name> clients_;
  std::map<Name, Held> store_;
  uint64_t revision_ = 1;
  uint64_t serial_ = 0;
  using Moment = std::pair<int64_t, size_t>;
  std::priority_queue<Moment, std::vector<Moment>, std::greater<>> moments_;
};

}  // namespace

History imagine(const Imagined& what, Random random) {
  return Imagination(what, random).run();
}

}  // namespace holdfast::drill
