// Links that are cut and nodes that do something wrong: by the proxy between nodes that were
// started here, by PUT /v1/faults where the cluster runs already.

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bench/drill/cluster.h"
#include "storage/base/text.h"

namespace holdfast::drill {
namespace {

constexpr Duration kFaultsPatience = std::chrono::seconds(5);

bool is_whole(const LinkRule& rule) {
  return !rule.is_cut && rule.delay + rule.jitter == Duration::zero() && rule.stall_chance == 0;
}

// A link of /v1/faults is late by one time, and loses what the proxy would hold back.
nlohmann::json fault_of(const std::string& peer, const LinkRule& rule) {
  nlohmann::json fault = {{"peer", peer}, {"direction", "out"}};
  if (rule.is_cut) {
    fault["cut"] = true;
    return fault;
  }
  const Duration delay = rule.delay + rule.jitter / 2;
  if (delay > Duration::zero()) fault["delay"] = duration_text(delay);
  if (rule.stall_chance > 0) fault["loss"] = rule.stall_chance;
  return fault;
}

}  // namespace

std::vector<Pair> Cluster::pairs() const {
  std::vector<Pair> pairs;
  for (const PeerLink& link : peer_links_) pairs.push_back(link.pair);
  if (is_ours()) return pairs;
  for (const auto& from : nodes_)
    for (const auto& to : nodes_)
      if (from != to) pairs.push_back({from->name, to->name});
  return pairs;
}

Result<> Cluster::set_links(const std::vector<Pair>& pairs, const LinkRule& rule) {
  if (!is_ours()) return set_links_there(pairs, rule);
  std::vector<Proxy::Link> links;
  for (const PeerLink& link : peer_links_) {
    const bool is_meant = std::ranges::any_of(pairs, [&](const Pair& pair) {
      return pair.from == link.pair.from && pair.to == link.pair.to;
    });
    if (is_meant) links.push_back(link.link);
  }
  proxy_->set(links, rule);
  return {};
}

Result<> Cluster::set_links_there(const std::vector<Pair>& pairs, const LinkRule& rule) {
  std::set<std::string> changed;
  for (const Pair& pair : pairs) {
    changed.insert(pair.from);
    std::map<std::string, LinkRule>& bad = bad_links_[pair.from];
    if (is_whole(rule))
      bad.erase(pair.to);
    else
      bad[pair.to] = rule;
  }
  for (const std::string& name : changed) {
    nlohmann::json body;
    for (const auto& [peer, bad] : bad_links_[name]) body["links"].push_back(fault_of(peer, bad));
    HOLDFAST_TRY(set_faults(name, body.empty() ? "" : body.dump()));
  }
  return {};
}

void Cluster::set_client_link(const std::string& name, const LinkRule& rule) {
  proxy_->set({node(name).client_link}, rule);
}

Result<> Cluster::set_faults(const std::string& name, const std::string& json) {
  const HttpRequest request{.method = json.empty() ? "DELETE" : "PUT",
                            .target = "/v1/faults",
                            .headers = {{"Content-Type", "application/json"}},
                            .body = json};
  const Result<HttpResponse> answer = call(node(name), request, kFaultsPatience);
  // Without an answer they may be set all the same.
  if (!json.empty() && (!answer || answer->status == 200)) faulted_.insert(name);
  HOLDFAST_TRY(answer);
  if (answer->status != 200)
    return fail(ErrorCode::kUnavailable,
                fmt::format("{} sets no faults: {}", name, read_problem(answer->body).detail));
  if (json.empty()) faulted_.erase(name);
  return {};
}

Result<> Cluster::can_be_faulted() const {
  for (const auto& node : nodes_) {
    HOLDFAST_ASSIGN(
        const HttpResponse answer,
        call(*node, {.method = "GET", .target = "/v1/faults", .headers = {}, .body = {}},
             kFaultsPatience));
    if (answer.status != 200)
      return fail(ErrorCode::kUnavailable, fmt::format("{} sets no faults: {}", node->name,
                                                       read_problem(answer.body).detail));
    HOLDFAST_ASSIGN(const FaultsView view, read_faults(answer.body));
    if (!view.since.empty())
      return fail(
          ErrorCode::kUnavailable,
          fmt::format("on {} something is wrong on purpose already, and the drill would end "
                      "it: DELETE /v1/faults there first ({})",
                      node->name, view.warning));
  }
  return {};
}

Result<> Cluster::end_faults() {
  Result<> outcome;
  for (const std::string& name : std::set(faulted_)) {
    // With a process they are gone.
    const Result<> ended = is_ours() && !node(name).process ? Result<>() : set_faults(name, "");
    if (!ended) outcome = ended;
  }
  bad_links_.clear();
  return outcome;
}

Result<> Cluster::heal() {
  HOLDFAST_TRY(end_faults());
  if (!is_ours()) return wait_ready();
  HOLDFAST_TRY(set_links(pairs(), {}));
  for (const auto& node : nodes_) {
    set_client_link(node->name, {});
    if (node->is_stopped) resume(node->name);
  }
  return wait_ready();
}

}  // namespace holdfast::drill
