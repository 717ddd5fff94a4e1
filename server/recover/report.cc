#include "server/recover/report.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "storage/base/text.h"

namespace holdfast::recover {
namespace {

using Json = nlohmann::ordered_json;

std::string hex(uint64_t id) {
  return fmt::format("{:016x}", id);
}

std::string names(const std::vector<const Voter*>& voters) {
  std::vector<std::string> all;
  for (const Voter* voter : voters) all.push_back(voter->member.name);
  return fmt::format("{}", fmt::join(all, ", "));
}

std::string name_of(NodeId node, const raft::Members& members) {
  if (!node) return "nobody";
  const raft::Member* member = members.find(node);
  return member != nullptr ? member->name : hex(node.value);
}

std::string members_text(const raft::Members& members) {
  std::vector<std::string> all;
  for (const raft::Member& member : members.list)
    all.push_back(member.voter ? member.name : member.name + " (learner)");
  return fmt::format("{}", fmt::join(all, ", "));
}

std::string log_text(const Contents& log) {
  const std::string place =
      log.last == log.before
          ? fmt::format("no entries behind entry {} of term {}", log.last.index.value,
                        log.last.term.value)
          : fmt::format("entries {} to {}, the last of term {}", log.before.index.value + 1,
                        log.last.index.value, log.last.term.value);
  return fmt::format("{}; it was in term {} and voted for {}", place, log.hard_state.term.value,
                     name_of(log.hard_state.vote, log.members));
}

std::string finding_text(const Finding& finding) {
  std::string out = finding.path + "\n";
  const auto line = [&out](std::string_view what, std::string_view value) {
    fmt::format_to(std::back_inserter(out), "  {:<13} {}\n", what, value);
  };
  if (finding.identity)
    line("node", fmt::format("{} ({})", finding.identity->name, hex(finding.identity->node.value)));
  if (finding.contents) {
    line("log", log_text(*finding.contents));
    if (const std::optional<TornTail>& torn = finding.contents->torn_tail)
      line("torn tail",
           fmt::format("{} bytes of a write that had not ended when it stopped; they do not count",
                       torn->bytes));
  }
  if (finding.state)
    line("state",
         finding.state->applied.index
             ? fmt::format("on disk up to entry {}, revision {}",
                           finding.state->applied.index.value, finding.state->revision.value)
             : "nothing on disk yet: a start makes it from the log");
  if (finding.contents) line("members", members_text(finding.contents->members));
  if (finding.last_written) line("last written", time_text(*finding.last_written));
  if (finding.contents && finding.contents->quarantine)
    line("IN QUARANTINE",
         "its log ends before entries that it had acknowledged, and no leader has filled it again: "
         "it does not vote. What is left of it is sound. " +
             *finding.contents->quarantine);
  for (const Remark& remark : finding.remarks)
    line("beside it", remark.path + ": " + remark.meaning);
  if (finding.problem) line("NOT USABLE", finding.problem->message);
  return out;
}

std::string command(const Judgement& judgement, std::span<const Place> places) {
  std::string out = "holdfast recover --apply " + judgement.best_finding().path;
  for (const Place& place : places)
    if (place.data_dir != judgement.best_finding().path) out += " " + place.data_dir;
  for (const Place& place : places)
    if (!place.log_dir.empty()) out += " --log-dir " + place.data_dir + "=" + place.log_dir;
  return out;
}

std::string tail_text(const Judgement& judgement) {
  const LogIndex last = judgement.best_finding().contents->last.index;
  const LogIndex committed = judgement.committed().index;
  if (last <= committed) return "empty: the log ends where the state does";
  return fmt::format(
      "entries {} to {}. Whether a majority had them cannot be known from here. With a recovery\n"
      "             they all become real, also those that were never acknowledged",
      committed.value + 1, last.value);
}

std::string loss_text(const Judgement& judgement) {
  switch (judgement.loss) {
    case Loss::kNothing:
      return "nothing: a majority is here";
    case Loss::kNothingIfMembersStood:
      return "nothing that was acknowledged: no majority is without one of the voters here. "
             "Unless\n"
             "             the members were changed later, which only the missing nodes would know";
    case Loss::kUnknown:
      break;
  }
  const Finding& kept = judgement.farthest_state && !judgement.lacks_committed
                            ? judgement.findings[*judgement.farthest_state]
                            : judgement.best_finding();
  const bool is_only_missing = judgement.voters_at(Voter::Place::kUnusable).empty() &&
                               judgement.voters_at(Voter::Place::kQuarantined).empty();
  return fmt::format(
      "whatever was acknowledged and lies on {} voters only. How much, or whether\n"
      "             anything, cannot be known from here. {}To find out: a change that a client "
      "was\n"
      "             told to have revision {} or less is there. Above it, get its key after the "
      "start\n"
      "             and compare mod_revision; above the revision that `holdfast status` shows "
      "then,\n"
      "             it is lost",
      is_only_missing ? "the missing" : "the missing or damaged",
      judgement.may_be_put_aside()
          ? "Some may lie in what was put aside as\n             damaged, named above. "
          : "",
      kept.state->revision.value);
}

std::string recoverable_text(const Judgement& judgement, std::span<const Place> places) {
  const Finding& best = judgement.best_finding();
  const std::string here = names(judgement.voters_at(Voter::Place::kHere));
  const std::string quarantined = names(judgement.voters_at(Voter::Place::kQuarantined));
  const std::string unusable = names(judgement.voters_at(Voter::Place::kUnusable));
  const std::string missing = names(judgement.voters_at(Voter::Place::kMissing));
  std::string out = fmt::format(
      "No majority is here: of {} voters {} are needed. Usable: {}.{}{}{}\n"
      "The longest sound log is in {}, up to entry {} of term {}{}.\n\n",
      judgement.voters.size(), judgement.majority, here.empty() ? "none" : here,
      quarantined.empty() ? "" : " In quarantine: " + quarantined + ".",
      unusable.empty() ? "" : " Not usable: " + unusable + ".",
      missing.empty() ? "" : " Missing: " + missing + ".", best.path,
      best.contents->last.index.value, best.contents->last.term.value,
      best.contents->quarantine ? ", though it is in quarantine: the others hold less" : "");
  if (judgement.farthest_state) {
    const Finding& state = judgement.findings[*judgement.farthest_state];
    out += fmt::format(
        "  certain    everything up to entry {} (revision {}): it is in the state in {}, so it "
        "was\n"
        "             committed\n",
        judgement.committed().index.value, state.state->revision.value, state.path);
    if (judgement.lacks_committed)
      out += fmt::format(
          "  LOST       this log does not reach that far: what it lacks of it is lost with a "
          "recovery.\n"
          "             {} holds it; see above why it is not usable, and mend that if you can\n",
          state.path);
  }
  if (!judgement.lacks_committed) out += "  the tail   " + tail_text(judgement) + "\n";
  out += "  lost?      " + loss_text(judgement) + "\n\n";
  out += fmt::format(
      "First make sure that no missing node runs: it would go on as the old cluster. Keep every "
      "folder,\n"
      "damaged ones too, until the new cluster runs and you have looked at its data.\n"
      "To make a new cluster, with a new id, from {} (the others stay as they are):\n\n  {}\n",
      best.path, command(judgement, places));
  return out;
}

const char* word(Trouble trouble) {
  switch (trouble) {
    case Trouble::kNoNode:
      return "no_node";
    case Trouble::kInUse:
      return "in_use";
    case Trouble::kNewerFormat:
      return "newer_format";
    case Trouble::kDamaged:
      return "damaged";
    case Trouble::kUnreadable:
      return "unreadable";
    case Trouble::kNoCluster:
      return "no_cluster";
    case Trouble::kOtherCluster:
      return "other_cluster";
    case Trouble::kCopy:
      return "copy";
  }
  return "";
}

const char* word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNothingUsable:
      return "nothing_usable";
    case Verdict::kMajorityHere:
      return "majority_here";
    case Verdict::kRecoverable:
      return "recoverable";
    case Verdict::kBegun:
      return "begun";
  }
  return "";
}

