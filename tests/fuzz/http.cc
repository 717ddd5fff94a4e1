// Bytes of a connection from a client, as the session gives them to the parser: whole, and in
// pieces that the input chooses. Complete requests are the same either way, and what the router and
// the query's parser make of each ends well.

#include "server/http/parser.h"
#include "server/http/query.h"
#include "server/http/router.h"
#include "storage/base/check.h"
#include "tests/fuzz/input.h"

namespace holdfast::http {
namespace {

struct Taken {
  std::string target;
  std::string body;
  std::string host;
  friend bool operator==(const Taken&, const Taken&) = default;
};

Router make_router() {
  Router router;
  for (const Method method : {Method::kGet, Method::kPut, Method::kDelete})
    router.add(method, "/v1/kv/{key}", Access::kWrite, nullptr);
  router.add(Method::kGet, "/v1/kv", Access::kRead, nullptr);
  router.add(Method::kPost, "/v1/txn", Access::kWrite, nullptr);
  return router;
}

void route(Request& request) {
  static const Router router = make_router();
  const bool is_known = router.match(request).has_value();
  if (is_known && request.path().starts_with("/v1/kv/"))
    CHECK(request.parameter.size() <= request.path().size());
  if (Result<Query> query = Query::parse(request.query())) {
    (void)query->take("limit");
    (void)query->finish();
  }
}

class Connection {
 public:
  void receive(std::string_view bytes) {
    stash_.append(bytes);
    std::string_view rest = stash_;
    while (!refused_ && !rest.empty()) {
      size_t used = 0;
      const RequestParser::Event event = parser_.feed(rest, used);
      CHECK(used <= rest.size());
      rest.remove_prefix(used);
      if (event == RequestParser::Event::kNeedMore) break;
      refused_ = event == RequestParser::Event::kRefused;
      const bool has_body = event == RequestParser::Event::kHead && parser_.framing().has_body();
      if (has_body && parser_.expect_body(BodyForm::kWhole)) refused_ = true;
      if (refused_) (void)answer(parser_.problem());
      if (event == RequestParser::Event::kComplete ||
          (event == RequestParser::Event::kHead && !parser_.framing().has_body()))
        take();
    }
    stash_ = std::string(rest);
  }
  const std::vector<Taken>& taken() const { return taken_; }

 private:
  void take() {
    Request request = std::move(parser_.request());
    route(request);
    taken_.push_back({std::string(request.target()), request.body,
                      std::string(request.header("Host").value_or(""))});
  }

  Limits limits_;
  RequestParser parser_{limits_};
  std::string stash_;
  bool refused_ = false;
  std::vector<Taken> taken_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzInput input(data, size);
  uint64_t steps = input.take<uint64_t>();
  const std::string_view bytes = input.take_rest();
  Connection whole;
  whole.receive(bytes);
  Connection split;
  for (size_t at = 0; at < bytes.size();) {
    const size_t step = 1 + (steps & 63U);
    steps = std::rotr(steps, 5);
    split.receive(bytes.substr(at, step));
    at += step;
  }
  CHECK(split.taken() == whole.taken(), "{} requests in pieces, {} whole", split.taken().size(),
        whole.taken().size());
  return 0;
}

}  // namespace holdfast::http
