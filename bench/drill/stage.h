#pragma once

// What a drill plays on: the cluster, time, and the marks that it makes in the report.

#include <functional>
#include <string>
#include <vector>

#include "bench/drill/cluster.h"
#include "bench/drill/report.h"
#include "bench/drill/role_watch.h"
#include "storage/base/random.h"

namespace holdfast::drill {

class Stage {
 public:
  Stage(Cluster& on, RoleWatch& watching, Duration fault, uint64_t seed)
      : cluster(on), watch(watching), random(seed), length(fault) {}

  // The first fault begins the time that the report calls `during`, the last end ends it.
  void fault(std::string what);
  void over(std::string what);
  void note(std::string what);
  // A share of the time that the drill has for its fault.
  void wait(double share) { pass(std::chrono::duration_cast<Duration>(length * share)); }
  void pass(Duration time);

  // A node that does not lead; never the same one as `other`.
  Result<std::string> backup(const std::string& other = {});
  std::vector<Pair> pairs_with(const std::string& node) const;

  Cluster& cluster;
  RoleWatch& watch;
  Random random;
  const Duration length;

  std::vector<Mark> marks;
  // What the drill itself has seen that no answer of the load would show.
  std::vector<Violation> violations;
  int64_t fault_begin = 0;  // 0: none yet
  int64_t fault_end = 0;
  // Called again and again while time passes: shows how far it is.
  std::function<void()> while_waiting;

 private:
  int64_t now() const { return clock_.now().time_since_epoch().count(); }

  const SystemClock clock_;
};

}  // namespace holdfast::drill
