#pragma once

// Makes a new cluster of one node out of the longest log that is left. Nothing is taken away: the
// log gets one batch more, is in quarantine no more, and IDENTITY is replaced.

#include <string>

#include "server/recover/judgement.h"
#include "server/recover/survey.h"

namespace holdfast::recover {

struct Revived {
  Identity before;
  Identity now;
  LogPosition last;  // the entry that makes this node the only member
};

// `place` is the judgement's best, of the verdict kRecoverable or kBegun, and its lock has been
// held since it was looked at. `fresh`: a random id that no node has had. `peer_address`: where new
// members will reach this node; empty: where the old ones did. Done only when all of it is durable.
// After an error or a crash, a look at the same directories and another call bring it to its end.
Result<Revived> revive(FileSystem& fs, const Place& place, const Judgement& judgement, NodeId fresh,
                       const std::string& peer_address);

}  // namespace holdfast::recover
