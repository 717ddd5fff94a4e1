// The core alone: three replicas that hand each other their messages at once and whose disks are
// instant. What is left is what Raft itself costs.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "replication/raft/raft.h"
#include "storage/base/check.h"

namespace holdfast::raft {
namespace {

class Group {
 public:
  explicit Group(size_t size) {
    Members members;
    for (size_t i = 1; i <= size; ++i)
      members.list.push_back({NodeId{i}, "n" + std::to_string(i), "", true});
    for (size_t i = 1; i <= size; ++i)
      replicas_.push_back(std::make_unique<Raft>(Config{.self = NodeId{i}},
                                                 Recovered{.members = members}, Random(i), now_));
    while (leader_ == nullptr) {
      pass(std::chrono::milliseconds(50));
      for (const auto& replica : replicas_)
        if (replica->status().role == Role::kLeader) leader_ = replica.get();
    }
    while (leader_->status().applied == LogIndex{}) pass(std::chrono::milliseconds(50));
  }

  // Proposes a batch at the leader and runs until it is applied there.
  void propose(size_t count, const Bytes& payload) {
    Propose batch;
    for (size_t i = 0; i < count; ++i)
      batch.proposals.push_back({RequestId{next_request_++}, kNever, payload});
    leader_->step(now_, std::move(batch));
    const LogIndex end = leader_->log().last().index + count;
    settle();
    CHECK(leader_->status().applied >= end);
  }

  void read(size_t count) {
    ReadBarrier barrier;
    for (size_t i = 0; i < count; ++i)
      barrier.reads.push_back({RequestId{next_request_++}, kNever});
    readable_ = 0;
    leader_->step(now_, std::move(barrier));
    settle();
    CHECK(readable_ == count);
  }

 private:
  void pass(Duration time) {
    now_ += time;
    for (const auto& replica : replicas_) replica->step(now_, Wake{});
    settle();
  }

  void settle() {
    for (bool busy = true; busy;) {
      busy = false;
      for (const auto& replica : replicas_) {
        Output output = replica->take_output();
        if (output.empty()) continue;
        busy = true;
        readable_ += output.readable.size();
        if (output.write) replica->step(now_, Persisted{output.write->ticket});
        if (!output.apply.empty()) replica->step(now_, Applied{output.apply.back()->index});
        for (Envelope& envelope : output.send)
          replicas_[envelope.to.value - 1]->step(now_, Received{std::move(envelope)});
      }
    }
  }

  Instant now_{std::chrono::seconds(1)};
  std::vector<std::unique_ptr<Raft>> replicas_;
  Raft* leader_ = nullptr;
  uint64_t next_request_ = 1;
  size_t readable_ = 0;
};

void propose(benchmark::State& state) {
  Group group(static_cast<size_t>(state.range(0)));
  const size_t batch = static_cast<size_t>(state.range(1));
  const Bytes payload(std::string(100, 'x'));
  for (auto _ : state) group.propose(batch, payload);
  state.SetItemsProcessed(state.iterations() * state.range(1));
}
BENCHMARK(propose)->ArgNames({"nodes", "batch"})->ArgsProduct({{1, 3, 5}, {1, 32}});

void read(benchmark::State& state) {
  Group group(static_cast<size_t>(state.range(0)));
  const size_t batch = static_cast<size_t>(state.range(1));
  for (auto _ : state) group.read(batch);
  state.SetItemsProcessed(state.iterations() * state.range(1));
}
BENCHMARK(read)->ArgNames({"nodes", "batch"})->ArgsProduct({{1, 3, 5}, {1, 32}});

}  // namespace
}  // namespace holdfast::raft

BENCHMARK_MAIN();
