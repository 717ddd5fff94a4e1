#include "storage/kv/reply.h"

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/codec.h"

namespace holdfast {
namespace {

// What has no token is written as before there were any: nodes of two versions apply the same.
constexpr uint8_t kVersion = 1;
constexpr uint8_t kVersionWithToken = 2;

uint8_t bits(std::initializer_list<bool> flags) {
  unsigned all = 0;
  unsigned place = 0;
  for (const bool flag : flags) all |= (flag ? 1U : 0U) << place++;
  return static_cast<uint8_t>(all);
}

void put_bytes(std::string& out, std::string_view bytes) {
  put_fixed(out, static_cast<uint32_t>(bytes.size()));
  out.append(bytes);
}

void put_row(std::string& out, const Row& row) {
  put_fixed(out, row.info.create_revision.value);
  put_fixed(out, row.info.mod_revision.value);
  put_fixed(out, row.info.version);
  put_fixed(out, row.info.bond.bits());
  put_bytes(out, row.value);
}

void put_result(std::string& out, const OperationResult& result) {
  put_fixed(out, static_cast<uint8_t>(result.kind));
  put_fixed(out, bits({result.created, result.wants_prev, result.keys_only, result.count_only,
                       result.more}));
  put_fixed(out, result.deleted);
  put_fixed(out, result.count);
  put_fixed(out, static_cast<uint32_t>(result.items.size()));
  for (const Item& item : result.items) {
    put_bytes(out, item.key);
    put_row(out, item.row);
  }
}

// Reads on with zeros behind the end, and knows at the end that it did.
class Taker {
 public:
  explicit Taker(std::string_view bytes) : reader_(bytes) {}

  template <class T>
  T take() {
    const std::optional<T> value = reader_.take<T>();
    fits_ = fits_ && value.has_value();
    return value.value_or(0);
  }
  std::string take_bytes() {
    const std::optional<std::string_view> bytes = reader_.take_bytes(take<uint32_t>());
    fits_ = fits_ && bytes.has_value();
    return std::string(bytes.value_or(""));
  }
  bool fits() const { return fits_; }
  bool done() const { return fits_ && reader_.rest().empty(); }

 private:
  FixedReader reader_;
  bool fits_ = true;
};

Row take_row(Taker& in) {
  Row row;
  row.info.create_revision = {in.take<uint64_t>()};
  row.info.mod_revision = {in.take<uint64_t>()};
  row.info.version = in.take<uint64_t>();
  row.info.bond = Bond::of_bits(in.take<uint64_t>());
  row.value = in.take_bytes();
  return row;
}

OperationResult take_result(Taker& in) {
  OperationResult result;
  result.kind = static_cast<OperationResult::Kind>(in.take<uint8_t>());
  const unsigned flags = in.take<uint8_t>();
  result.created = (flags & 1U) != 0;
  result.wants_prev = (flags & 2U) != 0;
  result.keys_only = (flags & 4U) != 0;
  result.count_only = (flags & 8U) != 0;
  result.more = (flags & 16U) != 0;
  result.deleted = in.take<uint64_t>();
  result.count = in.take<uint64_t>();
  for (auto left = in.take<uint32_t>(); left > 0 && in.fits(); --left) {
    Item& item = result.items.emplace_back();
    item.key = in.take_bytes();
    item.row = take_row(in);
  }
  return result;
}

}  // namespace

std::string encode_reply(const Reply& reply) {
  CHECK(is_kept(reply.status), "status {}", static_cast<int>(reply.status));
  std::string out;
  put_fixed(out, reply.token == 0 ? kVersion : kVersionWithToken);
  put_fixed(out, static_cast<uint8_t>(reply.status));
  put_fixed(out, bits({reply.created, reply.unfinished, reply.succeeded, reply.prev.has_value(),
                       reply.wants_prev}));
  put_fixed(out, reply.revision.value);
  put_fixed(out, reply.deleted);
  put_fixed(out, reply.current.value);
  put_fixed(out, reply.ttl_ms);
  put_fixed(out, reply.lease.value);
  put_fixed(out, reply.refused);
  if (reply.token != 0) put_fixed(out, reply.token);
  if (reply.prev) put_row(out, *reply.prev);
  put_fixed(out, static_cast<uint32_t>(reply.results.size()));
  for (const OperationResult& result : reply.results) put_result(out, result);
  return out;
}

Result<Reply> decode_reply(std::string_view bytes) {
  Taker in(bytes);
  const auto version = in.take<uint8_t>();
  Reply reply;
  reply.status = static_cast<ReplyStatus>(in.take<uint8_t>());
  const unsigned flags = in.take<uint8_t>();
  reply.created = (flags & 1U) != 0;
  reply.unfinished = (flags & 2U) != 0;
  reply.succeeded = (flags & 4U) != 0;
  reply.wants_prev = (flags & 16U) != 0;
  reply.revision = {in.take<uint64_t>()};
  reply.deleted = in.take<uint64_t>();
  reply.current = {in.take<uint64_t>()};
  reply.ttl_ms = in.take<uint64_t>();
  reply.lease = {in.take<uint64_t>()};
  reply.refused = in.take<uint32_t>();
  if (version == kVersionWithToken) reply.token = in.take<uint64_t>();
  if ((flags & 8U) != 0) reply.prev = take_row(in);
  for (auto left = in.take<uint32_t>(); left > 0 && in.fits(); --left)
    reply.results.push_back(take_result(in));
  const bool is_known = version == kVersion || version == kVersionWithToken;
  if (is_known && in.done() && is_kept(reply.status)) return reply;
  return fail(ErrorCode::kCorrupt,
              fmt::format("a kept answer of {} bytes cannot be read: restore this node from its "
                          "peers",
                          bytes.size()));
}

}  // namespace holdfast
