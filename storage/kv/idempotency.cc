#include "storage/kv/idempotency.h"

#include <utility>

#include "storage/base/check.h"
#include "storage/base/codec.h"
#include "storage/kv/must.h"
#include "storage/kv/stored_bytes.h"

namespace holdfast {
namespace {

constexpr std::string_view kOnce = "once/";
constexpr std::string_view kBytes = "once_bytes";
constexpr size_t kAnswerHeadBytes = 24;

// What an answer takes up beside its own bytes, under the longest name.
constexpr uint64_t kNamesBytesMax =
    kOnce.size() + Idempotency::kDue.size() + sizeof(uint64_t) + 2 * kOnceKeyBytesMax;
constexpr uint64_t kKeptBytesMax = kNamesBytesMax + kAnswerHeadBytes + Idempotency::kAnswerBytesMax;
static_assert(kKeptBytesMax <= Idempotency::kBytesMax / 32, "one must not fill it");
static_assert(kReplyHeadBytes + kOperationsMax * kResultHeadBytes <= Idempotency::kAnswerBytesMax,
              "a transaction that shows no key is never refused for its answer");

std::string once_name(std::string_view key) {
  return std::string(kOnce).append(key);
}

// What one answer takes up.
uint64_t bytes_of(std::string_view key, std::string_view value) {
  return kOnce.size() + key.size() + value.size() + Idempotency::kDue.size() + sizeof(uint64_t) +
         key.size();
}

std::unexpected<Error> damaged() {
  return fail(ErrorCode::kCorrupt,
              "the state's record of answers cannot be read: restore this node from its peers");
}

Result<uint64_t> deadline_of(std::string_view value) {
  if (value.size() < kAnswerHeadBytes) return damaged();
  return load_fixed<uint64_t>(value.data());
}

}  // namespace

size_t Idempotency::evict(NamedOverlay& named, uint64_t now_ms) {
  const std::vector<DueIndex::Due> due = due_.due(named, now_ms, kEvictedMax);
  for (const auto& [deadline_ms, key] : due) {
    const std::optional<std::string> value = named.get(once_name(key));
    CHECK(value, "an answer is due that is not kept");
    forget(named, key, *value);
  }
  if (due.size() < kEvictedMax) due_.pass(now_ms);
  return due.size();
}

std::optional<Idempotency::Kept> Idempotency::find(NamedOverlay& named, std::string_view key,
                                                   uint64_t now_ms) {
  const std::optional<std::string> value = named.get(once_name(key));
  if (!value) return std::nullopt;
  if (must(deadline_of(*value)) <= now_ms) {
    forget(named, key, *value);
    return std::nullopt;
  }
  return Kept{{load_fixed<uint64_t>(value->data() + 8), load_fixed<uint64_t>(value->data() + 16)},
              must(decode_reply(std::string_view(*value).substr(kAnswerHeadBytes)))};
}

bool Idempotency::has_room() const {
  return bytes_ + kKeptBytesMax <= kBytesMax;
}

// Many small ones that are over at once would else be in the way for as many entries as it takes.
bool Idempotency::make_room(NamedOverlay& named, uint64_t now_ms) {
  while (!has_room())
    if (evict(named, now_ms) == 0) return false;
  return true;
}

uint64_t Idempotency::first_over_ms(const NamedOverlay& named) const {
  const std::vector<DueIndex::Due> first = due_.due(named, UINT64_MAX, 1);
  CHECK(!first.empty(), "{} bytes of answers, and none is due", bytes_);
  return first.front().deadline_ms;
}

void Idempotency::keep(NamedOverlay& named, const Once& once, const Reply& reply, uint64_t now_ms) {
  const uint64_t deadline_ms = now_ms + kLifeMs;
  std::string value;
  put_fixed(value, deadline_ms);
  put_fixed(value, once.fingerprint[0]);
  put_fixed(value, once.fingerprint[1]);
  value.append(encode_reply(reply));
  count(named, bytes_ + bytes_of(once.key, value));
  CHECK(bytes_ <= kBytesMax, "{} bytes are kept", bytes_);
  named.add(once_name(once.key), std::move(value));
  due_.add(named, deadline_ms, once.key);
}

void Idempotency::forget(NamedOverlay& named, std::string_view key, std::string_view value) {
  named.remove(once_name(key), value);
  due_.remove(named, must(deadline_of(value)), key);
  count(named, bytes_ - bytes_of(key, value));
}

void Idempotency::count(NamedOverlay& named, uint64_t bytes) {
  const std::string name(kBytes);
  if (bytes_ == 0) {
    named.add(name, encode_number(bytes));
  } else if (bytes == 0) {
    named.remove(name, encode_number(bytes_));
  } else {
    named.replace(name, encode_number(bytes_), encode_number(bytes));
  }
  bytes_ = bytes;
}

Result<> Idempotency::read_again() {
  HOLDFAST_ASSIGN(const std::optional<std::string> bytes, engine_.get_meta(kBytes));
  if (bytes && bytes->size() != sizeof(uint64_t)) return damaged();
  bytes_ = bytes ? load_fixed<uint64_t>(bytes->data()) : 0;
  return due_.read_again();
}

}  // namespace holdfast
