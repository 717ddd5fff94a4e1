// Bytes in, answers out.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bench/load/http_answers.h"
#include "bench/load/resp_answers.h"

namespace holdfast::load {
namespace {

struct Seen {
  unsigned status;
  std::string body;
  bool closes;
  friend bool operator==(const Seen&, const Seen&) = default;
};

// All answers in `bytes`, which come `step` at a time; an error ends it as {0, message}.
std::vector<Seen> read_all(AnswerReader& reader, const std::string& bytes, size_t step) {
  std::vector<Seen> seen;
  std::string waiting;
  for (size_t at = 0; at < bytes.size(); at += step) {
    waiting += bytes.substr(at, step);
    size_t taken = 0;
    while (taken < waiting.size()) {
      const Result<size_t> read = reader.read(std::string_view(waiting).substr(taken));
      if (!read) return seen.push_back({0, read.error().message, false}), seen;
      taken += *read;
      if (const RawAnswer* const raw = reader.answer()) {
        seen.push_back({raw->status, std::string(raw->body), raw->closes});
      } else if (*read == 0) {
        break;
      }
    }
    waiting.erase(0, taken);
  }
  return seen;
}

void expect_http(const std::string& bytes, const std::vector<Seen>& expected) {
  for (const size_t step : {size_t{1}, size_t{2}, size_t{7}, bytes.size()}) {
    HttpAnswers reader(1'000);
    EXPECT_EQ(read_all(reader, bytes, step), expected) << step;
  }
}

std::string broken(const std::string& bytes) {
  HttpAnswers reader(1'000);
  const std::vector<Seen> seen = read_all(reader, bytes, bytes.size());
  return seen.empty() || seen.back().status != 0 ? "" : seen.back().body;
}

TEST(HttpAnswersTest, LengthsAndChunksHoweverTheyCome) {
  expect_http(
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
      "HTTP/1.1 404 Not Found\r\ncontent-length:2\r\nConnection: close\r\n\r\nno"
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n"
      "0\r\nTrailer: x\r\n\r\n"
      "HTTP/1.1 201 \r\nContent-Length: 0\r\n\r\n"
      "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
      {{200, "hello", false},
       {404, "no", true},
       {200, "abc0123456789", false},
       {201, "", false},
       {304, "", false},
       {204, "", false}});
}

TEST(HttpAnswersTest, OfALargeBodyTheBeginningIsKept) {
  const std::string body(5'000, 'x');
  for (const size_t step : {size_t{100}, size_t{100'000}}) {
    HttpAnswers reader(10);
    const std::vector<Seen> seen = read_all(
        reader, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + body + "HTTP/1.1 204 \r\n\r\n",
        step);
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[0].body, std::string(10, 'x'));
    EXPECT_EQ(seen[1].body, "");
  }
}

TEST(HttpAnswersTest, WhatIsNoAnswerIsRefused) {
  for (const char* const bytes :
       {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\na", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "+OK\r\n\r\n\r\n"}) {
    EXPECT_NE(broken(bytes), "") << bytes;
  }
  EXPECT_NE(broken(std::string(100'000, 'x')), "");
  EXPECT_NE(
      broken("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(9'000, ' ')),
      "");
}

TEST(HttpAnswersTest, AStreamIsTakenWhileItComes) {
  HttpAnswers reader(1'000);
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(*reader.read(head + "4\r\nab"), head.size() + 5);
  EXPECT_EQ(reader.status(), 200U);
  EXPECT_EQ(reader.take_body(), "ab");
  EXPECT_EQ(*reader.read("cd\r\n"), 4U);
  EXPECT_EQ(reader.take_body(), "cd");
  EXPECT_EQ(reader.answer(), nullptr);
}

TEST(RespAnswersTest, LinesNumbersValuesAndNil) {
  const std::string bytes = "+OK\r\n:2\r\n$5\r\nhe\r\no\r\n$-1\r\n-ERR no such thing\r\n$0\r\n\r\n";
  const std::vector<Seen> expected{{200, "OK", false},
                                   {200, "2", false},
                                   {200, "he\r\no", false},
                                   {404, "", false},
                                   {500, "ERR no such thing", false},
                                   {200, "", false}};
  for (const size_t step : {size_t{1}, size_t{3}, bytes.size()}) {
    RespAnswers reader;
    EXPECT_EQ(read_all(reader, bytes, step), expected) << step;
  }
}

TEST(RespAnswersTest, WhatIsNoAnswerIsRefused) {
  for (const char* const bytes :
       {"HTTP/1.1 400 Bad Request\r\n", "$x\r\n", "$-2\r\n", "$3\r\nabcdefg", "\r\n", "*1\r\n"}) {
    RespAnswers reader;
    EXPECT_FALSE(reader.read(bytes)) << bytes;
  }
}

}  // namespace
}  // namespace holdfast::load
