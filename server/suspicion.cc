#include "server/suspicion.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "server/members_note.h"
#include "server/rebuild.h"
#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/base/restart.h"

namespace holdfast {

bool has_peers(const raft::Members& members, NodeId self) {
  return std::ranges::any_of(members.list, [self](const raft::Member& member) {
    return member.voter && member.id != self;
  });
}

Suspicion::Suspicion(FileSystem& fs, std::string group, NodeId self, TellEvent tell)
    : fs_(fs), group_(std::move(group)), self_(self), tell_(std::move(tell)) {}

void Suspicion::tell(EventKind of, std::string_view stage, std::string text) const {
  tell_({.kind = of,
         .level = stage == "ends" ? LogLevel::kInfo : LogLevel::kError,
         .text = std::move(text),
         .fields = {{"stage", std::string(stage)}}});
}

void Suspicion::assume(raft::Members members) {
  const std::lock_guard lock(mutex_);
  if (!is_noted_) members_ = std::move(members);
}

void Suspicion::follow(const raft::Members& members) {
  const std::lock_guard lock(mutex_);
  if (is_noted_ && members == members_) return;
  if (const Result<> noted = note_members(fs_, group_, members); !noted)
    fatal(
        fmt::format("an old list of this node's members could neither be replaced nor removed: {}. "
                    "Check the disk, then start this process again",
                    noted.error().message));
  members_ = members;
  is_noted_ = true;
}

void Suspicion::stop_if_alone(const std::string& what) const {
  if (has_peers(members_, self_)) return;
  fatal(
      fmt::format("{}. No other node has the data: restore a backup, or look at what is whole with "
                  "holdfast recover",
                  what));
}

void Suspicion::state_is_new() {
  const std::lock_guard lock(mutex_);
  state_in_doubt_ = true;
}

bool Suspicion::doubts_state() const {
  const std::lock_guard lock(mutex_);
  return state_in_doubt_;
}

void Suspicion::state_is_proven() {
  const std::lock_guard lock(mutex_);
  const Result<> ended = end_rebuild(fs_, group_);
  if (!ended)
    return log_warning("that the state is whole again was not noted: {}", ended.error().message);
  state_in_doubt_ = false;
}

void Suspicion::state_is_damaged(const std::string& what) {
  mutex_.lock();
  stop_if_alone(what);
  const Result<RebuildNote> noted = note_damaged_state(fs_, group_, what);
  if (!noted)
    fatal(fmt::format("{}; and that could not be noted: {}", what, noted.error().message));
  tell(EventKind::kRebuild, "found",
       what + ". Nothing is served from this state any more: this node starts anew without it");
  restart_process();
}

void Suspicion::log_is_damaged(const std::string& what) {
  mutex_.lock();
  stop_if_alone(what);
  tell(EventKind::kQuarantine, "found",
       what + ". This node starts anew, and fetches what is damaged from the others");
  restart_process();
}

}  // namespace holdfast
