#include "replication/transport/faulty_transport.h"

#include <utility>

namespace holdfast {
namespace {

// About what it takes in memory, so that nothing that is late counts as nothing.
size_t bytes_of(const raft::Envelope& envelope) {
  size_t bytes = sizeof envelope;
  if (const auto* append = std::get_if<raft::Append>(&envelope.body)) {
    for (const EntryPtr& entry : append->entries) bytes += entry->bytes();
  } else if (const auto* forward = std::get_if<raft::Forward>(&envelope.body)) {
    bytes += forward->bytes();
  }
  return bytes;
}

}  // namespace

FaultyTransport::FaultyTransport(boost::asio::io_context& loop, Transport& under, Deliver deliver,
                                 Random random)
    : loop_(loop), under_(under), deliver_(std::move(deliver)), random_(random) {}

void FaultyTransport::set(const std::map<LinkEnd, LinkFault>& faults) {
  for (auto& [end, link] : links_) link->fault = {};
  for (const auto& [end, fault] : faults) {
    std::unique_ptr<Link>& link = links_[end];
    if (!link) link = std::make_unique<Link>(loop_);
    link->fault = fault;
    if (!fault.cut) continue;
    link->late.clear();
    link->late_bytes = 0;
  }
  for (auto& [end, link] : links_) let_go(end);
  // What was late on these has just gone.
  std::erase_if(links_, [](const auto& item) { return !item.second->fault.any(); });
}

bool FaultyTransport::is_cut(NodeId peer) const {
  for (const LinkWay way : {LinkWay::kOut, LinkWay::kIn}) {
    const auto found = links_.find({peer, way});
    if (found != links_.end() && found->second->fault.cut) return true;
  }
  return false;
}

FaultyTransport::Link* FaultyTransport::faulty(NodeId peer, LinkWay way) {
  const auto found = links_.find({peer, way});
  return found == links_.end() ? nullptr : found->second.get();
}

void FaultyTransport::send(std::vector<raft::Envelope> envelopes) {
  if (!links_.empty())
    std::erase_if(envelopes, [this](raft::Envelope& envelope) {
      Link* const link = faulty(envelope.to, LinkWay::kOut);
      return link != nullptr && holds_back(*link, {envelope.to, LinkWay::kOut}, envelope);
    });
  if (!envelopes.empty()) under_.send(std::move(envelopes));
}

void FaultyTransport::receive(raft::Envelope envelope) {
  const NodeId peer = envelope.from;
  Link* const link = faulty(peer, LinkWay::kIn);
  if (link == nullptr || !holds_back(*link, {peer, LinkWay::kIn}, envelope))
    deliver_(std::move(envelope));
}

// True: it does not pass now.
bool FaultyTransport::holds_back(Link& link, const LinkEnd& end, raft::Envelope& envelope) {
  const LinkFault& fault = link.fault;
  if (fault.cut || (fault.loss > 0 && random_.chance(fault.loss))) return true;
  if (fault.delay == Duration::zero()) return false;
  const size_t bytes = bytes_of(envelope);
  if (link.late_bytes + bytes > kWaitingBytesMax) return true;
  link.late_bytes += bytes;
  link.late.push_back({SystemClock().now(), bytes, std::move(envelope)});
  if (link.late.size() == 1) let_go(end);
  return true;
}

// All whose time has come; the timer rings for the next.
void FaultyTransport::let_go(const LinkEnd& end) {
  const auto found = links_.find(end);
  if (found == links_.end()) return;
  Link& link = *found->second;
  const Instant now = SystemClock().now();
  std::vector<raft::Envelope> due;
  while (!link.late.empty() && link.late.front().since + link.fault.delay <= now) {
    due.push_back(std::move(link.late.front().envelope));
    link.late_bytes -= link.late.front().bytes;
    link.late.pop_front();
  }
  link.timer.cancel();
  if (!link.late.empty()) {
    link.timer.expires_at(link.late.front().since + link.fault.delay);
    link.timer.async_wait([this, end](const boost::system::error_code& code) {
      if (!code) let_go(end);
    });
  }
  pass(end.second, std::move(due));
}

void FaultyTransport::pass(LinkWay way, std::vector<raft::Envelope> envelopes) {
  if (envelopes.empty()) return;
  if (way == LinkWay::kOut) return under_.send(std::move(envelopes));
  for (raft::Envelope& envelope : envelopes) deliver_(std::move(envelope));
}

}  // namespace holdfast