const char* word(Loss loss) {
  switch (loss) {
    case Loss::kNothing:
      return "nothing";
    case Loss::kNothingIfMembersStood:
      return "nothing_if_members_stood";
    case Loss::kUnknown:
      return "unknown";
  }
  return "";
}

const char* word(Voter::Place place) {
  switch (place) {
    case Voter::Place::kHere:
      return "here";
    case Voter::Place::kQuarantined:
      return "quarantined";
    case Voter::Place::kUnusable:
      return "unusable";
    case Voter::Place::kMissing:
      return "missing";
  }
  return "";
}

Json position_json(const LogPosition& position) {
  return {{"index", position.index.value}, {"term", position.term.value}};
}

Json identity_json(const Identity& identity) {
  return {{"name", identity.name},
          {"node_id", hex(identity.node.value)},
          {"cluster_id", hex(identity.cluster.value)}};
}

Json contents_json(const Contents& contents) {
  Json json = {{"term", contents.hard_state.term.value},
               {"vote", hex(contents.hard_state.vote.value)},
               {"first_index", contents.before.index.value + 1},
               {"last", position_json(contents.last)},
               {"torn_bytes", contents.torn_tail ? contents.torn_tail->bytes : 0},
               {"members", Json::array()}};
  for (const raft::Member& member : contents.members.list)
    json["members"].push_back({{"name", member.name},
                               {"node_id", hex(member.id.value)},
                               {"peer_address", member.peer_address},
                               {"voter", member.voter}});
  return json;
}

