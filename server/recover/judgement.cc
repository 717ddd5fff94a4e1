#include "server/recover/judgement.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/core.h>

#include "storage/base/check.h"

namespace holdfast::recover {
namespace {

LogPosition applied(const Finding& finding) {
  return finding.state ? finding.state->applied : LogPosition{};
}

// Raft's order of logs, which knows no gap, so that one which ends early is as good as any; of
// equal ones, a whole one, and then the one whose state needs the least to be applied again.
bool says_more(const Finding& a, const Finding& b) {
  return std::tuple(a.contents->last, a.is_whole(), applied(a)) >
         std::tuple(b.contents->last, b.is_whole(), applied(b));
}

void leave_out_strangers(Judgement& judgement) {
  const std::string* first = nullptr;
  for (Finding& finding : judgement.findings) {
    if (!finding.identity || !finding.identity->cluster) continue;
    const ClusterId cluster = finding.identity->cluster;
    if (first == nullptr) {
      first = &finding.path;
      judgement.cluster = cluster;
    }
    if (cluster == judgement.cluster) continue;
    finding.problem = {
        Trouble::kOtherCluster,
        fmt::format("it belongs to cluster {:016x}, and {}, which was named before it, to cluster "
                    "{:016x}",
                    cluster.value, *first, judgement.cluster.value)};
  }
}

void leave_out_copies(std::vector<Finding>& findings) {
  for (Finding& one : findings) {
    for (Finding& other : findings) {
      if (&one == &other || !one.counts() || !other.counts()) continue;
      if (one.identity->node != other.identity->node || says_more(other, one)) continue;
      other.problem = {Trouble::kCopy,
                       fmt::format("it holds the same node as {}, which says no less", one.path)};
    }
  }
}

// Mirrors what `revive` writes (revive.h): one voter, of this node's name but with an id that the
// node does not have yet, and the node's own id among those that are never used again. No change of
// members in a living cluster leaves that in the log of a node: a name is free only once the node
// that had it is removed, and a removed node is sent nothing.
bool recovery_was_begun(const Finding& finding) {
  const raft::Members& members = finding.contents->members;
  const Identity& identity = *finding.identity;
  return members.list.size() == 1 && members.list.front().name == identity.name &&
         members.list.front().id != identity.node && members.was_removed(identity.node);
}

Voter::Place place_of(const raft::Member& member, const Judgement& judgement) {
  Voter::Place place = Voter::Place::kMissing;
  for (const Finding& finding : judgement.findings) {
    if (!finding.identity || finding.identity->node != member.id) continue;
    if (finding.is_whole()) return Voter::Place::kHere;
    if (finding.counts()) {
      place = Voter::Place::kQuarantined;
    } else if (finding.identity->cluster == judgement.cluster && place == Voter::Place::kMissing) {
      place = Voter::Place::kUnusable;
    }
  }
  return place;
}

Loss what_may_be_lost(size_t voters, size_t here) {
  const size_t majority = voters / 2 + 1;
  if (here >= majority) return Loss::kNothing;
  // An entry is acknowledged once a majority has it: the lost ones alone must be one.
  return voters - here < majority ? Loss::kNothingIfMembersStood : Loss::kUnknown;
}

void find_farthest_state(Judgement& judgement) {
  for (size_t i = 0; i < judgement.findings.size(); ++i) {
    const Finding& finding = judgement.findings[i];
    if (!finding.identity || finding.identity->cluster != judgement.cluster) continue;
    if (applied(finding).index > judgement.committed().index) judgement.farthest_state = i;
  }
}

}  // namespace

LogPosition Judgement::committed() const {
  return farthest_state ? applied(findings[*farthest_state]) : LogPosition{};
}

std::vector<const Voter*> Judgement::voters_at(Voter::Place place) const {
  std::vector<const Voter*> found;
  for (const Voter& voter : voters)
    if (voter.place == place) found.push_back(&voter);
  return found;
}

bool Judgement::may_be_put_aside() const {
  return std::ranges::any_of(findings, [](const Finding& finding) {
    return std::ranges::any_of(finding.remarks, &Remark::may_hold_acknowledged);
  });
}

Judgement judge(std::vector<Finding> findings) {
  Judgement judgement{.findings = std::move(findings)};
  leave_out_strangers(judgement);
  leave_out_copies(judgement.findings);
  find_farthest_state(judgement);

  const Finding* best = nullptr;
  for (const Finding& finding : judgement.findings) {
    if (!finding.counts()) continue;
    CHECK(finding.identity, "{} counts and is nobody's", finding.path);
    judgement.term =
        std::max({judgement.term, finding.contents->hard_state.term, finding.contents->last.term});
    if (best == nullptr || says_more(finding, *best)) best = &finding;
  }
  if (best == nullptr) return judgement;
  judgement.best = static_cast<size_t>(best - judgement.findings.data());
  const LogPosition committed = judgement.committed();
  const LogPosition last = best->contents->last;
  judgement.lacks_committed = committed > last || committed.index > last.index;

  for (const raft::Member& member : best->contents->members.list)
    if (member.voter) judgement.voters.push_back({member, place_of(member, judgement)});
  judgement.majority = judgement.voters.size() / 2 + 1;
  const size_t here = judgement.voters_at(Voter::Place::kHere).size();
  judgement.loss = what_may_be_lost(judgement.voters.size(), here);
  judgement.verdict = here >= judgement.majority ? Verdict::kMajorityHere : Verdict::kRecoverable;
  if (recovery_was_begun(*best)) judgement.verdict = Verdict::kBegun;
  return judgement;
}

std::optional<std::string> objection(const Judgement& judgement, const std::string& chosen) {
  if (judgement.verdict == Verdict::kNothingUsable)
    return "no directory can be used, so there is nothing to recover from";
  if (judgement.verdict == Verdict::kMajorityHere)
    return "a majority is here: start these nodes, no recovery is needed";
  const Finding& best = judgement.best_finding();
  if (best.path == chosen) return std::nullopt;
  const auto named = std::ranges::find(judgement.findings, chosen, &Finding::path);
  CHECK(named != judgement.findings.end(), "{} was not looked at", chosen);
  if (named->problem) return fmt::format("{} cannot be used: {}", chosen, named->problem->message);
  return fmt::format(
      "{} holds the longer log, up to entry {} of term {}: recover from that one, or "
      "leave it out if it must not be used",
      best.path, best.contents->last.index.value, best.contents->last.term.value);
}

}  // namespace holdfast::recover
