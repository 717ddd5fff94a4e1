#pragma once

// The part of the dumb second state machine that knows of the past and of checks.

#include <algorithm>
#include <string>
#include <vector>

#include "storage/base/codec.h"
#include "storage/kv/kv_state_machine.h"

namespace holdfast {

class HistoryModel {
 public:
  // `now`: behind all entries before this one, and what this one's time let go; `changes`: all ever
  // made.
  Reply obey(const CompactCommand& compact, const StateSummary& now,
             const std::vector<Change>& changes) {
    Reply done{.revision = now.revision};
    if (!compact.floor) {
      Revision floor{1};
      for (const Change& change : changes)
        if (change.made.cluster_ms + settings_.keep_history_ms <= now.cluster_ms)
          floor = change.revision;
      raise(floor, now.cluster_ms);
      return done;
    }
    if (*compact.floor > now.revision)
      return {.status = ReplyStatus::kRevisionTooNew, .revision = now.revision};
    if (*compact.floor > floor_) raise(*compact.floor, looked_ms_);
    return done;
  }

  Reply obey(const SettingsCommand& change, const StateSummary& now, const std::vector<Change>&) {
    if (change.keep_history_ms && *change.keep_history_ms != settings_.keep_history_ms) {
      settings_.keep_history_ms = *change.keep_history_ms;
      put_fixed(named_["setting/keep_history"] = "", settings_.keep_history_ms);
    }
    return {.revision = now.revision};
  }

  Reply obey(const HashCheckCommand&, const StateSummary& now, const std::vector<Change>&) {
    check_ = {now.applied.index, now.revision, now.cluster_ms, now.state_hash, {}};
    return {.revision = now.revision};
  }

  Reply obey(const HashReportCommand& report, const StateSummary& now, const std::vector<Change>&) {
    if (report.index == check_.index) check_.reports[report.node] = report.hash;
    return {.revision = now.revision};
  }

  const NamedValues& named() const { return named_; }
  Revision floor() const { return floor_; }
  const HashCheck& check() const { return check_; }

 private:
  void raise(Revision floor, uint64_t looked_ms) {
    floor_ = std::max(floor_, floor);
    looked_ms_ = looked_ms;
    std::string& value = named_["floor"] = "";
    put_fixed(value, floor_.value);
    put_fixed(value, looked_ms);
  }

  NamedValues named_;  // those that it stands for
  Settings settings_;
  Revision floor_{1};
  uint64_t looked_ms_ = 0;
  HashCheck check_;
};

}  // namespace holdfast
