#pragma once

// The whole cluster, each node asked itself: for `status` and `dev`.

#include <optional>
#include <string>
#include <vector>

#include "client/cli/session.h"

namespace holdfast::cli {

struct SurveyedNode {
  std::string name;
  std::string client_url;
  std::optional<NodeView> view;  // not there: it did not answer, see `error`
  std::string error;
  // What the leader says of it.
  std::optional<uint64_t> lag_entries;
  std::optional<uint64_t> last_contact_ms;
};

struct ClusterSurvey {
  std::string cluster_id;
  std::string leader;  // as the nodes with the newest term say; empty: none
  uint64_t term = 0;
  bool has_quorum = false;
  std::vector<SurveyedNode> nodes;  // in order of their names
  Refusal nobody;                   // why, where `nodes` is empty
};

// Asks the session's endpoints and every member that they name, each at most `patience`.
ClusterSurvey survey_cluster(const Session& session, Duration patience = std::chrono::seconds(1));

}  // namespace holdfast::cli
