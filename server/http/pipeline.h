#pragma once

// The requests of one connection between being read and being answered: which may start now, and
// which answer leaves next. Pure logic: no socket, no thread, no clock.
//
// Requests take effect in order (see Access): waiting ones start first in, first out; a read only
// when no write runs, a write only when no read runs. Answers leave in the order of the requests.

#include <cstdint>
#include <deque>
#include <optional>

#include "server/http/request.h"
#include "server/http/router.h"

namespace holdfast::http {

// What the answer's form depends on beside the Response.
struct AnswerForm {
  enum class Kind : uint8_t { kFull, kHeadOnly, kInterim };
  enum class Ending : uint8_t { kKeepAlive, kClose };
  Kind kind = Kind::kFull;
  Ending ending = Ending::kKeepAlive;
  uint8_t minor_version = 1;  // of the request: HTTP/1.0 must be told of keep-alive
};

class Pipeline {
 public:
  using Ticket = uint64_t;  // counts requests of this connection

  struct Start {
    Ticket ticket;
    const Route* route;
    Request request;
  };
  struct Answer {
    AnswerForm form;
    Response response;
  };

  // A request that waits for its turn to start.
  void add(Request request, const Route& route, AnswerForm form);
  // What is answered without a handler.
  void add_answered(Response response, AnswerForm form);
  // The next request that may start now; the caller runs it and brings its answer.
  std::optional<Start> next();
  void answer(Ticket ticket, Response response);
  // The oldest answer, if it is there.
  std::optional<Answer> take();
  // No more requests will be added: the last answer owed says that the connection closes.
  void end();

  size_t size() const { return answers_.size(); }  // answers owed
  bool empty() const { return answers_.empty(); }
  Access access(Ticket ticket) const { return at(ticket).access; }
  size_t request_bytes() const { return request_bytes_; }  // bodies of requests not answered
  size_t answer_bytes() const { return answer_bytes_; }    // answers not taken
  bool owes_interim() const { return interims_ > 0; }

 private:
  struct Waiting {
    Ticket ticket;
    const Route* route;
    Request request;
  };
  struct Owed {
    AnswerForm form;
    Access access;
    bool answered;
    size_t request_bytes;
    Response response;
  };
  Owed& at(Ticket ticket) { return answers_.at(ticket - first_); }
  const Owed& at(Ticket ticket) const { return answers_.at(ticket - first_); }
  Ticket next_ticket() const { return first_ + answers_.size(); }

  std::deque<Owed> answers_;
  Ticket first_ = 0;  // of answers_.front()
  std::deque<Waiting> waiting_;
  size_t running_reads_ = 0;
  size_t running_writes_ = 0;
  size_t request_bytes_ = 0;
  size_t answer_bytes_ = 0;
  size_t interims_ = 0;
};

}  // namespace holdfast::http
