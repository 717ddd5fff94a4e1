#pragma once

// The answers to changes that clients have given a name of their own, kept for ten minutes of the
// cluster's clock, so that the same change sent again is answered and not made again. They lie in
// the engine's named values and are part of the agreed state:
//
//   once/<key>                 deadline_ms: u64, fingerprint: 2 x u64, the reply
//   once_due/<deadline><key>   nothing; the deadline as u64 big-endian: what ends first comes first
//   once_bytes                 u64: of all of these together, names and values; 0: not there
//
// Apply thread only. An engine that cannot be read stops the process.

#include <optional>
#include <string_view>

#include "storage/kv/command.h"
#include "storage/kv/due_index.h"
#include "storage/kv/must.h"
#include "storage/kv/named_overlay.h"
#include "storage/kv/reply.h"

namespace holdfast {

class Idempotency {
 public:
  static constexpr std::string_view kDue = "once_due/";
  static constexpr uint64_t kLifeMs = 10 * 60 * 1000;
  // One answer, encoded. A change whose answer is larger is not made under a name.
  static constexpr uint64_t kAnswerBytesMax = 1 << 20;
  // All that is kept. At it, new names are refused: none is forgotten before its time.
  static constexpr uint64_t kBytesMax = 64 << 20;
  // How many one entry lets go. Each entry adds one at most, so they become fewer.
  static constexpr size_t kEvictedMax = 64;

  struct Kept {
    Once::Fingerprint fingerprint;
    Reply reply;
  };

  explicit Idempotency(const Engine& engine) : engine_(engine), due_(engine, kDue) {}

  // With every entry: lets go what is over at `now_ms`, at most kEvictedMax. How many it were.
  size_t evict(NamedOverlay& named, uint64_t now_ms);
  // The answer kept under `key`. One whose time is over is let go.
  std::optional<Kept> find(NamedOverlay& named, std::string_view key, uint64_t now_ms);
  // Whether the answer to one change more can be kept, however large it is: as many as need be of
  // those that are over are let go for it.
  bool make_room(NamedOverlay& named, uint64_t now_ms);
  // Where there was no room: when the time of the first one is over.
  uint64_t first_over_ms(const NamedOverlay& named) const;
  static bool fits(const Reply& reply) { return encode_reply(reply).size() <= kAnswerBytesMax; }
  // There must be room, nothing under this key, and it fits.
  void keep(NamedOverlay& named, const Once& once, const Reply& reply, uint64_t now_ms);

  // After a batch is in the engine.
  void settle() { must(due_.read_ahead()); }
  // The engine holds another state: all is read anew. An engine that cannot be read: kCorrupt.
  Result<> read_again();

 private:
  bool has_room() const;
  void forget(NamedOverlay& named, std::string_view key, std::string_view value);
  void count(NamedOverlay& named, uint64_t bytes);

  const Engine& engine_;
  DueIndex due_;
  uint64_t bytes_ = 0;
};

}  // namespace holdfast
