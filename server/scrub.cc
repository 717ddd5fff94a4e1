#include "server/scrub.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "server/metrics.h"
#include "storage/base/log.h"
#include "storage/base/thread_name.h"
#include "storage/kv/state_directory.h"
#include "storage/log/damage.h"

namespace holdfast {
namespace {

constexpr Duration kLook = std::chrono::seconds(1);
constexpr Duration kWhenInDoubt = std::chrono::seconds(10);

}  // namespace

Scrub::Scrub(Options options, FileSystem& fs, RocksEngine& engine, StateMachine& machine,
             Suspicion& suspicion, Metrics& metrics)
    : options_(std::move(options)),
      fs_(fs),
      engine_(engine),
      machine_(machine),
      suspicion_(suspicion),
      metrics_(metrics),
      thread_([this] { run(); }) {}

Scrub::~Scrub() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  ended_.notify_all();
  thread_.join();
}

bool Scrub::pause(Duration length) {
  std::unique_lock lock(mutex_);
  return !ended_.wait_for(lock, length, [this] { return is_over_; });
}

bool Scrub::spend(uint64_t bytes) {
  metrics_.count_scrubbed(bytes);
  return pause(std::chrono::milliseconds(1 + bytes * 1000 / options_.bytes_a_second));
}

void Scrub::run() {
  name_this_thread("scrub");
  remove_checkpoint();  // what a crash has left
  const Duration look = std::min(options_.every, kLook);
  for (Duration waited{}; pause(look);) {
    waited += look;
    if (!is_due(waited)) continue;
    if (can_prove_state()) {
      prove_state();
    } else {
      pass();
    }
    waited = {};
  }
}

bool Scrub::is_due(Duration waited) const {
  return waited >= options_.every || (waited >= kWhenInDoubt && can_prove_state());
}

bool Scrub::can_prove_state() const {
  return suspicion_.doubts_state() && options_.has_replayed();
}

// What is only in memory proves nothing of the disk.
void Scrub::prove_state() {
  if (const Result<> flushed = engine_.flush(); !flushed)
    return log_warning("the state was not written out: {}", flushed.error().message);
  if (pass()) suspicion_.state_is_proven();
}

bool Scrub::pass() {
  uint64_t bytes = 0;
  bool whole = true;
  const ReadBackPace pace = [&](uint64_t more) {
    bytes += more;
    whole = spend(more);
    return whole;
  };
  if (const Result<> state = engine_.read_back(pace); !state) {
    log_warning("the state was not read back: {}", state.error().message);
    return false;
  }
  if (!whole) return false;
  const Result<> log = read_back_log(fs_, options_.log, pace);
  if (!log && log.error().code == ErrorCode::kCorrupt)
    suspicion_.log_is_damaged(log.error().message);
  if (!log) log_warning("the log was not read back: {}", log.error().message);
  if (!log || !whole) return false;
  if (!add_up(pace) || !whole) return false;
  metrics_.count_scrub();
  log_info("all files of state and log were read back and are whole: {} bytes", bytes);
  return true;
}

bool Scrub::add_up(const ReadBackPace& pace) {
  if (!remove_checkpoint()) return false;
  if (!options_.has_room()) return true;
  if (const Result<> made = machine_.checkpoint(options_.checkpoint); !made) {
    log_warning("the state's hash was not made anew: {}", made.error().message);
    return false;
  }
  const Result<SumsCheck> sums = check_sums(
      options_.checkpoint, [&](uint64_t more) { return options_.has_room() && pace(more); });
  // Whether it goes or not, what was found in it is said.
  remove_checkpoint();
  return judge(sums);
}

bool Scrub::remove_checkpoint() {
  // RocksDB begins a checkpoint under the second name.
  for (const std::string& path : {options_.checkpoint, options_.checkpoint + ".tmp"}) {
    if (const Result<> removed = remove_tree(path); !removed) {
      log_warning("a copy of the state that the scrub made stays, and keeps room from others: {}",
                  removed.error().message);
      return false;
    }
  }
  return true;
}

bool Scrub::judge(const Result<SumsCheck>& sums) {
  if (!sums && sums.error().code == ErrorCode::kCorrupt)
    suspicion_.state_is_damaged(sums.error().message);
  if (!sums) {
    log_warning("the state's hash was not made anew: {}", sums.error().message);
    return false;
  }
  if (!sums->wrong.empty())
    suspicion_.state_is_damaged(fmt::format("{}", fmt::join(sums->wrong, "; ")));
  // It does not tell whose mistake it is: if rows are missing, a majority says so (agreement), and
  // if the hash is wrong on all nodes alike, none has another state to make this one anew from.
  if (sums->differs)
    log_error(
        "{}, though each row is what was written. The state is kept: whether it is another than "
        "that of the other nodes, `holdfast status` says. If it is not, all of them may lack the "
        "same: look at a backup with `holdfast verify`",
        *sums->differs);
  return !sums->differs;
}

}  // namespace holdfast
