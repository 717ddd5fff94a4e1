#include "bench/drill/catalogue.h"

#include <algorithm>
#include <iterator>

namespace holdfast::drill {

const std::vector<Drill>& catalogue() {
  static const std::vector<Drill> all = [] {
    std::vector<Drill> drills;
    for (const auto make :
         {process_drills, network_drills, member_drills, disk_drills, clock_drills, storm_drills})
      std::ranges::move(make(), std::back_inserter(drills));
    return drills;
  }();
  return all;
}

const Drill* drill_named(const std::string& name) {
  const auto found = std::ranges::find(catalogue(), name, &Drill::name);
  return found == catalogue().end() ? nullptr : &*found;
}

}  // namespace holdfast::drill
