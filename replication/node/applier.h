#pragma once

// The state machine's shell: a thread that applies whatever is committed as one batch, and puts
// states that arrived in use.

#include <functional>
#include <thread>
#include <variant>
#include <vector>

#include "replication/node/replica.h"
#include "storage/base/mailbox.h"
#include "storage/state_machine.h"

namespace holdfast {

class Applier final : public ApplyQueue {
 public:
  // Called on the apply thread; must not block, but for `members`.
  struct Answers {
    // After each batch. `completions` are the answers to requests that began on this node.
    std::function<void(raft::Applied, std::vector<Completion> completions)> applied;
    // A list that is in the state now, before that is answered.
    std::function<void(const raft::Members&)> members;
    std::function<void(raft::Installed)> installed;
  };

  // The machine is used by the apply thread alone from now on, but for its any-thread calls.
  Applier(StateMachine& machine, NodeId self, Answers answers);
  // Does what was submitted before, and answers.
  ~Applier() override;
  Applier(const Applier&) = delete;
  Applier& operator=(const Applier&) = delete;

  // Bounded by who submits: raft::Config::apply_bytes_max.
  void submit(std::vector<EntryPtr> committed) override;
  void submit(raft::InstallOrder order) override;

 private:
  using Order = std::variant<std::vector<EntryPtr>, raft::InstallOrder>;

  void run();
  void apply(std::vector<EntryPtr>& entries);
  void tell_members(const std::vector<EntryPtr>& entries);
  void install(const raft::InstallOrder& order);

  StateMachine& machine_;
  const NodeId self_;
  const Answers answers_;
  BlockingMailbox<Order> orders_;
  std::thread thread_;
};

}  // namespace holdfast
