#pragma once

// Majority arithmetic, used by votes, commits, read rounds and leadership alike.

#include <algorithm>
#include <cstddef>
#include <vector>

namespace holdfast::raft {

inline size_t majority(size_t voters) {
  return voters / 2 + 1;
}

// The largest value that a majority has reached, given one value per voter; T{} without voters.
template <class T>
T reached_by_majority(std::vector<T> values) {
  if (values.empty()) return T{};
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(majority(values.size()) - 1);
  std::nth_element(values.begin(), place, values.end(), std::greater<T>());
  return *place;
}

}  // namespace holdfast::raft