Json finding_json(const Finding& finding) {
  Json json = {{"path", finding.path}, {"usable", finding.counts()}};
  if (finding.identity) json["identity"] = identity_json(*finding.identity);
  if (finding.contents) json["log"] = contents_json(*finding.contents);
  if (finding.state)
    json["state"] = {{"applied", position_json(finding.state->applied)},
                     {"revision", finding.state->revision.value}};
  if (finding.last_written) json["last_written"] = time_text(*finding.last_written);
  if (finding.contents && finding.contents->quarantine)
    json["quarantine"] = *finding.contents->quarantine;
  for (const Remark& remark : finding.remarks)
    json["remarks"].push_back({{"path", remark.path},
                               {"meaning", remark.meaning},
                               {"may_hold_acknowledged", remark.may_hold_acknowledged}});
  if (finding.problem)
    json["problem"] = {{"kind", word(finding.problem->trouble)},
                       {"message", finding.problem->message}};
  return json;
}

}  // namespace

std::string plan_text(const Judgement& judgement, std::span<const Place> places) {
  std::string out;
  if (judgement.cluster) out += fmt::format("Cluster {}\n\n", hex(judgement.cluster.value));
  for (const Finding& finding : judgement.findings) out += finding_text(finding) + "\n";
  switch (judgement.verdict) {
    case Verdict::kNothingUsable:
      return out + "No directory can be used: there is nothing to recover from.\n";
    case Verdict::kMajorityHere:
      return out + fmt::format(
                       "A majority is here: {} of {} voters, {} are needed. Start these "
                       "nodes, no recovery is needed:\nwhat was acknowledged is on them.\n",
                       names(judgement.voters_at(Voter::Place::kHere)), judgement.voters.size(),
                       judgement.majority);
    case Verdict::kRecoverable:
      return out + recoverable_text(judgement, places);
    case Verdict::kBegun:
      break;
  }
  return out + fmt::format(
                   "A recovery was begun in {} and did not come to its end. To finish "
                   "it:\n\n  {}\n",
                   judgement.best_finding().path, command(judgement, places));
}

std::string revived_text(const Revived& revived, const Place& place) {
  const std::string log_dir = place.log_dir.empty() ? "" : " --log-dir " + place.log_dir;
  return fmt::format(
      "{} is now the only member of a new cluster:\n"
      "  cluster  {}   (before: {})\n"
      "  node     {}, {}   (before: {})\n"
      "  log      entry {} of term {} makes it so; nothing was taken away\n\n"
      "Start it with the flags that it had:  holdfastd --data-dir {}{}\n"
      "Let others join it with --join, after emptying their folders; keep those until you have "
      "looked at the\ndata. A node that starts with an old folder is refused: it belongs to the "
      "old "
      "cluster.\n",
      place.data_dir, hex(revived.now.cluster.value), hex(revived.before.cluster.value),
      revived.now.name, hex(revived.now.node.value), hex(revived.before.node.value),
      revived.last.index.value, revived.last.term.value, place.data_dir, log_dir);
}

std::string as_json(const Judgement& judgement, const Outcome& outcome) {
  Json json = {{"verdict", word(judgement.verdict)},
               {"cluster_id", hex(judgement.cluster.value)},
               {"directories", Json::array()}};
  for (const Finding& finding : judgement.findings)
    json["directories"].push_back(finding_json(finding));
  if (judgement.farthest_state) {
    json["certain"] = position_json(judgement.committed());
    json["certain"]["path"] = judgement.findings[*judgement.farthest_state].path;
  }
  if (judgement.verdict != Verdict::kNothingUsable) {
    json["best"] = judgement.best_finding().path;
    json["majority"] = judgement.majority;
    json["voters"] = Json::array();
    for (const Voter& voter : judgement.voters)
      json["voters"].push_back({{"name", voter.member.name},
                                {"node_id", hex(voter.member.id.value)},
                                {"place", word(voter.place)}});
    json["acknowledged_and_lost"] = word(judgement.loss);
    json["lacks_committed"] = judgement.lacks_committed;
  }
  if (outcome.revived)
    json["applied"] = {{"before", identity_json(outcome.revived->before)},
                       {"now", identity_json(outcome.revived->now)},
                       {"last", position_json(outcome.revived->last)}};
  if (!outcome.refused.empty()) json["refused"] = outcome.refused;
  return json.dump();
}

}  // namespace holdfast::recover
