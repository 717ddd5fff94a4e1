#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bench/drill/report.h"

namespace holdfast::drill {
namespace {

using nlohmann::json;

json json_of(const Latency& latency) {
  return {{"count", latency.count},
          {"p50_ms", latency.p50_ms},
          {"p99_ms", latency.p99_ms},
          {"p999_ms", latency.p999_ms}};
}

json felt_json(const Report& report) {
  json kinds = json::array();
  for (const Felt& felt : report.timeline.kinds)
    kinds.push_back({{"kind", felt.kind},
                     {"ok", felt.ok},
                     {"refused", felt.refused},
                     {"unknown", felt.unknown},
                     {"last_ok_s", felt.last_ok_s},
                     {"first_ok_s", felt.first_ok_s},
                     {"longest_pause_ms", felt.pause_ms},
                     {"before", json_of(felt.before)},
                     {"during", json_of(felt.during)},
                     {"after", json_of(felt.after)}});
  return kinds;
}

json buckets_json(const Report& report) {
  json buckets = json::array();
  for (const Bucket& bucket : report.timeline.buckets)
    buckets.push_back({{"reads", bucket.reads},
                       {"changes", bucket.writes},
                       {"failed", bucket.failed},
                       {"p50_ms", bucket.p50_ms},
                       {"p99_ms", bucket.p99_ms}});
  return {{"seconds", report.timeline.bucket_s}, {"each", std::move(buckets)}};
}

json events_json(const Report& report) {
  json marks = json::array();
  for (const Mark& mark : report.marks)
    marks.push_back(
        {{"at_s", report.seconds(mark.at)}, {"what", mark.what}, {"fault", mark.is_fault}});
  return marks;
}

json roles_json(const Report& report) {
  json roles = json::array();
  for (const RoleChange& change : report.roles)
    roles.push_back({{"at_s", report.seconds(change.at)},
                     {"node", change.node},
                     {"role", change.role},
                     {"term", change.term}});
  return roles;
}

const char* agreement_word(Agreement agreement) {
  return agreement == Agreement::kEqual    ? "equal"
         : agreement == Agreement::kDiffer ? "differ"
                                           : "untold";
}

json data_json(const Report& report) {
  json violations = json::array();
  for (const Violation& violation : report.verdict.violations)
    violations.push_back({{"title", violation.title}, {"lines", violation.lines}});
  json nodes = json::array();
  for (const NodeEnd& end : report.ends)
    nodes.push_back({{"name", end.name},
                     {"untold", end.untold},
                     {"revision", end.revision},
                     {"rows", end.rows},
                     {"digest", end.digest},
                     {"state_hash", end.state_hash},
                     {"state_hash_index", end.state_hash_index}});
  return {{"operations", report.verdict.operations},
          {"refused", report.verdict.refused},
          {"unknown", report.verdict.unknown},
          {"local_reads", report.verdict.local_reads},
          {"keys", report.verdict.keys},
          {"groups", report.verdict.components},
          {"violations", std::move(violations)},
          {"undecided", report.verdict.undecided},
          {"acknowledged", report.acknowledged},
          {"lost", report.lost},
          {"unread", report.unread},
          {"agreement", agreement_word(report.agreement)},
          {"nodes", std::move(nodes)}};
}

json json_of(const Report& report) {
  const Window& window = report.window;
  return {{"drill", report.drill},
          {"purpose", report.purpose},
          {"means", report.means},
          {"command", report.command},
          {"nodes", report.nodes},
          {"clients", report.clients},
          {"seed", report.seed},
          {"exit", static_cast<int>(report.exit())},
          {"verdict", spoken(report)},
          {"problem", report.problem},
          {"history_file", report.history_file},
          {"environment",
           {{"version", report.environment.version},
            {"system", report.environment.system},
            {"cores", report.environment.cores},
            {"started", report.environment.started}}},
          {"window",
           {{"fault_begin_s", report.seconds(window.fault_begin)},
            {"fault_end_s", report.seconds(window.fault_end)},
            {"end_s", report.seconds(window.end)}}},
          {"events", events_json(report)},
          {"roles", roles_json(report)},
          {"felt", felt_json(report)},
          {"buckets", buckets_json(report)},
          {"data", data_json(report)}};
}

}  // namespace

std::string json_of(const std::vector<Report>& reports) {
  json drills = json::array();
  for (const Report& report : reports) drills.push_back(json_of(report));
  return json{{"format", 1}, {"drills", std::move(drills)}}.dump(2, ' ', false,
                                                                 json::error_handler_t::replace) +
         "\n";
}

}  // namespace holdfast::drill
