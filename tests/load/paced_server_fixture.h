#pragma once

// An HTTP server whose answers take as long as a test says, on one thread.

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/endpoint.h"
#include "storage/base/clock.h"
#include "storage/base/descriptor.h"

namespace holdfast::load {

// What comes of one request, in the order in which they come over all connections, from 0.
struct PacedAnswer {
  Duration after{};  // the script has said so; answers of one connection do not overtake each other
  std::string bytes;  // empty: the connection is closed instead
};

// One request as its server saw it: whoever sent it did so before `received`, and did not have its
// answer before `answered`.
struct Served {
  uint64_t connection = 0;  // its number
  Instant received;
  Instant answered = kNever;
};

std::string http_ok(const std::string& body = "x");

class PacedServer {
 public:
  explicit PacedServer(std::function<PacedAnswer(uint64_t)> script);
  ~PacedServer();

  Endpoint endpoint() const { return {.host = "127.0.0.1", .port = port_}; }
  // All that has been received, in the order of the script's numbers.
  std::vector<Served> served() const;

 private:
  struct Peer;

  uint64_t add_served(const Served& one);
  void set_answered(uint64_t number, Instant now);
  void serve();
  // False: the connection is over.
  bool read_requests(Peer& peer);
  bool send_due(Peer& peer, Instant now);

  const std::function<PacedAnswer(uint64_t)> script_;
  uint16_t port_ = 0;
  Descriptor listener_;
  Descriptor stop_;
  mutable std::mutex mutex_;
  std::vector<Served> served_;  // under the mutex
  std::thread thread_;
};

}  // namespace holdfast::load
