#pragma once

// What one client, and all clients of one io thread, may cost. `README.md` tells who is told what
// when a limit is reached.

#include <cstddef>

#include "storage/base/clock.h"

namespace holdfast::http {

struct Limits {
  // One request.
  size_t head_bytes_max = size_t{32} << 10;    // request line and header fields
  size_t fields_max = 64;                      // header fields
  size_t target_bytes_max = size_t{16} << 10;  // a key of 4,096 encoded bytes, and room
  size_t body_bytes_max = size_t{8} << 20;

  // One connection. At any of the three its next requests stay in the socket.
  size_t answers_max = 128;                       // requests taken and not yet answered
  size_t unsent_bytes_max = size_t{4} << 20;      // answers that the client has not taken
  size_t request_bytes_max = size_t{16} << 20;    // bodies of requests not yet answered
  size_t stream_ahead_bytes = size_t{256} << 10;  // unsent, then a stream is asked for no more
  size_t stream_room_bytes = size_t{256} << 10;   // of a streamed body, come and not taken

  size_t message_bytes_max = size_t{64} << 10;  // of a message to a WebSocket

  // All connections of one io thread; beyond them a request is refused as `overloaded`.
  size_t thread_request_bytes_max = size_t{256} << 20;
  size_t thread_answer_bytes_max = size_t{256} << 20;

  size_t connections_max = 12'000;  // of the whole process: 10,000 that watch, and others

  // A body or an answer must move `progress_bytes` (or end) within its patience.
  size_t progress_bytes = size_t{16} << 10;
  Duration head_patience = std::chrono::seconds(10);  // from the first byte to the blank line
  Duration body_patience = std::chrono::seconds(30);
  Duration write_patience = std::chrono::seconds(30);
  // A client that sends a streamed body and takes none of its answers, until nothing more is begun.
  Duration stall_patience = std::chrono::seconds(10);
  Duration idle_patience = std::chrono::seconds(60);
  Duration ping_after = std::chrono::seconds(30);      // nothing from a WebSocket's client
  Duration pong_patience = std::chrono::seconds(30);   // nothing behind a ping: it is dead
  Duration linger_patience = std::chrono::seconds(2);  // for the client to read a last answer
};

}  // namespace holdfast::http
