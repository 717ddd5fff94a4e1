#include "server/http/framing.h"

#include <gmock/gmock.h>

#include "server/http/parser.h"
#include "tests/http/http_fixture.h"

namespace holdfast::http {
namespace {

using std::string_literals::operator""s;

constexpr std::string_view kSmuggled = "GET /echo/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

struct Row {
  std::string name;
  std::string bytes;
  int status = 400;
};

std::string get(std::string_view fields) {
  return "GET /echo/a HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n\r\n";
}
std::string put(std::string_view fields, std::string_view body = "") {
  return "PUT /echo/a HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n\r\n" +
         std::string(body);
}
std::string line(std::string_view first) {
  return std::string(first) + "\r\nHost: a\r\n\r\n";
}
std::string chunked(std::string_view chunks) {
  return put("Transfer-Encoding: chunked", chunks);
}

std::vector<Row> length_rows() {
  return {
      {"two lengths", put("Content-Length: 3\r\nContent-Length: 3", "abc")},
      {"two unequal lengths", put("Content-Length: 3\r\nContent-Length: 5", "abc")},
      {"list of lengths", put("Content-Length: 3, 3", "abc")},
      {"plus", put("Content-Length: +3", "abc")},
      {"minus", put("Content-Length: -3", "abc")},
      {"hexadecimal", put("Content-Length: 0x3", "abc")},
      {"fraction", put("Content-Length: 3.0", "abc")},
      {"empty length", put("Content-Length:", "abc")},
      {"inner space", put("Content-Length: 3 3", "abc")},
      {"word", put("Content-Length: three", "abc")},
      {"2^63", put("Content-Length: 9223372036854775808"), 413},
      {"2^64 + 3", put("Content-Length: 18446744073709551619", "abc"), 413},
      {"many digits", put("Content-Length: " + std::string(200, '9')), 413},
      {"length and chunked", put("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n")},
      {"chunked and length", put("Transfer-Encoding: chunked\r\nContent-Length: 3", "0\r\n\r\n")},
      {"body on GET", get("Content-Length: 3") + "abc"},
      {"chunked GET", get("Transfer-Encoding: chunked") + "0\r\n\r\n"},
      {"body on HEAD", "HEAD /echo/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"},
  };
}

std::vector<Row> encoding_rows() {
  return {
      {"gzip", put("Transfer-Encoding: gzip", "0\r\n\r\n")},
      {"identity", put("Transfer-Encoding: identity", "abc")},
      {"gzip, chunked", put("Transfer-Encoding: gzip, chunked", "0\r\n\r\n")},
      {"chunked, gzip", put("Transfer-Encoding: chunked, gzip", "0\r\n\r\n")},
      {"chunked twice", put("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")},
      {"chunked, chunked", put("Transfer-Encoding: chunked, chunked", "0\r\n\r\n")},
      {"xchunked", put("Transfer-Encoding: xchunked", "0\r\n\r\n")},
      {"quoted", put("Transfer-Encoding: \"chunked\"", "0\r\n\r\n")},
      {"with parameter", put("Transfer-Encoding: chunked;q=1", "0\r\n\r\n")},
      {"empty encoding", put("Transfer-Encoding:", "abc")},
      {"vertical tab", put("Transfer-Encoding: \x0b"
                           "chunked",
                           "0\r\n\r\n")},
      {"chunked in 1.0", "PUT /echo/a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"space before the colon", put("Transfer-Encoding : chunked", "0\r\n\r\n")},
      {"chunk size is no number", chunked("x\r\n")},
      {"chunk size with a sign", chunked("+3\r\nabc\r\n0\r\n\r\n")},
      {"chunk size with 0x", chunked("0x3\r\nabc\r\n0\r\n\r\n")},
      {"chunk size too long", chunked("fffffffffffffffff\r\nabc")},
      {"chunk size 2^64-1", chunked("ffffffffffffffff\r\nabc"), 413},
      {"chunk without its end", chunked("3\r\nabcd\r\n0\r\n\r\n")},
      {"chunk line ends in LF", chunked("3\nabc\n0\n\n\r\n\r\n")},
      {"length in a trailer", chunked("0\r\nContent-Length: 3\r\n\r\n")},
      {"encoding in a trailer", chunked("0\r\nTransfer-Encoding: gzip\r\n\r\n")},
      {"host in a trailer", chunked("0\r\nHost: b\r\n\r\n")},
      {"long chunk extension", chunked("3;" + std::string(9000, 'x') + "\r\nabc\r\n0\r\n\r\n"),
       431},
      {"long trailers", chunked("0\r\nX: " + std::string(9000, 'x') + "\r\n\r\n"), 431},
  };
}

std::vector<Row> line_rows() {
  return {
      {"no version", line("GET /echo/a")},
      {"HTTP/0.9", line("GET /echo/a HTTP/0.9")},
      {"HTTP/1.2", line("GET /echo/a HTTP/1.2")},
      {"HTTP/2.0", line("GET /echo/a HTTP/2.0")},
      {"lower case version", line("GET /echo/a http/1.1")},
      {"HTTP/1.10", line("GET /echo/a HTTP/1.10")},
      {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {"two spaces", line("GET  /echo/a HTTP/1.1")},
      {"space in the target", line("GET /echo/a b HTTP/1.1")},
      {"tab instead of space", line("GET\t/echo/a HTTP/1.1")},
      {"space before the method", line(" GET /echo/a HTTP/1.1")},
      {"empty line first", "\r\n" + line("GET /echo/a HTTP/1.1")},
      {"method is no token", line("G(T /echo/a HTTP/1.1")},
      {"no method", line("/echo/a HTTP/1.1")},
      {"NUL in the target", "GET /echo/a\0 HTTP/1.1\r\nHost: a\r\n\r\n"s},
      {"fragment", line("GET /echo/a#b HTTP/1.1")},
      {"backslash", line("GET /echo\\a HTTP/1.1")},
      {"raw UTF-8", line("GET /echo/\xc3\xa9 HTTP/1.1")},
      {"target without slash", line("GET echo/a HTTP/1.1")},
      {"asterisk", line("OPTIONS * HTTP/1.1")},
      {"authority form", line("CONNECT a:80 HTTP/1.1")},
      {"broken percent", line("GET /echo/%g1 HTTP/1.1\r\nConnection: close")},
      {"TLS", "\x16\x03\x01\x02\x00\x01\x00"s},
  };
}

std::vector<Row> field_rows() {
  return {
      {"no Host", "GET /echo/a HTTP/1.1\r\n\r\n"},
      {"two Hosts", get("Host: b")},
      {"two equal Hosts", get("Host: a")},
      {"list in Host", "GET /echo/a HTTP/1.1\r\nHost: a, b\r\n\r\n"},
      {"path in Host", "GET /echo/a HTTP/1.1\r\nHost: a/b\r\n\r\n"},
      {"user in Host", "GET /echo/a HTTP/1.1\r\nHost: b@a\r\n\r\n"},
      {"folded line", get("X: a\r\n b")},
      {"folded with tab", get("X: a\r\n\tb")},
      {"space before the colon", get("X : a")},
      {"no colon", get("X")},
      {"no name", get(": a")},
      {"name is no token", get("X(y): a")},
      {"NUL in a value", get("X: a\0b"s)},
      {"bell in a value", get("X: a\x07")},
      {"DEL in a value", get("X: a\x7f")},
      {"CR in a value", get("X: a\rb")},
      {"CR CR LF", get("X: a\r")},
      {"LF alone ends a field", "GET /echo/a HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"},
      {"LF alone everywhere", "GET /echo/a HTTP/1.1\nHost: a\n\n"},
      {"LF alone ends the head", "GET /echo/a HTTP/1.1\r\nHost: a\r\n\n"},
      {"other expectation", put("Expect: 200-ok\r\nContent-Length: 3", "abc"), 417},
  };
}

class FramingTest : public HttpTest {
 protected:
  void check(const std::vector<Row>& rows) {
    start();
    for (const Row& row : rows) {
      SCOPED_TRACE(row.name);
      Client client(port());
      // What came before is answered first.
      client.send(request("GET", "/echo/before") + row.bytes + std::string(kSmuggled));
      EXPECT_EQ(client.read().status, 200);
      const Answer answer = client.read();
      EXPECT_EQ(answer.status, row.status) << answer.body;
      EXPECT_EQ(answer.header("Connection"), "close");
      EXPECT_EQ(answer.header("Content-Type"), "application/problem+json");
      EXPECT_TRUE(client.at_end());
    }
    EXPECT_THAT(story(), testing::Not(testing::Contains("echo smuggled")));
  }
};

TEST_F(FramingTest, DoubtfulLengthsAreRefused) {
  check(length_rows());
}
TEST_F(FramingTest, DoubtfulEncodingsAreRefused) {
  check(encoding_rows());
}
TEST_F(FramingTest, DoubtfulRequestLinesAreRefused) {
  check(line_rows());
}
TEST_F(FramingTest, DoubtfulFieldsAreRefused) {
  check(field_rows());
}

TEST(CheckFraming, TakesWhatIsSound) {
  const Limits limits;
  for (const char* head :
       {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / HTTP/1.0\r\n\r\n",
        "GET /a%20b?c=d&e=[1] HTTP/1.1\r\nhOST: [::1]:80\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: \t 3 \t\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\r\nY:\r\nContent-Length: 0\r\n\r\n",
        "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n"}) {
    const auto framing = check_framing(head, limits);
    EXPECT_TRUE(framing) << head << framing.error().detail;
  }
}

// Beast refuses this too; the guard must not lean on it.
TEST(CheckFraming, RefusesBothFramingsWithoutTheParsersHelp) {
  const Limits limits;
  EXPECT_FALSE(
      check_framing("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n",
                    limits));
  EXPECT_FALSE(
      check_framing("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                    "Content-Length: 3\r\n\r\n",
                    limits));
}

// In pieces of every size: a body without chunks once ended the process when it came byte by byte.
TEST(RequestParser, AChunkedBodyMayComeInPieces) {
  const Limits limits;
  for (const std::string& bytes : {chunked("0\r\n\r\n"), chunked("0;a=b\r\nX: y\r\n\r\n"),
                                   chunked("3\r\nabc\r\n0\r\n\r\n"), chunked("0\r\nabc\r\n")}) {
    for (size_t piece = 1; piece <= bytes.size(); ++piece) {
      RequestParser parser(limits);
      RequestParser::Event event = RequestParser::Event::kNeedMore;
      size_t taken = 0;
      for (size_t shown = piece;
           event != RequestParser::Event::kComplete && event != RequestParser::Event::kRefused;
           shown = std::min(shown + piece, bytes.size())) {
        do {
          size_t used = 0;
          event = parser.feed(std::string_view(bytes).substr(taken, shown - taken), used);
          taken += used;
        } while (event == RequestParser::Event::kHead);
        if (shown == bytes.size()) break;
      }
      const bool is_sound = bytes.find("0\r\nabc") == std::string::npos;
      EXPECT_EQ(event == RequestParser::Event::kComplete, is_sound) << bytes << piece;
      if (is_sound) {
        EXPECT_EQ(taken, bytes.size());
      }
    }
  }
}

TEST(CheckFraming, KnowsWhetherTheConnectionStays) {
  const Limits limits;
  const struct {
    std::string head;
    bool keep_alive;
  } rows[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close ,y\r\n\r\n", false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
      {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(check_framing(row.head, limits)->keep_alive, row.keep_alive) << row.head;
  }
}

}  // namespace
}  // namespace holdfast::http
