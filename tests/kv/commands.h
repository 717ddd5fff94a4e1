#pragma once

// Commands as tests write them down.

#include <string>
#include <utility>
#include <vector>

#include "storage/kv/command.h"

namespace holdfast {

inline PutCommand put_act(std::string key, std::string value = "v", bool prev = false) {
  PutCommand act{std::move(key), std::move(value), {}};
  act.prev = prev;
  return act;
}

inline Command put(std::string key, std::string value = "v", bool prev = false) {
  return {.act = put_act(std::move(key), std::move(value), prev)};
}

inline Command put(std::string key, std::string value, std::vector<Condition> conditions) {
  return {.act = PutCommand{std::move(key), std::move(value), std::move(conditions)}};
}

inline Command put_under(std::string key, LeaseId lease = {}, uint64_t ttl_ms = 0) {
  PutCommand act{std::move(key), "v", {}};
  act.lease = lease;
  act.ttl_ms = ttl_ms;
  return {.act = std::move(act)};
}

inline const Command kExpire{.act = ExpireCommand{}};

}  // namespace holdfast
