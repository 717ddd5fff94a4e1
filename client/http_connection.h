#pragma once

// One keep-alive HTTP/1.1 connection to one node. It connects when first used and again when the
// node has closed it. Used by one thread at a time; nothing is retried here.

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/endpoint.h"
#include "client/task.h"
#include "storage/base/clock.h"

namespace holdfast {

struct HttpHeader {
  std::string name;
  std::string value;
};

struct HttpRequest {
  std::string method;
  std::string target;  // path and query, percent-encoded
  std::vector<HttpHeader> headers;
  std::string body;
  // Its answer may begin before it is sent whole, and is taken meanwhile. Otherwise an answer that
  // comes so early refuses it, and the rest is not sent.
  bool is_answered_meanwhile = false;
};

struct HttpResponse {
  unsigned status = 0;
  std::vector<HttpHeader> headers;
  std::string body;

  // Empty where the header is not there; case of the name does not matter.
  std::string_view header(std::string_view name) const;
};

// What may have become of a request that was not answered.
enum class Delivery {
  kNotServed,  // the node never had the whole request: certainly nothing happened
  kUnknown,    // the whole request was handed to the network: anything may have happened
};

struct NoAnswer {
  Delivery delivery;
  std::string message;
  bool is_connected = true;  // false: not a byte of it was sent
};

// Takes the body of a successful answer while it comes, however long it is.
struct BodySink {
  // False: no more is wanted; the exchange then ends without an answer.
  std::function<bool(std::string_view bytes)> take;
  Duration patience;   // the longest silence once the body has begun, instead of the deadline
  bool begun = false;  // something was given to `take`
  // Where there is one, goes on behind each `take` until what it gave is dealt with: no more is
  // read meanwhile. False: as of `take`.
  std::function<Task<bool>()> deal = {};
};

class HttpConnection {
 public:
  HttpConnection(Endpoint endpoint, const Clock& clock);
  ~HttpConnection();
  HttpConnection(HttpConnection&&) noexcept;
  HttpConnection& operator=(HttpConnection&&) noexcept;

  const Endpoint& endpoint() const;

  // Sends `request` and waits for its answer, whatever its status, until `deadline`. After a
  // NoAnswer the next exchange begins on a new connection.
  // Where there is a `sink`, the body of a success goes there, and only other bodies are answered.
  std::expected<HttpResponse, NoAnswer> exchange(const HttpRequest& request, Instant deadline,
                                                 BodySink* sink = nullptr);
  // The same, to be supplied by whoever waits for it: it needs readiness and look-ups, and what its
  // sink needs. All that it is given must live as long as it.
  Task<std::expected<HttpResponse, NoAnswer>> begin(const HttpRequest& request, Instant deadline,
                                                    BodySink* sink = nullptr);

 private:
  class Wire;
  std::unique_ptr<Wire> wire_;
};

}  // namespace holdfast
