#include "server/own_status.h"

namespace holdfast {

std::shared_ptr<NodeStatus> own_status(const Identity& identity, const Replica& replica,
                                       const KvStateMachine& machine, Instant now) {
  auto status = std::make_shared<NodeStatus>();
  status->cluster = identity.cluster;
  status->self = identity.node;
  status->name = identity.name;
  status->raft = replica.status();
  status->members = replica.raft().members();
  status->client_urls = *machine.client_urls();
  status->durable = machine.durable();
  status->revision = machine.summary().revision;
  status->check = machine.hash_check();
  status->agreement = judge_agreement(*status->check, status->members);
  status->settings = machine.settings();
  status->history_floor = machine.history_floor();
  status->taken = now;
  return status;
}

}  // namespace holdfast
