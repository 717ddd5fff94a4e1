#include "server/gate.h"

#include <algorithm>
#include <utility>

#include "storage/base/check.h"

namespace holdfast {
Gate::Gate(Wiring wiring, uint64_t first_id, uint64_t number)
    : wiring_(std::move(wiring)), next_id_(first_id / kGatesMax * kGatesMax + number) {
  CHECK(number < kGatesMax);
}

Gate::~Gate() {
  CHECK(waits_.empty(), "{} requests still wait", waits_.size());
}

Gate::Waiting::Waiting(Gate& gate, RequestId request, Kind kind)
    : gate_(&gate), request_(request), kind_(kind) {
  gate.waits_.emplace(request, this);
  if (gate.over_)
    gate.finish(request, std::unexpected(raft::Refusal{request, raft::RefusalReason::kNoLeader}));
}

Gate::Waiting::~Waiting() {
  // The coroutine is gone before its answer came: the answer will find nobody.
  if (gate_ != nullptr) gate_->waits_.erase(request_);
}

void Gate::Waiting::finish(Outcome outcome) {
  gate_ = nullptr;
  outcome_ = std::move(outcome);
  if (waiter_) waiter_.resume();
}

RequestId Gate::take_id() {
  return RequestId{std::exchange(next_id_, next_id_ + kGatesMax)};
}

Gate::Waiting Gate::propose(Bytes command, Instant deadline, raft::Tracing tracing) {
  const RequestId request = take_id();
  proposals_.push_back({request, deadline, std::move(command), EntryKind::kCommand, tracing});
  flush_later();
  return {*this, request, Waiting::Kind::kChange};
}

Gate::Waiting Gate::change_members(const raft::MemberChange& change, Instant deadline) {
  const RequestId request = take_id();
  proposals_.push_back({request, deadline, encode_change(change), EntryKind::kMembers});
  flush_later();
  return {*this, request, Waiting::Kind::kChange};
}

Gate::Waiting Gate::read_barrier(Instant deadline, raft::Tracing tracing) {
  const RequestId request = take_id();
  reads_.push_back({request, deadline, tracing});
  flush_later();
  return {*this, request, Waiting::Kind::kRead};
}

Gate::Waiting Gate::await_revision(Revision minimum, Instant deadline) {
  const RequestId request = take_id();
  revision_waits_.emplace(minimum, RevisionWait{request, deadline});
  flush_later();
  return {*this, request, Waiting::Kind::kRead};
}

void Gate::flush_later() {
  if (over_) return forget();
  if (std::exchange(flush_is_due_, true)) return;
  wiring_.defer([this] { flush(); });
}

void Gate::flush() {
  flush_is_due_ = false;
  if (!proposals_.empty()) wiring_.submit(raft::Propose{std::exchange(proposals_, {})});
  if (!reads_.empty()) wiring_.submit(raft::ReadBarrier{std::exchange(reads_, {})});
  // Somebody may wait for a revision that is there already.
  if (!revision_waits_.empty()) look_again(Instant::min());
}

void Gate::finish(RequestId request, Outcome outcome) {
  const auto found = waits_.find(request);
  if (found == waits_.end()) return;
  Waiting* const waiting = found->second;
  waits_.erase(found);
  waiting->finish(std::move(outcome));
}

void Gate::complete(const std::vector<Completion>& completions) {
  for (const Completion& completion : completions) finish(completion.request, completion.reply);
}

void Gate::readable(const std::vector<RequestId>& reads) {
  for (const RequestId read : reads) finish(read, Reply{.revision = revision()});
}

void Gate::refuse(const std::vector<raft::Refusal>& refusals) {
  for (const raft::Refusal& refusal : refusals) finish(refusal.request, std::unexpected(refusal));
}

void Gate::trace(const std::vector<raft::Trace>& traces) {
  for (const raft::Trace& trace : traces) {
    const auto found = waits_.find(trace.request);
    if (found != waits_.end()) found->second->trace_ = trace;
  }
}

void Gate::abandon() {
  while (!waits_.empty()) {
    const auto [request, waiting] = *waits_.begin();
    const raft::RefusalReason reason = waiting->kind_ == Waiting::Kind::kChange
                                           ? raft::RefusalReason::kUnknown
                                           : raft::RefusalReason::kTimeout;
    finish(request, std::unexpected(raft::Refusal{request, reason}));
  }
}

void Gate::end() {
  over_ = true;
  forget();
  abandon();
}

// What was not submitted yet.
void Gate::forget() {
  proposals_.clear();
  reads_.clear();
  revision_waits_.clear();
}

void Gate::look_again(Instant now) {
  const Revision reached = revision();
  std::vector<std::pair<RequestId, bool>> done;  // and whether the revision is there
  std::erase_if(revision_waits_, [&](const auto& item) {
    const bool there = item.first <= reached;
    if (!there && now < item.second.deadline) return false;
    done.emplace_back(item.second.request, there);
    return true;
  });
  for (const auto& [request, there] : done) {
    if (there) {
      finish(request, Reply{.revision = reached});
    } else {
      finish(request, std::unexpected(raft::Refusal{request, raft::RefusalReason::kTimeout}));
    }
  }
}

}  // namespace holdfast
