#include "replication/node/agreement.h"

#include <algorithm>
#include <map>

#include <fmt/core.h>

#include "storage/kv/command.h"

namespace holdfast {

Agreement judge_agreement(const HashCheck& check, const raft::Members& members) {
  std::map<uint64_t, size_t> votes;  // hash → voters
  size_t silent = 0;
  size_t most = 0;
  const std::vector<NodeId> voters = members.voters();
  for (const NodeId voter : voters) {
    const auto report = check.reports.find(voter);
    if (report == check.reports.end()) {
      ++silent;
    } else {
      most = std::max(most, ++votes[report->second]);
    }
  }
  Agreement agreement;
  if (most * 2 <= voters.size()) {
    agreement.is_split = votes.size() > 1 && (most + silent) * 2 <= voters.size();
    return agreement;
  }
  agreement.majority =
      std::ranges::max_element(votes, {}, &decltype(votes)::value_type::second)->first;
  for (const raft::Member& member : members.list) {
    const auto report = check.reports.find(member.id);
    if (report != check.reports.end() && report->second != agreement.majority)
      agreement.outvoted.push_back(member.id);
  }
  std::ranges::sort(agreement.outvoted);
  return agreement;
}

bool is_outvoted(const HashCheck& check, const Agreement& agreement) {
  return agreement.majority && check.hash != *agreement.majority;
}

std::string outvoted_text(const HashCheck& check, uint64_t majority) {
  return fmt::format(
      "the state of this node differs from that of a majority behind entry {} (its hash is "
      "{:016x}, "
      "theirs {:016x}): its memory or its disk changed what was written, or there is a mistake in "
      "this version",
      check.index.value, check.hash, majority);
}

std::optional<Bytes> HashReporter::due(Instant now, const HashCheck& check,
                                       const raft::Members& members) {
  constexpr Duration kEvery = std::chrono::seconds(2);
  if (!check.index || members.find(self_) == nullptr) return {};
  // A state that was made anew takes back what the damaged one reported.
  const auto report = check.reports.find(self_);
  if (report != check.reports.end() && report->second == check.hash) return {};
  if (last_ != Instant::min() && now - last_ < kEvery) return {};
  last_ = now;
  return encode_command({.act = HashReportCommand{self_, check.index, check.hash}});
}

}  // namespace holdfast
