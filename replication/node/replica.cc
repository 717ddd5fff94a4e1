#include "replication/node/replica.h"

#include <utility>

namespace holdfast {

Replica::Replica(raft::Config config, raft::Recovered recovered, Random random, Instant now,
                 Seams seams)
    : raft_(config, std::move(recovered), random, now), seams_(seams) {}

std::vector<raft::RoleChange> Replica::turn(Instant now, std::vector<raft::Input>& inputs) {
  for (raft::Input& input : inputs) raft_.step(now, std::move(input));
  inputs.clear();
  // Last, so that what the others said is heard before they are called silent.
  if (raft_.next_deadline() <= now) raft_.step(now, raft::Wake{});

  raft::Output output = raft_.take_output();
  if (!output.traces.empty()) seams_.answers.trace(std::move(output.traces));
  if (output.write) seams_.log.submit(*std::move(output.write));
  if (!output.send.empty()) seams_.transport.send(std::move(output.send));
  if (!output.apply.empty()) seams_.applier.submit(std::move(output.apply));
  if (output.install) seams_.applier.submit(*std::move(output.install));
  for (const NodeId destination : output.end_snapshots) seams_.snapshots.end(destination);
  for (const raft::SnapshotOrder& order : output.snapshots) seams_.snapshots.send(order);
  for (const std::string& source : output.discard) seams_.snapshots.discard(source);
  if (!output.readable.empty()) seams_.answers.readable(std::move(output.readable));
  if (!output.refused.empty()) seams_.answers.refuse(std::move(output.refused));
  for (const LoadOrder& order : output.load) seams_.log.submit(order);
  return std::move(output.roles);
}

}  // namespace holdfast
