#pragma once

// The dumb second version of what is kept of answers: a list in the order in which their time ends.

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "storage/base/codec.h"
#include "storage/kv/idempotency.h"

namespace holdfast {

inline std::string ordered(uint64_t number) {
  std::string bytes;
  put_fixed(bytes, __builtin_bswap64(number));
  return bytes;
}

// The answers that are kept, in the order in which their time is over.
class AnswersModel {
 public:
  void evict(uint64_t now) {
    for (size_t i = 0; i < Idempotency::kEvictedMax && !kept_.empty(); ++i) {
      if (kept_.begin()->first.first > now) return;
      kept_.erase(kept_.begin());
    }
  }

  template <class Make>
  Reply once(const Command& command, uint64_t now, Revision revision, const Make& make) {
    if (!command.once) return make();
    const auto found = std::ranges::find_if(
        kept_, [&](const auto& item) { return item.first.second == command.once->key; });
    if (found != kept_.end() && found->first.first > now) {
      if (found->second.fingerprint != command.once->fingerprint)
        return {.status = ReplyStatus::kOnceMismatch, .revision = revision};
      Reply reply = found->second.reply;
      reply.replayed = true;
      return reply;
    }
    if (found != kept_.end()) kept_.erase(found);
    const Reply reply = make();
    // What changed nothing, or was refused for what may change, is done anew.
    using enum ReplyStatus;
    const bool is_decided = reply.status == kOk || reply.status == kPreconditionFailed ||
                            reply.status == kLeaseNotFound;
    if (!is_decided || reads(command)) return reply;
    kept_[{now + Idempotency::kLifeMs, command.once->key}] = {command.once->fingerprint, reply};
    return reply;
  }

  NamedValues named() const {
    NamedValues named;
    uint64_t bytes = 0;
    for (const auto& [when, kept] : kept_) {
      std::string value;
      put_fixed(value, when.first);
      put_fixed(value, kept.fingerprint[0]);
      put_fixed(value, kept.fingerprint[1]);
      named["once/" + when.second] = value + encode_reply(kept.reply);
      named["once_due/" + ordered(when.first) + when.second];
    }
    for (const auto& [name, value] : named) bytes += name.size() + value.size();
    if (bytes > 0) put_fixed(named["once_bytes"], bytes);
    return named;
  }

 private:
  static bool reads(const Command& command) {
    const auto* transaction = std::get_if<TransactionCommand>(&command.act);
    if (transaction == nullptr) return false;
    std::vector<Operation> all = transaction->then;
    all.insert(all.end(), transaction->otherwise.begin(), transaction->otherwise.end());
    return std::ranges::none_of(all, [](const Operation& one) { return one.index() < 3; });
  }

  std::map<std::pair<uint64_t, std::string>, Idempotency::Kept> kept_;
};

}  // namespace holdfast
