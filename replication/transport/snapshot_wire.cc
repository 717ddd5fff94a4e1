#include "replication/transport/snapshot_wire.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/core.h>

#include "replication/transport/frame.h"
#include "replication/transport/wire.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/check.h"
#include "storage/base/codec.h"

namespace holdfast {
namespace {

// With a dozen bytes around each name.
static_assert(kSnapshotFilesMax * (kSnapshotNameBytesMax + 32) <= kSnapshotFrameBytesMax);

std::string framed(const proto::SnapshotMessage& message) {
  std::string out;
  const size_t start = begin_frame(out);
  message.AppendToString(&out);
  finish_frame(out, start, out.size() - start - kFrameHeadBytes, 0);
  return out;
}

Result<proto::SnapshotMessage> unframed(std::string_view bytes) {
  HOLDFAST_ASSIGN(const std::optional<Frame> frame, take_frame(bytes, kSnapshotFrameBytesMax));
  proto::SnapshotMessage message;
  if (!frame || !bytes.empty() || !frame->heads.empty() || !frame->payloads.empty() ||
      !message.ParseFromArray(frame->message.data(), static_cast<int>(frame->message.size())))
    return fail(ErrorCode::kCorrupt, "what the peer says about a snapshot cannot be read");
  return message;
}

std::unexpected<Error> out_of_turn() {
  return fail(ErrorCode::kInvalid, "the peer speaks out of turn");
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= kSnapshotNameBytesMax && !name.starts_with('.') &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '-' || c == '_';
         });
}

std::string piece_fields(const SnapshotPlace& place, size_t count) {
  std::string out;
  put_fixed<uint32_t>(out, place.file);
  put_fixed<uint32_t>(out, static_cast<uint32_t>(count));
  put_fixed<uint64_t>(out, place.offset);
  return out;
}

SnapshotPlace skip_complete_files(const SnapshotOffer& offer, SnapshotPlace place) {
  while (place.file < offer.files.size() && place.offset == offer.files[place.file].size)
    place = {place.file + 1, 0};
  return place;
}

}  // namespace

uint64_t SnapshotOffer::bytes() const {
  uint64_t sum = 0;
  for (const SnapshotFile& file : files) sum += file.size;
  return sum;
}

Result<> check_offer(const SnapshotOffer& offer) {
  if (offer.files.size() > kSnapshotFilesMax)
    return fail(ErrorCode::kInvalid, fmt::format("it has {} files, at most {} are taken",
                                                 offer.files.size(), kSnapshotFilesMax));
  std::set<std::string_view> names;
  uint64_t left = kSnapshotBytesMax;
  for (const SnapshotFile& file : offer.files) {
    if (!is_plain_name(file.name))
      return fail(ErrorCode::kInvalid,
                  "one of its files has a name with other than letters, digits, '.', '-' and '_', "
                  "or a name that begins with '.', is empty or too long");
    if (!names.insert(file.name).second)
      return fail(ErrorCode::kInvalid, fmt::format("it has two files named {}", file.name));
    if (file.size > left)
      return fail(ErrorCode::kInvalid,
                  fmt::format("its files have more than {} bytes together", kSnapshotBytesMax));
    left -= file.size;
  }
  return {};
}

bool is_place(const SnapshotOffer& offer, const SnapshotPlace& place) {
  if (place.file >= offer.files.size())
    return place.file == offer.files.size() && place.offset == 0;
  return place.offset % kSnapshotPieceBytes == 0 && place.offset < offer.files[place.file].size;
}

size_t piece_bytes(const SnapshotOffer& offer, const SnapshotPlace& place) {
  CHECK(place.file < offer.files.size());
  CHECK(place.offset < offer.files[place.file].size);
  return static_cast<size_t>(
      std::min<uint64_t>(kSnapshotPieceBytes, offer.files[place.file].size - place.offset));
}

SnapshotPlace place_after(const SnapshotOffer& offer, SnapshotPlace place) {
  place.offset += piece_bytes(offer, place);
  return skip_complete_files(offer, place);
}

SnapshotPlace first_place(const SnapshotOffer& offer) {
  return skip_complete_files(offer, {});
}

