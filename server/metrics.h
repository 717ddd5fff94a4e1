#pragma once

// What a node counts, in Prometheus' text format. Names begin with holdfast_; times are seconds.
// Any thread.

#include <cstdint>
#include <memory>
#include <string>

#include "replication/node/status.h"
#include "storage/base/clock.h"
#include "storage/base/events.h"

namespace holdfast {

enum class Call : uint8_t;

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // One call of /v1 was answered.
  void count(Call call, int status, Duration took);
  // By the scrub: so much was read back, and all was.
  void count_scrubbed(uint64_t bytes);
  void count_scrub();
  // Everything counted so far, and the node's state as gauges.
  std::string render(const NodeStatus& status, const Events& events, Instant now);

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace holdfast
