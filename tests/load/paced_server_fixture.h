#pragma once

// An HTTP server whose answers take as long as a test says, on one thread.

#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "client/endpoint.h"
#include "storage/base/clock.h"
#include "storage/base/descriptor.h"

namespace holdfast::load {

// What comes of one request, in the order in which they come over all connections, from 0.
struct PacedAnswer {
  Duration after{};   // its request; answers of one connection do not overtake each other
  std::string bytes;  // empty: the connection is closed instead
};

std::string http_ok(const std::string& body = "x");

class PacedServer {
 public:
  explicit PacedServer(std::function<PacedAnswer(uint64_t)> script);
  ~PacedServer();

  Endpoint endpoint() const { return {.host = "127.0.0.1", .port = port_}; }

 private:
  struct Peer;

  void serve();
  // False: the connection is over.
  bool read_requests(Peer& peer);
  static bool send_due(Peer& peer, Instant now);

  const std::function<PacedAnswer(uint64_t)> script_;
  uint16_t port_ = 0;
  Descriptor listener_;
  Descriptor stop_;
  uint64_t requests_ = 0;  // of serve()'s thread
  std::thread thread_;
};

}  // namespace holdfast::load
