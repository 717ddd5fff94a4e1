// Drills in which calendars are wrong and clocks run at other rates.

#include <fmt/format.h>

#include "bench/drill/catalogue.h"
#include "storage/base/text.h"

namespace holdfast::drill {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

// A lease for which nobody does anything: it has its time, whatever clocks show.
class WatchedLease {
 public:
  static Result<WatchedLease> grant(Stage& stage) {
    WatchedLease lease(stage);
    KvClient client = stage.cluster.client();
    const WriteOutcome<LeaseAnswer> outcome = client.grant_lease(kTtl);
    if (const auto* refusal = std::get_if<Refusal>(&outcome))
      return fail(ErrorCode::kUnavailable, "no lease is granted: " + refusal->message);
    if (const auto* unknown = std::get_if<Unknown>(&outcome))
      return fail(ErrorCode::kUnavailable, "no lease is granted: " + unknown->message);
    lease.id_ = std::get<LeaseAnswer>(outcome).id;
    return lease;
  }

  // It would outlive the drill.
  Result<> revoke() {
    KvClient client = stage_.cluster.client();
    const WriteOutcome<RevokeAnswer> outcome = client.revoke_lease(id_);
    if (std::holds_alternative<RevokeAnswer>(outcome)) return {};
    return fail(ErrorCode::kUnavailable,
                fmt::format("the drill's lease {} is left, for {}", id_, duration_text(kTtl)));
  }

  // `fastest`: the rate of the fastest clock that a primary may have had.
  Result<> look(double fastest) {
    KvClient client = stage_.cluster.client();
    const ReadOutcome<LeaseView> view = client.lease(id_);
    const Duration passed = clock_.now() - granted_;
    if (!view && view.error().code == "lease_not_found") {
      violate("has ended", passed);
    } else if (!view) {
      return fail(ErrorCode::kUnavailable, "a lease cannot be read: " + view.error().message);
    } else {
      const milliseconds left(view->remaining_ms);
      if (left > kTtl || left < kTtl - passed * fastest - kAllowed)
        violate(fmt::format("has {} left", duration_text(left)), passed);
    }
    return {};
  }

 private:
  static constexpr Duration kTtl = minutes(30);
  static constexpr Duration kAllowed = milliseconds(100);  // what is rounded, here and there

  explicit WatchedLease(Stage& stage) : stage_(stage), granted_(clock_.now()) {}

  void violate(const std::string& what, Duration passed) {
    const auto rounded = std::chrono::duration_cast<milliseconds>(passed);
    stage_.violations.push_back({fmt::format("a lease of {} {}, {} after it was asked for",
                                             duration_text(kTtl), what, duration_text(rounded)),
                                 {}});
  }

  Stage& stage_;
  const SystemClock clock_;
  const Instant granted_;  // before it was
  std::string id_;
};

Result<> jump_calendar(Stage& stage) {
  HOLDFAST_ASSIGN(const std::string leader, stage.cluster.leader());
  HOLDFAST_ASSIGN(WatchedLease lease, WatchedLease::grant(stage));
  for (const char* const way : {"ahead", "back"}) {
    stage.fault(fmt::format("the calendar of {}, the primary, jumps an hour {}", leader, way));
    const bool is_ahead = std::string_view(way) == "ahead";
    HOLDFAST_TRY(stage.cluster.set_faults(
        leader, fmt::format(R"({{"clock":{{"wall_jump":"{}"}}}})", is_ahead ? "1h" : "-1h")));
    stage.wait(0.4);
    HOLDFAST_TRY(lease.look(1));
  }
  HOLDFAST_TRY(stage.cluster.set_faults(leader, ""));
  stage.over(fmt::format("the calendar of {} is right again", leader));
  stage.wait(0.2);
  HOLDFAST_TRY(lease.look(1));
  return lease.revoke();
}

std::string cut_from_all_but(const Cluster& cluster, const std::string& name) {
  std::string links;
  for (const auto& node : cluster.nodes())
    if (node->name != name)
      links += fmt::format(R"({}{{"peer":"{}","cut":true}})", links.empty() ? "" : ",", node->name);
  return links;
}

Result<> skew_clocks(Stage& stage) {
  constexpr double kFast = 3;
  const std::string fast = R"("clock":{"rate":3})";
  const std::string slow = R"("clock":{"rate":0.33})";
  HOLDFAST_ASSIGN(WatchedLease lease, WatchedLease::grant(stage));
  HOLDFAST_ASSIGN(std::string leader, stage.cluster.leader());
  HOLDFAST_ASSIGN(std::string backup, stage.backup(leader));
  stage.fault(fmt::format(
      "the clock of {}, the primary, is three times as fast, that of {} a third", leader, backup));
  HOLDFAST_TRY(stage.cluster.set_faults(leader, "{" + fast + "}"));
  HOLDFAST_TRY(stage.cluster.set_faults(backup, "{" + slow + "}"));
  stage.wait(0.4);
  HOLDFAST_TRY(stage.cluster.set_faults(leader, ""));
  HOLDFAST_TRY(stage.cluster.set_faults(backup, ""));
  HOLDFAST_ASSIGN(leader, stage.cluster.leader());
  HOLDFAST_ASSIGN(backup, stage.backup(leader));
  // By its own clock it leads three times as long as by those of the others.
  stage.fault(
      fmt::format("the clock of {}, the primary, is slow and it is cut off; that of {} is "
                  "fast",
                  leader, backup));
  HOLDFAST_TRY(stage.cluster.set_faults(backup, "{" + fast + "}"));
  HOLDFAST_TRY(stage.cluster.set_faults(
      leader,
      fmt::format(R"({{{},"links":[{}]}})", slow, cut_from_all_but(stage.cluster, leader))));
  stage.wait(0.4);
  HOLDFAST_TRY(stage.cluster.set_faults(leader, ""));
  HOLDFAST_TRY(stage.cluster.set_faults(backup, ""));
  stage.over("all clocks run as they should, and nobody is cut off");
  stage.wait(0.2);
  return lease.look(kFast);
}

}  // namespace

std::vector<Drill> clock_drills() {
  const std::string jump = "PUT /v1/faults at the primary";
  return {
      {"jump-calendar",
       "The primary's calendar jumps an hour ahead, then an hour back",
       {jump, true},
       Means{jump + "; the times of what is written meanwhile stay an hour ahead, and `at=` is "
                    "right again in an hour",
             true},
       0,
       jump_calendar},
      {"skew-clocks",
       "Clocks are fast and slow; a primary whose clock is slow is cut off",
       {"PUT /v1/faults at two nodes", true},
       std::unexpected("by a fast clock the leases and locks of others would end early"),
       0,
       skew_clocks},
  };
}

}  // namespace holdfast::drill
