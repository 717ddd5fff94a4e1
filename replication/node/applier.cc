#include "replication/node/applier.h"

#include <iterator>
#include <utility>

#include "storage/base/check.h"

namespace holdfast {

Applier::Applier(StateMachine& machine, NodeId self, Done done)
    : machine_(machine), self_(self), done_(std::move(done)), thread_([this] { run(); }) {}

Applier::~Applier() {
  batches_.close();
  thread_.join();
}

void Applier::submit(std::vector<EntryPtr> committed) {
  batches_.put(std::move(committed));
}

void Applier::submit(raft::InstallOrder order) {
  CHECK(false, "no state arrives here yet: {}", order.source);
}

void Applier::run() {
  std::vector<std::vector<EntryPtr>> batches;
  std::vector<EntryPtr> entries;
  while (batches_.drain(batches)) {
    for (std::vector<EntryPtr>& batch : batches)
      std::ranges::move(batch, std::back_inserter(entries));
    std::vector<Completion> completions;
    machine_.apply(entries, self_, completions);
    done_(entries.back()->index, std::move(completions));
    entries.clear();
    batches.clear();
  }
}

}  // namespace holdfast
