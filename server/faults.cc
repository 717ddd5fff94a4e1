#include "server/faults.h"

#include <map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/base/text.h"

namespace holdfast {
namespace {

std::string text_of(const LinkToPeer& link) {
  if (link.fault.cut)
    return link.ways == LinkWays::kBoth ? fmt::format("the link to {} is cut", link.name)
           : link.ways == LinkWays::kOut
               ? fmt::format("nothing that is sent to {} arrives", link.name)
               : fmt::format("nothing that {} sends arrives here", link.name);
  const std::string what = link.ways == LinkWays::kBoth  ? fmt::format("to and from {}", link.name)
                           : link.ways == LinkWays::kOut ? fmt::format("to {}", link.name)
                                                         : fmt::format("from {}", link.name);
  std::string text;
  if (link.fault.delay > Duration::zero())
    text = fmt::format("messages {} come {} later", what, duration_text(link.fault.delay));
  if (link.fault.loss > 0)
    text += fmt::format("{}{} of the messages {} are lost", text.empty() ? "" : ", ",
                        link.fault.loss, what);
  return text;
}

void add_disk(const DiskFault& disk, std::vector<std::string>& texts) {
  if (disk.stall) texts.emplace_back("the disk is stalled");
  if (disk.delay > Duration::zero())
    texts.push_back(fmt::format("each sync takes {} longer", duration_text(disk.delay)));
  if (disk.fail_sync) texts.emplace_back("the next sync fails");
  if (disk.full) texts.emplace_back("the disk is full");
}

void add_clock(const ClockSkew& clock, std::vector<std::string>& texts) {
  if (clock.wall_jump != Duration::zero())
    texts.push_back(fmt::format("the calendar is {} {}",
                                duration_text(std::chrono::abs(clock.wall_jump)),
                                clock.wall_jump > Duration::zero() ? "ahead" : "behind"));
  if (clock.rate != 1) texts.push_back(fmt::format("the clock runs {} times as fast", clock.rate));
}

}  // namespace

std::string text_of(const FaultSet& faults) {
  std::vector<std::string> texts;
  for (const LinkToPeer& link : faults.links) texts.push_back(text_of(link));
  add_disk(faults.disk, texts);
  add_clock(faults.clock, texts);
  return fmt::format("{}", fmt::join(texts, ", "));
}

Faults::Faults(boost::asio::io_context& loop, const Clock& machine, FileSystem& files)
    : loop_(loop), machine_(machine), clock_(machine), files_(files, disk_) {}

Transport& Faults::stand_before(Transport& under, FaultyTransport::Deliver deliver, Random random) {
  CHECK(!links_);
  links_ = std::make_unique<FaultyTransport>(loop_, under, std::move(deliver), random);
  return *links_;
}

void Faults::set(FaultSet next) {
  if (next == set_) return;
  const bool clock_changes = next.clock != set_.clock;
  set_ = std::move(next);
  since_ = set_.any() ? std::optional(machine_.wall()) : std::nullopt;
  if (set_.any()) {
    log_warning("as asked through /v1/faults: {}", text_of(set_));
  } else {
    log_info("as asked through /v1/faults: no faults any more");
  }
  clock_.set(set_.clock);
  if (clock_changes && told_.clock_changed) told_.clock_changed();
  set_links();
  if (!disk_is_let_go_) disk_.set(set_.disk);
}

void Faults::let_disk_go() {
  disk_is_let_go_ = true;
  disk_.set({});
}

void Faults::set_links() {
  if (!links_) return;
  std::map<LinkEnd, LinkFault> faults;
  for (const LinkToPeer& link : set_.links) {
    if (link.ways != LinkWays::kIn) faults[{link.peer, LinkWay::kOut}] = link.fault;
    if (link.ways != LinkWays::kOut) faults[{link.peer, LinkWay::kIn}] = link.fault;
  }
  links_->set(faults);
  for (const LinkToPeer& link : set_.links)
    if (link.fault.cut && told_.cut_off) told_.cut_off(link.peer);
}

std::string Faults::warning() const {
  if (!set_.any()) return {};
  return fmt::format("faults are set on this node: {} (DELETE /v1/faults ends them)",
                     text_of(set_));
}

}  // namespace holdfast
