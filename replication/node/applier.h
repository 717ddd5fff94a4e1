#pragma once

// The state machine's shell: a thread that applies whatever is committed as one batch.

#include <functional>
#include <thread>
#include <vector>

#include "replication/node/replica.h"
#include "storage/base/mailbox.h"
#include "storage/state_machine.h"

namespace holdfast {

class Applier final : public ApplyQueue {
 public:
  // Called on the apply thread after each batch; must not block. `completions` are the answers to
  // requests that began on this node.
  using Done = std::function<void(LogIndex upto, std::vector<Completion> completions)>;

  // The machine is used by the apply thread alone from now on, but for its any-thread calls.
  Applier(StateMachine& machine, NodeId self, Done done);
  // Applies what was submitted before, and answers.
  ~Applier() override;
  Applier(const Applier&) = delete;
  Applier& operator=(const Applier&) = delete;

  // Bounded by who submits: raft::Config::apply_bytes_max.
  void submit(std::vector<EntryPtr> committed) override;
  void submit(raft::InstallOrder order) override;

 private:
  void run();

  StateMachine& machine_;
  const NodeId self_;
  const Done done_;
  BlockingMailbox<std::vector<EntryPtr>> batches_;
  std::thread thread_;
};

}  // namespace holdfast
