#pragma once

// Numbers that cannot be confused with another kind of number.

#include <compare>
#include <cstdint>
#include <functional>

namespace holdfast {

template <class Tag>
struct Strong {
  uint64_t value = 0;

  friend constexpr auto operator<=>(Strong, Strong) = default;
  constexpr Strong operator+(uint64_t n) const { return {value + n}; }
  constexpr Strong operator-(uint64_t n) const { return {value - n}; }
  friend constexpr uint64_t operator-(Strong a, Strong b) { return a.value - b.value; }
  constexpr explicit operator bool() const { return value != 0; }
};

using LogIndex = Strong<struct LogIndexTag>;    // the first entry is 1; 0 means "none"
using Term = Strong<struct TermTag>;            // 0 before the first election
using NodeId = Strong<struct NodeIdTag>;        // random, drawn at a node's first start; 0: none
using ClusterId = Strong<struct ClusterIdTag>;  // fixed when the cluster forms; 0: none yet
using GroupId = Strong<struct GroupIdTag>;      // a range of keys with a log of its own
using WriteTicket = Strong<struct WriteTicketTag>;  // order of log writes, never used again
using RequestId = Strong<struct RequestIdTag>;      // unique on its node, also across restarts
using Revision = Strong<struct RevisionTag>;        // counts changes of one group; empty is 1

inline constexpr GroupId kFirstGroup{1};

}  // namespace holdfast

template <class Tag>
struct std::hash<holdfast::Strong<Tag>> {
  size_t operator()(holdfast::Strong<Tag> id) const noexcept {
    return std::hash<uint64_t>{}(id.value);
  }
};
