// The whole way from bytes to bytes: a request is answered the same wherever its bytes are split.

#include <array>
#include <regex>

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include "server/http/connections.h"
#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

using boost::asio::ip::tcp;

std::string raw(std::string_view method, std::string_view target, std::string_view body = "",
                std::string_view fields = "") {
  std::string length;
  if (!body.empty()) length = fmt::format("Content-Length: {}\r\n", body.size());
  return fmt::format("{} {} HTTP/1.1\r\nHost: a\r\n{}{}\r\n{}", method, target, length, fields,
                     body);
}

std::string in_chunks(std::string_view target, std::string_view body) {
  const size_t half = body.size() / 2;
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n{:x}\r\n{}\r\n{:x};a=b\r\n{}\r\n"
      "0\r\n\r\n",
      target, half, body.substr(0, half), body.size() - half, body.substr(half));
}

class SplitsTest : public ApiTest {
 protected:
  // What comes back, up to the end of the connection, for `bytes` that end with a request to close.
  std::string exchange(std::string_view bytes, size_t at) {
    tcp::acceptor acceptor(loop(), {boost::asio::ip::address_v4::loopback(), 0});
    boost::asio::io_context other;
    tcp::socket client(other);
    client.connect(acceptor.local_endpoint());
    http::Socket server(loop());
    acceptor.accept(server);
    connections_.add(std::move(server));
    client.set_option(tcp::no_delay(true));
    client.non_blocking(true);
    std::string answer;
    boost::asio::write(client, boost::asio::buffer(bytes.substr(0, at)));
    poll(client, answer, 3);
    boost::asio::write(client, boost::asio::buffer(bytes.substr(at)));
    for (int turns = 0; !poll(client, answer, 1); ++turns) {
      EXPECT_LT(turns, 1'000'000) << "no end of: " << answer;
      if (turns >= 1'000'000) break;
    }
    return answer;
  }
  // False: the connection goes on.
  bool poll(tcp::socket& client, std::string& answer, int turns) {
    for (int i = 0; i < turns; ++i) {
      watchers().look(clock.now());
      loop().restart();
      loop().poll();
      std::array<char, 65536> bytes{};
      boost::system::error_code error;
      const size_t size = client.read_some(boost::asio::buffer(bytes), error);
      answer.append(bytes.data(), size);
      if (error == boost::asio::error::eof || error == boost::asio::error::connection_reset)
        return true;
    }
    return false;
  }
  // Without what differs by when it was asked; chunks are joined.
  static std::string essence(const std::string& answer) {
    static const std::regex numbers(
        R"re(("(revision|mod_revision|create_revision|version)":|ETag: "|Content-Length: |Holdfast-(Create-)?(Revision|Version): )\d+)re");
    static const std::regex chunks("\r\n[0-9a-f]+\r\n");
    return std::regex_replace(std::regex_replace(answer, numbers, "$1N"), chunks, "");
  }

  http::Limits limits_;
  http::Connections connections_{loop(), router(), services, limits_, clock};
  ~SplitsTest() override {
    connections_.close_all();
    settle();
  }
};

TEST_F(SplitsTest, ARequestIsAnsweredTheSameWhereverItsBytesAreSplit) {
  const std::string lines =
      "{\"put\":{\"key\":\"b\",\"value\":\"1\"}}\n{\"get\":{\"key\":\"b\"}}\nbad\n{\"delete\":{"
      "\"key\":\"b\"}}\n";
  const std::string end = raw("GET", "/livez", "", "Connection: close\r\n");
  for (const std::string& request : std::vector<std::string>{
           raw("PUT", "/v1/kv/a%2Fb", "value", "If-None-Match: \"1\"\r\n"),
           raw("PUT", "/v1/kv/a?ttl=30s&prev=true", "x"),
           raw("GET", "/v1/kv/a"),
           raw("HEAD", "/v1/kv/a"),
           raw("GET", "/v1/kv/none"),
           raw("GET", "/v1/kv?prefix=a&limit=2"),
           raw("GET", "/v1/kv?prefix=a", "", "Accept: application/x-ndjson\r\n"),
           raw("DELETE", "/v1/kv/gone"),
           raw("DELETE", "/v1/kv?prefix=gone"),
           raw("DELETE", "/v1/kv"),
           raw("POST", "/v1/txn", R"({"then":[{"get":{"key":"a"}},{"scan":{"prefix":"a"}}]})"),
           raw("POST", "/v1/txn", R"({"then":[{"nonsense":1}]})"),
           raw("POST", "/v1/bulk", lines),
           in_chunks("/v1/bulk", lines),
           raw("POST", "/v1/bulk"),
           raw("POST", "/v1/bulk?nonsense=1"),
           raw("GET", "/v1/history/a"),
           raw("GET", "/v1/leases"),
           raw("PUT", "/v1/leases/00000000000000aa"),
           raw("GET", "/v1/usage?prefix=a"),
           raw("GET", "/v1/cluster/settings"),
           raw("PATCH", "/v1/cluster/settings", R"({"keep_history":"2h"})"),
           raw("POST", "/v1/compact", R"({"revision":1})"),
           raw("DELETE", "/v1/cluster/members/none"),
           raw("GET", "/livez"),
           raw("GET", "/nowhere"),
           raw("PATCH", "/v1/kv/a", "x"),
           in_chunks("/v1/kv/a", "not a POST"),
       }) {
    const std::string bytes = request + end;
    exchange(bytes, bytes.size());  // what it changes is changed
    const std::string whole = essence(exchange(bytes, bytes.size()));
    ASSERT_TRUE(whole.ends_with("alive\n")) << request << whole;
    for (size_t at = 1; at < request.size() + 2; ++at)
      ASSERT_EQ(essence(exchange(bytes, at)), whole) << at << " of " << request;
  }
}

}  // namespace
}  // namespace holdfast
