#include "server/api/fault_request.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/api/json_body.h"
#include "storage/base/result.h"
#include "storage/base/text.h"

namespace holdfast {
namespace {

using Json = nlohmann::ordered_json;
using http::Problem;

constexpr Duration kDelayMax = std::chrono::minutes(1);
constexpr Duration kWallJumpMax = std::chrono::hours(8760);
constexpr double kRateMin = 0.1;
constexpr double kRateMax = 10;

constexpr std::array<std::pair<std::string_view, LinkWays>, 3> kDirections = {
    {{"out", LinkWays::kOut}, {"in", LinkWays::kIn}, {"both", LinkWays::kBoth}}};

// 0: it is not there.
std::expected<Duration, Problem> take_delay(JsonFields& fields) {
  HOLDFAST_ASSIGN(const std::optional<std::string> text, fields.take_text("delay"));
  if (!text) return Duration::zero();
  const std::optional<Duration> delay = parse_duration(*text);
  if (delay && *delay > Duration::zero() && *delay <= kDelayMax) return *delay;
  return std::unexpected(
      bad_field(fields.path_of("delay"), "it must be a duration from 1ms to 1m, as 50ms"));
}

std::expected<std::optional<double>, Problem> take_real(JsonFields& fields, std::string_view name) {
  const nlohmann::json* const field = fields.take(name);
  if (field == nullptr) return std::nullopt;
  if (field->is_number()) return field->get<double>();
  return std::unexpected(bad_field(fields.path_of(name), "it must be a number"));
}

std::expected<NodeId, Problem> peer_of(const JsonFields& fields, const std::string& name,
                                       const NodeStatus& status) {
  const auto& list = status.members.list;
  const auto member = std::ranges::find(list, name, &raft::Member::name);
  if (member == list.end())
    return std::unexpected(
        bad_field(fields.path_of("peer"), fmt::format("no member has the name '{}'", name)));
  if (member->id == status.self)
    return std::unexpected(
        bad_field(fields.path_of("peer"), fmt::format("{} is this node itself", name)));
  return member->id;
}

std::expected<LinkWays, Problem> take_direction(JsonFields& fields) {
  HOLDFAST_ASSIGN(const std::optional<std::string> text, fields.take_text("direction"));
  const auto* const found = std::ranges::find(kDirections, text.value_or("both"),
                                              &std::pair<std::string_view, LinkWays>::first);
  if (found != kDirections.end()) return found->second;
  return std::unexpected(
      bad_field(fields.path_of("direction"), "it must be \"out\", \"in\" or \"both\""));
}

std::expected<LinkFault, Problem> take_fault(JsonFields& fields) {
  LinkFault fault;
  HOLDFAST_ASSIGN(fault.cut, fields.take_flag("cut"));
  HOLDFAST_ASSIGN(fault.delay, take_delay(fields));
  HOLDFAST_ASSIGN(const std::optional<double> loss, take_real(fields, "loss"));
  HOLDFAST_TRY(fields.finish());
  if (loss && (*loss <= 0 || *loss >= 1))
    return std::unexpected(
        bad_field(fields.path_of("loss"), "it must lie between 0 and 1; \"cut\" loses everything"));
  fault.loss = loss.value_or(0);
  if (!fault.any())
    return std::unexpected(
        bad_field(fields.path(), "nothing is wrong with this link: give cut, delay or loss"));
  if (fault.cut && (fault.delay > Duration::zero() || loss))
    return std::unexpected(
        bad_field(fields.path_of("cut"), "nothing passes then: delay and loss would say nothing"));
  return fault;
}

std::expected<LinkToPeer, Problem> link_in(const nlohmann::json& json, std::string path,
                                           const NodeStatus& status) {
  HOLDFAST_ASSIGN(JsonFields fields, JsonFields::of(json, std::move(path)));
  LinkToPeer link;
  HOLDFAST_ASSIGN(const std::optional<std::string> name, fields.take_text("peer"));
  if (!name)
    return std::unexpected(bad_field(fields.path_of("peer"), "it must be the name of a member"));
  link.name = *name;
  HOLDFAST_ASSIGN(link.peer, peer_of(fields, *name, status));
  HOLDFAST_ASSIGN(link.ways, take_direction(fields));
  HOLDFAST_ASSIGN(link.fault, take_fault(fields));
  return link;
}

bool overlap(const LinkToPeer& one, const LinkToPeer& other) {
  return one.peer == other.peer &&
         (one.ways == other.ways || one.ways == LinkWays::kBoth || other.ways == LinkWays::kBoth);
}

std::expected<std::vector<LinkToPeer>, Problem> links_in(const nlohmann::json& json,
                                                         const NodeStatus& status) {
  if (!json.is_array()) return std::unexpected(bad_field("links", "it must be a list"));
  std::vector<LinkToPeer> links;
  for (size_t i = 0; i < json.size(); ++i) {
    const std::string path = fmt::format("links[{}]", i);
    HOLDFAST_ASSIGN(LinkToPeer link, link_in(json[i], path, status));
    if (std::ranges::any_of(links, [&](const LinkToPeer& other) { return overlap(link, other); }))
      return std::unexpected(bad_field(
          path, fmt::format("this direction of the link to {} is there twice", link.name)));
    links.push_back(std::move(link));
  }
  return links;
}

std::expected<DiskFault, Problem> disk_in(const nlohmann::json& json) {
  HOLDFAST_ASSIGN(JsonFields fields, JsonFields::of(json, "disk"));
  DiskFault fault;
  HOLDFAST_ASSIGN(fault.stall, fields.take_flag("stall"));
  HOLDFAST_ASSIGN(fault.delay, take_delay(fields));
  HOLDFAST_ASSIGN(fault.fail_sync, fields.take_flag("fail_sync"));
  HOLDFAST_ASSIGN(fault.full, fields.take_flag("full"));
  HOLDFAST_TRY(fields.finish());
  if (fault.stall && (fault.delay > Duration::zero() || fault.fail_sync))
    return std::unexpected(
        bad_field("disk.stall", "nothing ends then: delay and fail_sync would not be reached"));
  return fault;
}

std::expected<Duration, Problem> take_wall_jump(JsonFields& fields) {
  HOLDFAST_ASSIGN(const std::optional<std::string> text, fields.take_text("wall_jump"));
  if (!text) return Duration::zero();
  const bool is_back = text->starts_with('-');
  const std::optional<Duration> jump = parse_duration(std::string_view(*text).substr(is_back));
  if (jump && *jump > Duration::zero() && *jump <= kWallJumpMax) return is_back ? -*jump : *jump;
  return std::unexpected(bad_field(fields.path_of("wall_jump"),
                                   "it must be a duration of at most 8760h, as 1h, or -1h to go "
                                   "back"));
}

std::expected<ClockSkew, Problem> clock_in(const nlohmann::json& json) {
  HOLDFAST_ASSIGN(JsonFields fields, JsonFields::of(json, "clock"));
  ClockSkew skew;
  HOLDFAST_ASSIGN(skew.wall_jump, take_wall_jump(fields));
  HOLDFAST_ASSIGN(const std::optional<double> rate, take_real(fields, "rate"));
  HOLDFAST_TRY(fields.finish());
  skew.rate = rate.value_or(1);
  if (skew.rate >= kRateMin && skew.rate <= kRateMax) return skew;
  return std::unexpected(
      bad_field("clock.rate", fmt::format("it must be from {} to {}", kRateMin, kRateMax)));
}

Json describe(const LinkToPeer& link) {
  const auto* const direction =
      std::ranges::find(kDirections, link.ways, &std::pair<std::string_view, LinkWays>::second);
  Json json = {{"peer", link.name}, {"direction", direction->first}};
  if (link.fault.cut) json["cut"] = true;
  if (link.fault.delay > Duration::zero()) json["delay"] = duration_text(link.fault.delay);
  if (link.fault.loss > 0) json["loss"] = link.fault.loss;
  return json;
}

}  // namespace

std::expected<FaultSet, Problem> faults_in(const nlohmann::json& body, const NodeStatus& status) {
  HOLDFAST_ASSIGN(JsonFields fields, JsonFields::of(body, ""));
  FaultSet faults;
  if (const nlohmann::json* const links = fields.take("links")) {
    HOLDFAST_ASSIGN(faults.links, links_in(*links, status));
  }
  if (const nlohmann::json* const disk = fields.take("disk")) {
    HOLDFAST_ASSIGN(faults.disk, disk_in(*disk));
  }
  if (const nlohmann::json* const clock = fields.take("clock")) {
    HOLDFAST_ASSIGN(faults.clock, clock_in(*clock));
  }
  HOLDFAST_TRY(fields.finish());
  return faults;
}

std::string json_of(const FaultSet& faults) {
  Json links = Json::array();
  for (const LinkToPeer& link : faults.links) links.push_back(describe(link));
  Json disk = Json::object();
  if (faults.disk.stall) disk["stall"] = true;
  if (faults.disk.delay > Duration::zero()) disk["delay"] = duration_text(faults.disk.delay);
  if (faults.disk.fail_sync) disk["fail_sync"] = true;
  if (faults.disk.full) disk["full"] = true;
  Json clock = Json::object();
  if (faults.clock.wall_jump != Duration::zero())
    clock["wall_jump"] = (faults.clock.wall_jump < Duration::zero() ? "-" : "") +
                         duration_text(std::chrono::abs(faults.clock.wall_jump));
  if (faults.clock.rate != 1) clock["rate"] = faults.clock.rate;
  const Json json = {{"links", links}, {"disk", disk}, {"clock", clock}};
  return json.dump();
}

}  // namespace holdfast