std::string encode_offer(const SnapshotOffer& offer) {
  proto::SnapshotMessage message;
  proto::SnapshotOffer& out = *message.mutable_offer();
  out.set_group(offer.group.value);
  out.set_to(offer.to.value);
  out.set_snapshot(offer.snapshot);
  out.mutable_position()->set_term(offer.position.term.value);
  out.mutable_position()->set_index(offer.position.index.value);
  for (const SnapshotFile& file : offer.files) {
    proto::SnapshotFile* const added = out.add_files();
    added->set_name(file.name);
    added->set_size(file.size);
  }
  return framed(message);
}

std::string encode_end(const SnapshotEnd& end) {
  proto::SnapshotMessage message;
  proto::SnapshotEnd& out = *message.mutable_end();
  for (const uint64_t sum : end.checksums) out.add_checksums(sum);
  return framed(message);
}

std::string encode_answer(const SnapshotAnswer& answer) {
  proto::SnapshotMessage out;
  if (const auto* place = std::get_if<SnapshotPlace>(&answer)) {
    out.mutable_go_on_from()->set_file(place->file);
    out.mutable_go_on_from()->set_offset(place->offset);
  } else if (const auto* refused = std::get_if<SnapshotRefused>(&answer)) {
    out.mutable_refused()->set_reason(refused->reason);
    out.mutable_refused()->set_may_dial_again(refused->may_dial_again);
  } else if (std::holds_alternative<SnapshotVerifying>(answer)) {
    out.mutable_verifying();
  } else {
    out.mutable_stored();
  }
  return framed(out);
}

std::string encode_piece_head(const SnapshotPlace& place, std::string_view bytes) {
  std::string head = piece_fields(place, bytes.size());
  put_fixed<uint64_t>(head, checksum(bytes, checksum(head)));
  return head;
}

Result<SnapshotOffer> read_offer(std::string_view frame) {
  HOLDFAST_ASSIGN(const proto::SnapshotMessage message, unframed(frame));
  if (!message.has_offer()) return out_of_turn();
  const proto::SnapshotOffer& in = message.offer();
  SnapshotOffer offer{GroupId{in.group()},
                      NodeId{in.to()},
                      in.snapshot(),
                      {Term{in.position().term()}, LogIndex{in.position().index()}},
                      {}};
  offer.files.reserve(static_cast<size_t>(in.files_size()));
  for (const proto::SnapshotFile& file : in.files())
    offer.files.push_back({file.name(), file.size()});
  return offer;
}

Result<SnapshotEnd> read_end(std::string_view frame) {
  HOLDFAST_ASSIGN(const proto::SnapshotMessage in, unframed(frame));
  if (!in.has_end()) return out_of_turn();
  return SnapshotEnd{{in.end().checksums().begin(), in.end().checksums().end()}};
}

Result<SnapshotAnswer> read_answer(std::string_view frame) {
  HOLDFAST_ASSIGN(const proto::SnapshotMessage in, unframed(frame));
  switch (in.body_case()) {
    case proto::SnapshotMessage::kGoOnFrom:
      return SnapshotPlace{in.go_on_from().file(), in.go_on_from().offset()};
    case proto::SnapshotMessage::kRefused:
      return SnapshotRefused{in.refused().reason(), in.refused().may_dial_again()};
    case proto::SnapshotMessage::kVerifying:
      return SnapshotVerifying{};
    case proto::SnapshotMessage::kStored:
      return SnapshotStored{};
    case proto::SnapshotMessage::kOffer:
    case proto::SnapshotMessage::kEnd:
    case proto::SnapshotMessage::BODY_NOT_SET:
      break;
  }
  return out_of_turn();
}

Result<> verify_piece(std::string_view head, const SnapshotPlace& place, std::string_view bytes) {
  if (!head.starts_with(piece_fields(place, bytes.size())))
    return fail(ErrorCode::kCorrupt, "a piece of the snapshot is not the one that comes next");
  if (head != encode_piece_head(place, bytes))
    return fail(ErrorCode::kCorrupt, "the checksum of a piece of the snapshot does not match");
  return {};
}

}  // namespace holdfast
