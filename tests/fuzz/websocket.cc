// What a client sends over a WebSocket: frames as they come, whole and in pieces that the input
// chooses, which must be the same events either way; and messages, put into frames as a client may
// do it, which must come out as they went in, and mean a watch that keeps its bounds or a problem.

#include <optional>
#include <vector>

#include "server/api/watch_request.h"
#include "server/http/frames.h"
#include "storage/base/check.h"
#include "storage/base/text.h"
#include "tests/fuzz/input.h"
#include "tests/http/frames_fixture.h"

namespace holdfast {
namespace {

using http::FrameReader;

constexpr size_t kMessageBytesMax = 1'000;

struct Heard {
  FrameReader::Event event;
  std::string text;
  friend bool operator==(const Heard&, const Heard&) = default;
};

class Reading {
 public:
  void receive(std::string_view bytes) {
    while (!ended_ && !bytes.empty()) {
      size_t used = 0;
      const FrameReader::Event event = reader_.feed(bytes, used);
      CHECK(used <= bytes.size() && reader_.bytes() <= kMessageBytesMax);
      bytes.remove_prefix(used);
      if (event == FrameReader::Event::kNeedMore) {
        CHECK(bytes.empty());
        return;
      }
      take(event);
    }
  }
  const std::vector<Heard>& heard() const { return heard_; }

 private:
  void take(FrameReader::Event event) {
    using Event = FrameReader::Event;
    ended_ = event == Event::kClose || event == Event::kBroken;
    std::string text;
    if (event == Event::kMessage) {
      text = reader_.take_message();
      CHECK(is_utf8(text));
    } else if (ended_) {
      std::string frame;
      http::append_close(frame, reader_.closing());
      text = http::sent_frame(frame).payload;
    } else {
      std::string frame;
      http::append_pong(frame, reader_.control());
      text = http::sent_frame(frame).payload;
    }
    heard_.push_back({event, std::move(text)});
  }

  FrameReader reader_{kMessageBytesMax};
  std::vector<Heard> heard_;
  bool ended_ = false;
};

void read_both_ways(std::string_view bytes, FuzzInput steps) {
  Reading whole;
  whole.receive(bytes);
  Reading pieces;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, 1 + steps.below(20));
    pieces.receive(piece);
    bytes.remove_prefix(piece.size());
  }
  CHECK(whole.heard() == pieces.heard(), "frames that depend on the pieces they came in");
}

void read_message(std::string_view text) {
  const Instant now{std::chrono::hours(1)};
  const auto message = parse_watch_message(text, now);
  if (!message) {
    CHECK(!message.error().problem.detail.empty());
    (void)http::json_of(message.error().problem);
    return;
  }
  CHECK(!message->id.empty() && message->id.size() <= WatchMessage::kIdBytesMax);
  if (!message->begins) return;
  const WatchRead& read = *message->begins;
  CHECK(read.what.range.start.size() <= kKeyBytesMax);
  CHECK(read.what.range.end.size() <= kKeyBytesMax + 1);
  CHECK(!read.from || read.from->value > 0);
  CHECK(read.options.deadline > now && !read.options.is_past());
}

// A client may cut a message anywhere, and ping between its parts.
void send_message(std::string_view text, FuzzInput& input) {
  std::string bytes;
  std::string_view rest = text.substr(0, kMessageBytesMax);
  const std::string message(rest);
  size_t pings = 0;
  for (int opcode = 1; opcode == 1 || !rest.empty(); opcode = 0) {
    const std::string_view part = rest.substr(0, 1 + input.below(300));
    rest.remove_prefix(part.size());
    bytes += http::frame_of(part, {.opcode = opcode, .final = rest.empty()});
    if (input.below(4) > 0) continue;
    bytes += http::frame_of("ping", {.opcode = 9});
    ++pings;
  }
  Reading reading;
  reading.receive(bytes);
  std::vector<Heard> others = reading.heard();
  const size_t whole = std::erase(others, Heard{FrameReader::Event::kMessage, message});
  const size_t broken = is_utf8(message) ? 0 : 1;
  CHECK(whole + broken == 1, "a message that did not arrive as it was sent");
  CHECK(broken == 1 || others.size() == pings);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzInput input(data, size);
  if (input.below(2) == 0) {
    FuzzInput steps(data, std::min<size_t>(size, 64));
    read_both_ways(input.take_rest(), steps);
    return 0;
  }
  FuzzInput choices = input;
  const std::string_view text = input.take_rest();
  send_message(text, choices);
  if (is_utf8(text)) read_message(text);
  return 0;
}

}  // namespace holdfast
