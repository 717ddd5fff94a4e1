#include "replication/transport/snapshot_wire.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(SnapshotWire, WhatIsSaidComesBackAsItWas) {
  const SnapshotOffer offer{
      GroupId{1}, NodeId{2}, UINT64_MAX, {Term{3}, LogIndex{4}}, {{"a", 0}, {"b.sst", 1u << 31}}};
  EXPECT_EQ(*read_offer(encode_offer(offer)), offer);
  EXPECT_EQ(read_end(encode_end({{0, UINT64_MAX}}))->checksums,
            (std::vector<uint64_t>{0, UINT64_MAX}));
  EXPECT_EQ(std::get<SnapshotPlace>(*read_answer(encode_answer(SnapshotPlace{7, 1u << 20}))),
            (SnapshotPlace{7, 1u << 20}));
  const Result<SnapshotAnswer> refused = read_answer(encode_answer(SnapshotRefused{"why", true}));
  EXPECT_EQ(std::get<SnapshotRefused>(*refused).reason, "why");
  EXPECT_TRUE(std::get<SnapshotRefused>(*refused).may_dial_again);
  EXPECT_TRUE(
      std::holds_alternative<SnapshotVerifying>(*read_answer(encode_answer(SnapshotVerifying{}))));
  EXPECT_TRUE(
      std::holds_alternative<SnapshotStored>(*read_answer(encode_answer(SnapshotStored{}))));
}

TEST(SnapshotWire, NoFlippedByteOfAPieceIsTaken) {
  const SnapshotPlace place{1, kSnapshotPieceBytes};
  const std::string bytes(300, 'x');
  const std::string whole = encode_piece_head(place, bytes) + bytes;
  ASSERT_EQ(whole.size(), kSnapshotPieceHeadBytes + bytes.size());
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    const std::string_view view = damaged;
    EXPECT_FALSE(verify_piece(view.substr(0, kSnapshotPieceHeadBytes), place,
                              view.substr(kSnapshotPieceHeadBytes)))
        << at;
  }
}

TEST(SnapshotWire, PlacesSkipFilesWithoutBytes) {
  const SnapshotOffer offer{
      GroupId{1},
      NodeId{2},
      1,
      {},
      {{"a", 0}, {"b", kSnapshotPieceBytes + 1}, {"c", 0}, {"d", 1}, {"e", 0}}};
  SnapshotPlace place = first_place(offer);
  EXPECT_EQ(place, (SnapshotPlace{1, 0}));
  EXPECT_EQ(piece_bytes(offer, place), kSnapshotPieceBytes);
  place = place_after(offer, place);
  EXPECT_EQ(place, (SnapshotPlace{1, kSnapshotPieceBytes}));
  EXPECT_EQ(piece_bytes(offer, place), 1u);
  place = place_after(offer, place);
  EXPECT_EQ(place, (SnapshotPlace{3, 0}));
  place = place_after(offer, place);
  EXPECT_EQ(place, (SnapshotPlace{5, 0}));
  EXPECT_TRUE(is_place(offer, place));
  for (const SnapshotPlace& none : {SnapshotPlace{0, 0}, SnapshotPlace{1, 1}, SnapshotPlace{2, 0},
                                    SnapshotPlace{5, 1}, SnapshotPlace{6, 0}})
    EXPECT_FALSE(is_place(offer, none)) << none.file << " " << none.offset;
}

}  // namespace
}  // namespace holdfast
