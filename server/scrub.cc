#include "server/scrub.h"

#include <chrono>
#include <utility>

#include "server/metrics.h"
#include "storage/base/log.h"
#include "storage/log/damage.h"

namespace holdfast {

Scrub::Scrub(Options options, FileSystem& fs, const RocksEngine& engine, Suspicion& suspicion,
             Metrics& metrics)
    : options_(std::move(options)),
      fs_(fs),
      engine_(engine),
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
  while (pause(options_.every)) pass();
}

void Scrub::pass() {
  uint64_t bytes = 0;
  bool whole = true;
  const ReadBackPace pace = [&](uint64_t more) {
    bytes += more;
    whole = spend(more);
    return whole;
  };
  const Result<> state = engine_.read_back(pace);
  if (!state) return log_warning("the state was not read back: {}", state.error().message);
  if (!whole) return;
  const Result<> log = read_back_log(fs_, options_.log, pace);
  if (!log && log.error().code == ErrorCode::kCorrupt)
    suspicion_.log_is_damaged(log.error().message);
  if (!log) return log_warning("the log was not read back: {}", log.error().message);
  if (!whole) return;
  metrics_.count_scrub();
  log_info("all files of state and log were read back and are whole: {} bytes", bytes);
}

}  // namespace holdfast
