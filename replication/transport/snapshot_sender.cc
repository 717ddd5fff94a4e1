#include "replication/transport/snapshot_sender.h"

#include <algorithm>
#include <utility>

#include "storage/base/check.h"
#include "storage/base/log.h"

namespace holdfast {

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
  waiting_.push_back({order, peer_address});
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
  while (const std::optional<Job> job = next_job()) carry_out(*job);
}

std::optional<SnapshotSender::Job> SnapshotSender::next_job() {
  for (;;) {
    answer_called_off();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closing_ || !waiting_.empty() || !called_off_.empty(); });
    if (closing_) return std::nullopt;
    if (waiting_.empty()) continue;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    destination_ = job.order.destination;
    interrupt_.clear();
    return job;
  }
}

void SnapshotSender::carry_out(const Job& job) {
  SnapshotTransfer transfer(fs_, clock_, interrupt_, how_, job.order, job.address);
  const Result<> delivered = transfer.run(checkpoint_, [this] { answer_called_off(); });
  if (!delivered)
    log_warning("a snapshot was not delivered to {}: {}", job.address, delivered.error().message);
  {
    const std::lock_guard lock(mutex_);
    destination_ = {};
  }
  answer(job.order, delivered.has_value());
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
