#pragma once

// A node that does what a test tells it, one step for each request that it is sent.

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/endpoint.h"

namespace holdfast {

struct Step {
  enum class Kind {
    kAnswer,           // read the request, send `text`, keep the connection
    kAnswerAndClose,   // the same, then close without saying so beforehand
    kAnswerEarly,      // send `text` after the header block, then read the body
    kRefuseEarly,      // send `text` and close after the header block, leave the body unread
    kCloseUnanswered,  // read the request, then close
    kStaySilent,       // read the request, answer nothing until the client leaves
  };
  Kind kind;
  std::string text;
};

// A whole answer with a body. `headers` are lines that end in \r\n.
std::string http_answer(int status, const std::string& body, const std::string& headers = {});
// Of a lock that is had, or kept alive.
std::string lock_answer(uint64_t token);
// A problem body of the API.
std::string problem_answer(int status, const std::string& code, const std::string& outcome,
                           bool retryable, const std::string& headers = {});

// Of a node that knows no leader now.
std::string no_leader_answer();

class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<Step> steps);
  ~ScriptedServer();

  Endpoint endpoint() const { return {.host = "127.0.0.1", .port = port_}; }
  // The request lines seen so far.
  std::vector<std::string> requests() const;
  // Of each of them the value of that header field; "" where it is not there.
  std::vector<std::string> fields(const std::string& name) const;
  size_t connections() const;
  // Until this many connections were closed from this side.
  void wait_until_closed(size_t count);

 private:
  void serve();
  // False: the connection is over.
  bool serve_one(int fd, const Step& step);
  static void read_rest(int fd, const std::string& request);

  const std::vector<Step> steps_;
  uint16_t port_ = 0;  // before listener_, whose making fills it in
  int listener_;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;  // whole; under the mutex
  size_t connections_ = 0;             // under the mutex
  size_t closed_ = 0;                  // under the mutex
  std::condition_variable changed_;
  std::thread thread_;
};

// A port of this machine where nobody listens.
Endpoint closed_endpoint();

}  // namespace holdfast
