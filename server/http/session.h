#pragma once

// One connection: reads bytes, makes requests of them, starts their handlers in the order that
// Pipeline allows, and writes the answers. Lives on one io thread; made and found again by
// Connections.

#include <expected>
#include <string>
#include <string_view>

#include "server/http/connections.h"
#include "server/http/outbox.h"
#include "server/http/parser.h"
#include "server/http/pipeline.h"
#include "server/http/request_body.h"
#include "server/http/web_socket.h"

namespace holdfast::http {

class Session {
 public:
  Session(Socket socket, ConnectionId id, Connections& home);

  void open();
  void on_input();   // the socket has bytes, or its end
  void on_output();  // the socket takes bytes again
  void answered(Pipeline::Ticket ticket, Response response);
  // The stream has a piece to give; or nothing more.
  void stream_is_ready(const BodyStream* stream, bool has_more);
  void take_piece(Result<std::string> piece);  // of the stream that it asked
  // Writes what is ready, then goes on with what had to wait. Once per turn.
  void flush();
  void sweep(Instant now);
  void drain();
  void close();
  // The client says no more, or is gone: the two look alike.
  bool has_no_speaker() const { return input_ended_ || state_ == State::kClosed; }

 private:
  // kUpgrades: a request that asks for a WebSocket is the last of its connection; what comes behind
  // it waits, for it is no HTTP. kLastAnswers: no more is taken; where that lasts, what comes is
  // thrown away, to see when the client goes. kLingering: all is said and the sending side shut;
  // what still comes in is thrown away, since closing over unread bytes would reset the connection
  // and could take the last answer with it.
  enum class State : uint8_t { kOpen, kUpgrades, kLastAnswers, kLingering, kClosed };
  static constexpr int kReadsPerTurn = 4;  // then the other connections have their turn
  // Of the next piece of the stream: not asked for; waited for; there to be asked for; on its way.
  enum class Pull : uint8_t { kNone, kWaits, kReady, kComes };
  // Something that must move enough bytes or end within its patience.
  struct Progress {
    Instant since;
    size_t bytes = 0;
  };

  void wait_for_input();
  void wait_for_output();
  void read();
  void receive(std::string_view bytes);
  size_t parse(std::string_view bytes);
  size_t hear(std::string_view bytes);  // as `parse`, of a WebSocket
  bool expect_upgrade(AnswerForm& form);
  void take_head(bool body_has_begun);
  void take_request();
  AnswerForm form_of_answer(const Request& request) const;
  void refuse(const Problem& problem);
  void answer_unhandled(Response response, AnswerForm form);
  bool may_take() const;
  bool goes_on() const { return state_ == State::kOpen || state_ == State::kUpgrades; }

  // session_incoming.cc
  void begin_incoming();
  void take_incoming();
  void end_incoming();
  void end_exchange();
  void refuse_stalled();
  void drop_incoming(Problem why);
  bool wants_incoming() const { return !incoming_ || (parser_.in_body() && !incoming_->is_full()); }

  void start_requests();

  void flush_soon();
  void collect_answers();
  void begin_stream(Pipeline::Answer& answer);
  void begin_conversation(Pipeline::Answer& answer);
  void close_web_socket(CloseCode code, std::string_view reason);
  void say_frames();    // that were put into the outbox
  void begin_output();  // before something is put there
  void pull();
  void end_stream();
  void write();
  void go_on();

  // session_ending.cc
  void linger();
  void abort();
  void discard_input();

  size_t unsent_bytes() const { return pipeline_.answer_bytes() + outbox_.bytes(); }
  bool owes_nothing() const {
    return outbox_.empty() && !stream_ && (pipeline_.empty() || says_no_more_);
  }
  // Nobody has any use for what might still be said.
  bool is_left() const {
    return input_ended_ && (web_socket_ || owes_nothing() || (stream_ && stream_->is_endless()));
  }
  void move(Progress& progress, size_t bytes, size_t enough) const;
  bool is_too_much(size_t more) const;  // for the thread, of the request being received
  size_t enough_input() const;
  size_t enough_output() const;
  void count_bytes();

  Connections& home_;
  const ConnectionId id_;
  Socket socket_;
  RequestParser parser_;
  Pipeline pipeline_;
  Outbox outbox_;
  std::unique_ptr<WebSocket> web_socket_;  // that the connection has become
  std::shared_ptr<BodyStream> stream_;     // what is left of the answer that is being sent
  uint8_t stream_minor_version_ = 1;
  Pull pull_ = Pull::kNone;
  bool says_no_more_ = false;              // behind that answer: where it ends, the connection ends
  std::shared_ptr<RequestBody> incoming_;  // until the answer to it is whole
  std::string stash_;  // bytes received that are no whole request yet, or must wait

  State state_ = State::kOpen;
  std::expected<const Route*, Response> route_ = nullptr;  // of the request being received
  bool waits_for_input_ = false;
  bool waits_for_output_ = false;
  bool flush_comes_ = false;
  bool held_back_ = false;    // the stash waits until `may_take`, not for more bytes
  bool input_ended_ = false;  // the client has shut its sending side

  Instant idle_since_;
  Instant head_since_;
  Instant lingers_since_;
  Progress body_;
  Progress output_;
  Instant drained_since_;             // what was owed is written, of a stream until its next piece
  size_t counted_request_bytes_ = 0;  // our share of the thread's sums
  size_t counted_answer_bytes_ = 0;
};

}  // namespace holdfast::http
