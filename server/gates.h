#pragma once

// All gates of a node: finds the one that a request came through, and brings the answer to its io
// thread, once per batch.

#include <memory>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "replication/node/replica.h"
#include "server/gate.h"
#include "storage/base/clock.h"

namespace holdfast {

class Gates final : public Answers {
 public:
  using Submit = std::function<void(raft::Input)>;  // to the replica, from any thread

  // One gate for each of `loops`, which outlive this. Reads go through `machine`. `first_id` is
  // random, so that ids of an earlier run of this node are never met again.
  Gates(const std::vector<boost::asio::io_context*>& loops, const StateMachine& machine,
        uint64_t first_id, const Submit& submit);

  Gate& gate(size_t number) { return *gates_[number].gate; }

  // On the replica's loop.
  void readable(std::vector<RequestId> reads) override;
  void refuse(std::vector<raft::Refusal> refusals) override;
  void trace(std::vector<raft::Trace> traces) override;
  // On the apply thread, after each batch.
  void applied(std::vector<Completion> completions);
  // On the replica's loop, now and then: requests that wait for a revision may be out of time.
  void look_again(Instant now);

 private:
  struct Place {
    boost::asio::io_context* loop;
    std::unique_ptr<Gate> gate;
  };

  template <class Item, class Deliver>
  void spread(std::vector<Item> items, Deliver deliver);

  std::vector<Place> gates_;
};

}  // namespace holdfast
