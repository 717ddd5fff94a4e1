#pragma once

// What this node does wrong on purpose, for drills (--enable-faults): the parts that stand between
// it and its links, disk and clock, and what is set on them. Lives on the loop; the clock and the
// disk are used by any thread.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "replication/transport/faulty_transport.h"
#include "storage/base/skewed_clock.h"
#include "storage/fs/disk_faults.h"

namespace holdfast {

enum class LinkWays : uint8_t { kOut, kIn, kBoth };

struct LinkToPeer {
  NodeId peer;
  std::string name;
  LinkWays ways = LinkWays::kBoth;
  LinkFault fault;
  friend bool operator==(const LinkToPeer&, const LinkToPeer&) = default;
};

struct FaultSet {
  std::vector<LinkToPeer> links;  // each direction of each at most once
  DiskFault disk;
  ClockSkew clock;
  bool any() const { return *this != FaultSet{}; }
  friend bool operator==(const FaultSet&, const FaultSet&) = default;
};
// For people: "the link to n2 is cut, the disk is stalled".
std::string text_of(const FaultSet& faults);

class Faults {
 public:
  // All that is given by reference outlives it.
  Faults(boost::asio::io_context& loop, const Clock& machine, FileSystem& files);

  const Clock& clock() const { return clock_; }
  FileSystem& files() { return files_; }
  DiskFaults& disk() { return disk_; }

  // To be called once, before what follows it here. What is sent goes through the one that is
  // answered, and what `under` receives is to be given to `receive`, which delivers it.
  Transport& stand_before(Transport& under, FaultyTransport::Deliver deliver, Random random);
  void receive(raft::Envelope envelope) { links_->receive(std::move(envelope)); }
  // No connection to it would stand.
  bool cuts_off(NodeId peer) const { return links_->is_cut(peer); }
  // Nothing would be heard of its end, either.
  bool lets_hear_of_end(NodeId peer) const { return !cuts_off(peer); }
  struct Told {
    std::function<void()> clock_changed;
    std::function<void(NodeId peer)> cut_off;
  };
  void tell(Told told) { told_ = std::move(told); }

  // In the place of all that was set.
  void set(FaultSet next);
  const FaultSet& now() const { return set_; }
  // When it became what it is, by the machine's calendar; nothing: nothing is set.
  std::optional<WallTime> since() const { return since_; }
  // For a stop: nobody waits for the disk any more, whatever is set from now on.
  void let_disk_go();
  // What is set, and how it ends; empty: nothing is.
  std::string warning() const;

 private:
  void set_links();

  boost::asio::io_context& loop_;
  const Clock& machine_;
  SkewedClock clock_;
  DiskFaults disk_;
  FaultyDisk files_;
  std::unique_ptr<FaultyTransport> links_;
  Told told_;
  FaultSet set_;
  std::optional<WallTime> since_;
  bool disk_is_let_go_ = false;
};

}  // namespace holdfast
