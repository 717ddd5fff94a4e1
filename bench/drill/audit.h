#pragma once

// What is looked at when a drill is over: whether acknowledged changes are there, and whether all
// nodes hold the same.

#include <string>
#include <vector>

#include "bench/drill/cluster.h"
#include "bench/drill/report.h"

namespace holdfast::drill {

// Acknowledged changes of which the last read of their keys, by `auditor`, shows nothing, nor
// anything later; in words. What a write without an answer may have removed is not among them.
std::vector<std::string> lost_changes(const History& history, const std::string& auditor);
uint64_t acknowledged_changes(const History& history);
// Keys that somebody worked on and `auditor` could not read: of what they hold nothing is known.
std::vector<std::string> unread_keys(const History& history, const std::string& auditor);

// The rows of each node that begin with `prefix`, at one revision: the newest that any of them
// knows.
std::vector<NodeEnd> ends_of(const Cluster& cluster, const std::string& prefix);
// Nodes that differ do so, also where another has told nothing.
Agreement agreement_of(const std::vector<NodeEnd>& ends);

}  // namespace holdfast::drill
