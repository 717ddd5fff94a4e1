#pragma once

// What a drill has shown: a value, of which the lines on the terminal, the JSON and the page are
// made.

#include <string>
#include <vector>

#include "bench/drill/checker.h"
#include "bench/drill/exits.h"
#include "bench/drill/role_watch.h"
#include "bench/drill/timeline.h"

namespace holdfast::drill {

struct Mark {
  int64_t at = 0;
  std::string what;
  bool is_fault = false;  // false: it was taken back, or is only of interest
};

// What a node holds at the end.
struct NodeEnd {
  std::string name;
  std::string untold = "it was not asked";  // why it has told nothing; empty: it has
  uint64_t revision = 0;
  uint64_t rows = 0;
  std::string digest;  // of all rows at the same revision
  std::string state_hash;
  uint64_t state_hash_index = 0;
};

// Whether all nodes hold the same. kUntold: one of them has not told, and is not known to differ.
enum class Agreement { kUntold, kEqual, kDiffer };

struct Environment {
  std::string version;
  std::string system;  // kernel and machine
  unsigned cores = 0;
  std::string started;  // RFC 3339
};

struct Report {
  std::string drill;
  std::string purpose;
  std::string means;    // by which the fault was made
  std::string command;  // that repeats it
  int nodes = 0;
  size_t clients = 0;
  uint64_t seed = 0;
  Environment environment;

  Window window;
  std::vector<Mark> marks;
  std::vector<RoleChange> roles;
  Timeline timeline;

  Verdict verdict;
  uint64_t acknowledged = 0;        // changes
  std::vector<std::string> lost;    // in words; acknowledged changes of which nothing is left
  std::vector<std::string> unread;  // keys that could not be read at the end
  std::vector<NodeEnd> ends;
  Agreement agreement = Agreement::kUntold;
  std::string history_file;  // where it was kept; empty: it was not
  std::string problem;       // why it could not be carried out, or the cluster did not come back

  Exit exit() const;
  double seconds(int64_t at) const { return static_cast<double>(at - window.begin) / 1e9; }
};

// What happened, in order: what was done to the cluster, and who became the primary.
struct Event {
  enum class Kind { kFault, kNote, kElected };
  int64_t at = 0;
  std::string what;
  Kind kind = Kind::kNote;
};
std::vector<Event> events_of(const Report& report);

// One sentence: what was found, never that nothing is there.
std::string spoken(const Report& report);
// What could not be looked at when all was over, in sentences; empty: everything was.
std::vector<std::string> blind_spots(const Report& report);

// "n1: 46 rows at revision 3080, digest …", or why it has not told.
std::string in_words(const NodeEnd& end);

// On standard output, for a person.
void print(const Report& report);

// The schema stands in report.schema.json.
std::string json_of(const std::vector<Report>& reports);

// One page that needs nothing beside it.
std::string page_of(const std::vector<Report>& reports);

}  // namespace holdfast::drill
