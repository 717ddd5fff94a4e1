#include "replication/transport/snapshot_sender.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "storage/base/check.h"
#include "storage/base/thread_name.h"

namespace holdfast {
namespace {

constexpr Duration kRestMax = std::chrono::minutes(1);
constexpr Duration kNothingDue = std::chrono::hours(1);

}  // namespace

SnapshotSender::SnapshotSender(FileSystem& fs, const Clock& clock, SnapshotSending how,
                               MakeCheckpoint checkpoint, Done done)
    : fs_(fs),
      clock_(clock),
      how_(std::move(how)),
      checkpoint_(std::move(checkpoint)),
      done_(std::move(done)) {
  // Slower, and the pauses between pieces would be taken for silence.
  CHECK(how_.bytes_per_second >= kSnapshotPieceBytes);
  thread_ = std::thread([this] { run(); });
}

SnapshotSender::~SnapshotSender() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    interrupt_.raise();
  }
  changed_.notify_one();
  thread_.join();
}

void SnapshotSender::send(const raft::SnapshotOrder& order, const std::string& peer_address) {
  const std::lock_guard lock(mutex_);
  call_off(order.destination);
  const auto rest = rests_.find(order.destination);
  waiting_.push_back({order, peer_address, rest == rests_.end() ? Instant{} : rest->second.until});
  changed_.notify_one();
}

void SnapshotSender::end(NodeId destination) {
  const std::lock_guard lock(mutex_);
  call_off(destination);
  changed_.notify_one();
}

void SnapshotSender::call_off(NodeId destination) {
  if (destination_ == destination) interrupt_.raise();
  const auto found = std::ranges::find_if(
      waiting_, [&](const Job& job) { return job.order.destination == destination; });
  if (found == waiting_.end()) return;
  called_off_.push_back(std::move(*found));
  waiting_.erase(found);
}

void SnapshotSender::run() {
  name_this_thread("snapshot-out");
  while (const std::optional<Job> job = next_job()) carry_out(*job);
}

std::optional<SnapshotSender::Job> SnapshotSender::next_job() {
  for (;;) {
    answer_called_off();
    std::unique_lock lock(mutex_);
    // An order that comes meanwhile may be due sooner: what is waited for is looked at anew.
    if (!closing_ && called_off_.empty()) changed_.wait_for(lock, until_next());
    if (closing_) return std::nullopt;
    const Instant now = clock_.now();
    const auto next =
        std::ranges::find_if(waiting_, [now](const Job& job) { return job.due <= now; });
    if (next == waiting_.end()) continue;
    Job job = std::move(*next);
    waiting_.erase(next);
    destination_ = job.order.destination;
    interrupt_.clear();
    return job;
  }
}

Duration SnapshotSender::until_next() const {
  Duration least = kNothingDue;
  for (const Job& job : waiting_) least = std::min(least, job.due - clock_.now());
  return least;
}

void SnapshotSender::carry_out(const Job& job) {
  SnapshotTransfer transfer(fs_, clock_, interrupt_, how_, job.order, job.address);
  bool copied = false;
  const MakeCheckpoint checkpoint = [&](const std::string& directory) {
    copied = true;
    return checkpoint_(directory);
  };
  const Result<> delivered = transfer.run(checkpoint, [this] { answer_called_off(); });
  if (!delivered)
    how_.tell({.kind = EventKind::kSnapshot,
               .level = LogLevel::kWarning,
               .text = fmt::format("a snapshot was not delivered to {}: {}", job.address,
                                   delivered.error().message),
               .fields = {{"direction", "out"}, {"stage", "failed"}, {"peer", job.address}}});
  {
    const std::lock_guard lock(mutex_);
    destination_ = {};
    note_outcome(job.order.destination, delivered.has_value(), copied);
  }
  answer(job.order, delivered.has_value());
}

void SnapshotSender::note_outcome(NodeId destination, bool delivered, bool copied) {
  if (delivered) rests_.erase(destination);
  // Who was called off has been told nothing of the copy, and who is not there cost none.
  if (delivered || !copied || interrupt_.raised()) return;
  Rest& rest = rests_[destination];
  rest.length =
      rest.length == Duration::zero() ? how_.rest_first : std::min(2 * rest.length, kRestMax);
  rest.until = clock_.now() + rest.length;
}

void SnapshotSender::answer(const raft::SnapshotOrder& order, bool delivered) {
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return;
  }
  done_({order.destination, order.number, delivered});
}

void SnapshotSender::answer_called_off() {
  std::deque<Job> jobs;
  {
    const std::lock_guard lock(mutex_);
    std::swap(jobs, called_off_);
  }
  for (const Job& job : jobs) answer(job.order, false);
}

}  // namespace holdfast
