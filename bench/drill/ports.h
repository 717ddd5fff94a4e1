#pragma once

// Ports of loopback for nodes that end and come back. Used by one thread.

#include <cstdint>
#include <vector>

#include "storage/base/descriptor.h"
#include "storage/base/result.h"

namespace holdfast::drill {

class Ports {
 public:
  Ports();

  // One where nobody listens. While this lives, nobody gets it who names none, and no other Ports,
  // in this process or another, gives it. An error: none is left.
  Result<uint16_t> take();

 private:
  uint16_t next_;
  std::vector<Descriptor> held_;
};

}  // namespace holdfast::drill
