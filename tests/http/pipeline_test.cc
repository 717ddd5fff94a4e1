#include "server/http/pipeline.h"

#include <gtest/gtest.h>

#include "server/http/outbox.h"

namespace holdfast::http {
namespace {

const Route kRead{Method::kGet, Access::kRead, nullptr};
const Route kWrite{Method::kPut, Access::kWrite, nullptr};

Request request_of(size_t body_bytes) {
  Request request(Method::kPut, "/");
  request.body.assign(body_bytes, 'x');
  return request;
}

Response text(std::string body) {
  return Response(200, "text/plain", std::move(body));
}

TEST(Pipeline, AReadWaitsForEarlierWritesAndAWriteForEarlierReads) {
  Pipeline pipeline;
  for (const Route* route : {&kWrite, &kWrite, &kRead, &kWrite}) {
    pipeline.add(request_of(0), *route, {});
  }
  EXPECT_EQ(pipeline.next()->ticket, 0u);
  EXPECT_EQ(pipeline.next()->ticket, 1u);
  EXPECT_FALSE(pipeline.next());
  pipeline.answer(1, {});
  EXPECT_FALSE(pipeline.next());
  pipeline.answer(0, {});
  EXPECT_EQ(pipeline.next()->ticket, 2u);
  EXPECT_FALSE(pipeline.next()) << "the write waits for the read";
  pipeline.answer(2, {});
  EXPECT_EQ(pipeline.next()->ticket, 3u);
}

TEST(Pipeline, GivesAnswersInTheOrderOfRequestsAndCountsTheirBytes) {
  Pipeline pipeline;
  pipeline.add(request_of(10), kRead, {});
  pipeline.add(request_of(20), kRead, {});
  pipeline.add_answered(text("third"), {});
  EXPECT_EQ(pipeline.request_bytes(), 30u);
  ASSERT_TRUE(pipeline.next());
  ASSERT_TRUE(pipeline.next());
  pipeline.answer(1, text("second"));
  EXPECT_EQ(pipeline.request_bytes(), 10u);
  EXPECT_EQ(pipeline.answer_bytes(), 11u);
  EXPECT_FALSE(pipeline.take());
  pipeline.answer(0, text("first"));
  for (const char* body : {"first", "second", "third"}) {
    EXPECT_EQ(pipeline.take()->response.body, body);
  }
  EXPECT_TRUE(pipeline.empty());
  EXPECT_EQ(pipeline.request_bytes(), 0u);
  EXPECT_EQ(pipeline.answer_bytes(), 0u);
}

TEST(Outbox, GivesTheSameBytesInWhateverPiecesTheyAreTaken) {
  for (const size_t step : {1u, 7u, 1000u, 16384u, 1000000u}) {
    Outbox outbox;
    std::string expected;
    for (const size_t size : {3u, 16384u, 16385u, 40000u, 5u}) {
      outbox.add({.form = {}, .response = text(std::string(size, 'v'))}, "Date: d\r\n");
      expected += "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Type: text/plain\r\nContent-Length: " +
                  std::to_string(size) + "\r\n\r\n" + std::string(size, 'v');
    }
    ASSERT_EQ(outbox.bytes(), expected.size());
    std::string taken;
    while (!outbox.empty()) {
      const std::string_view piece = outbox.front().pieces.at(0).substr(0, step);
      taken += piece;
      outbox.pop(piece.size());
    }
    EXPECT_EQ(taken, expected) << step;
  }
}

}  // namespace
}  // namespace holdfast::http
