#include "server/gates.h"

#include <utility>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

namespace holdfast {
namespace {

RequestId request_of(RequestId read) {
  return read;
}
RequestId request_of(const raft::Refusal& refusal) {
  return refusal.request;
}
RequestId request_of(const raft::Trace& trace) {
  return trace.request;
}
RequestId request_of(const Completion& completion) {
  return completion.request;
}

}  // namespace

Gates::Gates(const std::vector<boost::asio::io_context*>& loops, const StateMachine& machine,
             uint64_t first_id, const Submit& submit) {
  for (size_t number = 0; number < loops.size(); ++number) {
    boost::asio::io_context* const loop = loops[number];
    Gate::Wiring wiring{
        .defer = [loop](std::function<void()> act) { boost::asio::post(*loop, std::move(act)); },
        .submit = submit,
        .revision = [&machine] { return machine.revision(); }};
    gates_.push_back({loop, std::make_unique<Gate>(std::move(wiring), first_id, number)});
  }
}

// Gives each gate its part of `items`: at once where this is its thread already.
template <class Item, class Deliver>
void Gates::spread(std::vector<Item> items, Deliver deliver) {
  std::vector<std::vector<Item>> parts(gates_.size());
  if (gates_.size() == 1) {
    parts[0] = std::move(items);
  } else {
    for (Item& item : items) parts[Gate::number_of(request_of(item))].push_back(std::move(item));
  }
  for (size_t number = 0; number < gates_.size(); ++number) {
    if (parts[number].empty()) continue;
    Gate* const gate = gates_[number].gate.get();
    boost::asio::dispatch(*gates_[number].loop, [gate, deliver, part = std::move(parts[number])] {
      deliver(*gate, part);
    });
  }
}

void Gates::readable(std::vector<RequestId> reads) {
  spread(std::move(reads), [](Gate& gate, const auto& part) { gate.readable(part); });
}

void Gates::refuse(std::vector<raft::Refusal> refusals) {
  spread(std::move(refusals), [](Gate& gate, const auto& part) { gate.refuse(part); });
}

void Gates::trace(std::vector<raft::Trace> traces) {
  spread(std::move(traces), [](Gate& gate, const auto& part) { gate.trace(part); });
}

void Gates::applied(std::vector<Completion> completions) {
  spread(std::move(completions), [](Gate& gate, const auto& part) { gate.complete(part); });
}

void Gates::look_again(Instant now) {
  for (Place& place : gates_) {
    Gate* const gate = place.gate.get();
    boost::asio::dispatch(*place.loop, [gate, now] {
      if (gate->awaits_revision()) gate->look_again(now);
    });
  }
}

}  // namespace holdfast
