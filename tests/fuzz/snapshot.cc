// What peers send, and what somebody calls a backup. The first byte says what the input is. Frames
// and containers are sealed here with the checksums that belong to them, so that what lies behind
// these is reached; the raw bytes are looked at as well.
//
//   - what can be decoded is encoded as bytes that say the same;
//   - an entry is taken only with the checksum of its payload;
//   - an offer that passes is a way of pieces from the first place to the end;
//   - a backup reads the same in whatever pieces it comes.

#include "replication/transport/frame.h"
#include "replication/transport/snapshot_wire.h"
#include "replication/transport/wire.h"
#include "storage/backup/reader.h"
#include "storage/base/bytes.h"
#include "storage/base/check.h"
#include "storage/base/codec.h"
#include "tests/fuzz/input.h"

namespace holdfast {
namespace {

// A message and the entries behind it, as `seeds.cc` takes them apart.
std::string read_frame(FuzzInput& input) {
  std::string out;
  const size_t start = begin_frame(out);
  const std::string_view message = input.take_counted();
  out.append(message);
  std::string payloads;
  size_t entries = 0;
  for (; !input.empty() && entries < 8; ++entries) {
    const std::string_view fields = input.take_bytes(kFrameEntryHeadBytes - 12);
    const std::string_view payload = input.take_counted();
    put_fixed(out, static_cast<uint32_t>(payload.size()));
    out.append(fields);
    out.append(kFrameEntryHeadBytes - 12 - fields.size(), '\0');
    put_fixed(out, checksum(payload));
    payloads.append(payload);
  }
  out.append(payloads);
  finish_frame(out, start, message.size(), entries);
  return out;
}

void expect_intact(const Bytes& payload) {
  CHECK(checksum(payload.view()) == payload.checksum(), "a payload without its checksum");
}

void take_peer_message(std::string_view bytes) {
  const auto first = take_message(bytes);
  if (!first || !*first) return;
  const raft::MessageBody& body = (*first)->envelope.body;
  if (const auto* append = std::get_if<raft::Append>(&body))
    for (const EntryPtr& entry : append->entries) expect_intact(entry->payload);
  if (const auto* forward = std::get_if<raft::Forward>(&body))
    for (const raft::ForwardedProposal& one : forward->proposals) expect_intact(one.payload);
  std::string encoded;
  encode_message(**first, encoded);
  std::string_view rest = encoded;
  const auto second = take_message(rest);
  CHECK(second && *second && rest.empty(), "a message that cannot be read back");
  std::string again;
  encode_message(**second, again);
  CHECK(again == encoded, "one message has two encodings");
}

void take_greeting(std::string_view bytes) {
  const auto first = take_hello(bytes);
  if (!first || !*first) return;
  std::string encoded;
  encode_hello(**first, encoded);
  std::string_view rest = encoded;
  const auto second = take_hello(rest);
  CHECK(second && *second && **second == **first && rest.empty());
}

void take_offer(std::string_view frame) {
  const Result<SnapshotOffer> offer = read_offer(frame);
  if (!offer) return;
  const Result<SnapshotOffer> again = read_offer(encode_offer(*offer));
  CHECK(again && *again == *offer);
  if (!check_offer(*offer)) return;
  SnapshotPlace place = first_place(*offer);
  for (int steps = 0; steps < 100 && place.file < offer->files.size(); ++steps) {
    CHECK(is_place(*offer, place));
    const SnapshotPlace next = place_after(*offer, place);
    CHECK(next > place, "the pieces do not go on");
    place = next;
  }
  if (place.file == offer->files.size()) CHECK(is_place(*offer, place));
}

void take_answer(std::string_view frame) {
  const Result<SnapshotAnswer> answer = read_answer(frame);
  if (!answer) return;
  const std::string encoded = encode_answer(*answer);
  const Result<SnapshotAnswer> again = read_answer(encoded);
  CHECK(again && encode_answer(*again) == encoded);
}

void take_end(std::string_view frame) {
  const Result<SnapshotEnd> end = read_end(frame);
  if (!end) return;
  const Result<SnapshotEnd> again = read_end(encode_end(*end));
  CHECK(again && again->checksums == end->checksums);
}

void take_piece(FuzzInput& input) {
  const SnapshotPlace place{input.take<uint32_t>(), input.take<uint64_t>()};
  const std::string_view head = input.take_bytes(kSnapshotPieceHeadBytes);
  const std::string_view bytes = input.take_rest();
  (void)verify_piece(head, place, bytes);
  CHECK(verify_piece(encode_piece_head(place, bytes), place, bytes).has_value());
}

// Each frame by its kind and its body.
std::string read_container(FuzzInput& input) {
  std::string out = backup::prelude();
  uint64_t chain = checksum(out);
  while (!input.empty()) {
    const backup::FrameKind kind{input.take<uint8_t>()};
    const std::string_view body = input.take_counted();
    chain = backup::frame_checksum(chain, kind, body);
    put_fixed(out, static_cast<uint32_t>(kind));
    put_fixed(out, static_cast<uint32_t>(body.size()));
    put_fixed(out, chain);
    out.append(body);
  }
  return out;
}

struct BackupStory {
  std::vector<backup::Reader::Event> events;
  std::string end;  // an error's words; or nothing: it is whole
  friend bool operator==(const BackupStory&, const BackupStory&) = default;
};

BackupStory read_backup(std::string_view bytes, size_t step) {
  backup::Reader reader;
  BackupStory story;
  uint64_t file_bytes = 0;
  while (!bytes.empty()) {
    reader.feed(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
    for (;;) {
      auto event = reader.next();
      if (!event) {
        story.end = event.error().message;
        return story;
      }
      if (!*event) break;
      if (const auto* piece = std::get_if<backup::Piece>(&**event))
        file_bytes += piece->bytes.size();
      CHECK(reader.file_bytes() == file_bytes);
      story.events.push_back(*std::move(*event));
    }
  }
  if (const Result<> whole = reader.finish(); !whole) story.end = whole.error().message;
  return story;
}

void take_backup(std::string_view bytes, size_t step) {
  const BackupStory whole = read_backup(bytes, std::max<size_t>(bytes.size(), 1));
  CHECK(read_backup(bytes, step) == whole, "a backup reads otherwise in pieces of {}", step);
  if (!whole.end.empty()) return;
  CHECK(std::holds_alternative<backup::End>(whole.events.back()));
}

void take_raw(std::string_view bytes) {
  if (bytes.size() >= kFrameHeadBytes)
    (void)frame_body_bytes(bytes.substr(0, kFrameHeadBytes), kFramePartBytesMax);
  take_peer_message(bytes);
  take_greeting(bytes);
  take_offer(bytes);
  take_answer(bytes);
  take_end(bytes);
  take_backup(bytes, 7);
}

void take_one(uint8_t kind, FuzzInput& input) {
  switch (kind % 8) {
    case 0:
      return take_peer_message(read_frame(input));
    case 1:
      return take_greeting(read_frame(input));
    case 2:
      return take_offer(read_frame(input));
    case 3:
      return take_answer(read_frame(input));
    case 4:
      return take_end(read_frame(input));
    case 5:
      return take_piece(input);
    case 6:
      return take_backup(read_container(input), 1 + kind / 8 * 5);
    default:
      return take_raw(input.take_rest());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzInput input(data, size);
  const auto kind = input.take<uint8_t>();
  take_one(kind, input);
  return 0;
}

}  // namespace holdfast
