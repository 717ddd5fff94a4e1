#pragma once

// A TCP proxy inside this program: each link is a listener on loopback and the port behind it. A
// node dials every other, and all that it says goes only over the connection that it dialled: so
// the link from n1 to n2 carries what n1 says to n2, and one direction can fail by itself.
// Thread-safe; the work is done on a thread of its own.

#include <cstdint>
#include <memory>
#include <vector>

#include "storage/base/clock.h"
#include "storage/base/result.h"

namespace holdfast::drill {

// Cut is silence: nothing is refused or closed, and what was on its way comes when the link heals,
// as with TCP over a cable that is pulled. A lost packet is seen by TCP as a stall until it is sent
// again: so is loss here, as the kernel's own would need rights that a drill does not ask for.
struct LinkRule {
  bool is_cut = false;
  Duration delay{};
  Duration jitter{};        // up to so much more, drawn for each piece; order is kept
  double stall_chance = 0;  // of each piece
  Duration stall{};
};

class Proxy {
 public:
  using Link = size_t;

  explicit Proxy(uint64_t seed);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // Open from the beginning.
  Result<Link> add(uint16_t target_port);
  uint16_t port(Link link) const;  // where to dial
  // In force when this returns; what an older rule held back goes at once, unless it is cut.
  void set(const std::vector<Link>& links, const LinkRule& rule);

 private:
  struct Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace holdfast::drill
