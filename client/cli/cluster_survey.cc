#include "client/cli/cluster_survey.h"

#include <algorithm>
#include <map>
#include <set>

namespace holdfast::cli {
namespace {

struct Answers {
  std::map<std::string, ClusterView> by_name;
  std::map<std::string, Refusal> by_url;  // of those that did not answer
};

// False: the node was asked before.
bool ask(const Endpoint& endpoint, Duration patience, std::set<std::string>& asked,
         Answers& answers) {
  if (!asked.insert(endpoint.url()).second) return false;
  KvClient client =
      make_kv_client({.endpoints = {endpoint}, .first_endpoint = 0, .timeout = patience});
  ReadOutcome<ClusterView> view = client.cluster();
  if (view) {
    const std::string name = view->node.name;
    answers.by_name.insert_or_assign(name, *std::move(view));
  } else {
    answers.by_url.insert_or_assign(endpoint.url(), view.error());
  }
  return true;
}

Answers ask_everyone(const Session& session, Duration patience) {
  Answers answers;
  std::set<std::string> asked;
  for (const Endpoint& endpoint : session.endpoints) ask(endpoint, patience, asked, answers);
  const std::map<std::string, ClusterView> first_answers = answers.by_name;
  for (const auto& [name, view] : first_answers) {
    for (const Member& member : view.members) {
      // One that has answered through another address needs no second question.
      if (answers.by_name.contains(member.name)) continue;
      const Result<Endpoint> endpoint = parse_endpoint(member.client_url);
      if (endpoint) ask(*endpoint, patience, asked, answers);
    }
  }
  return answers;
}

// The view of whoever leads in the newest term, else of the newest term that anyone knows.
const ClusterView* best_view(const Answers& answers) {
  const ClusterView* best = nullptr;
  for (const auto& [name, view] : answers.by_name) {
    const auto rank = [](const ClusterView& v) {
      return std::pair(v.term, v.node.role == "leader" ? 2 : v.leader.empty() ? 0 : 1);
    };
    if (best == nullptr || rank(view) > rank(*best)) best = &view;
  }
  return best;
}

}  // namespace

ClusterSurvey survey_cluster(const Session& session, Duration patience) {
  Answers answers = ask_everyone(session, patience);
  ClusterSurvey survey;
  const ClusterView* const best = best_view(answers);
  if (best == nullptr) {
    survey.nobody = answers.by_url.begin()->second;
    return survey;
  }
  survey.cluster_id = best->cluster_id;
  survey.leader = best->leader;
  survey.term = best->term;
  survey.has_quorum = best->has_quorum;
  for (const Member& member : best->members) {
    SurveyedNode node{.name = member.name,
                      .client_url = member.client_url,
                      .view = std::nullopt,
                      .error = {},
                      .lag_entries = member.lag_entries,
                      .last_contact_ms = member.last_contact_ms};
    if (const auto answer = answers.by_name.find(member.name); answer != answers.by_name.end()) {
      node.view = answer->second.node;
    } else if (const auto refusal = answers.by_url.find(member.client_url);
               refusal != answers.by_url.end()) {
      node.error = refusal->second.message;
    } else {
      node.error = "its client URL is not known";
    }
    survey.nodes.push_back(std::move(node));
  }
  std::ranges::sort(survey.nodes, {}, &SurveyedNode::name);
  return survey;
}

}  // namespace holdfast::cli
