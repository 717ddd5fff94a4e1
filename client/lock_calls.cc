#include <utility>

#include <fmt/format.h>

#include "client/outcomes.h"
#include "client/text_forms.h"

namespace holdfast {
namespace {

uint64_t whole_ms(Duration duration) {
  return static_cast<uint64_t>(duration / std::chrono::milliseconds(1));
}

std::string lock_target(std::string_view name) {
  return "/v1/locks/" + path_encoded(name);
}

HttpRequest held_lock_request(const char* method, std::string_view name, uint64_t token) {
  return {.method = method,
          .target = fmt::format("{}?token={}", lock_target(name), token),
          .headers = {},
          .body = {}};
}

}  // namespace

WriteOutcome<LockAnswer> KvClient::acquire_lock(std::string_view name, const LockQuery& query) {
  HttpRequest request{.method = "POST",
                      .target = lock_target(name),
                      .headers = {{"Content-Type", "application/json"}},
                      .body = lock_request(whole_ms(query.ttl), whole_ms(query.wait), query.owner)};
  const Effect effect = name_change(request);
  return answer_in(
      call(std::move(request), effect, nullptr, {.wait = query.wait, .ends_at_conflict = true}),
      read_lock_answer);
}

WriteOutcome<LockAnswer> KvClient::keep_lock_alive(std::string_view name, uint64_t token,
                                                   Duration within) {
  return answer_in(call(held_lock_request("PUT", name, token), Effect::kHarmlessWrites, nullptr,
                        {.within = within}),
                   read_lock_answer);
}

WriteOutcome<RevokeAnswer> KvClient::release_lock(std::string_view name, uint64_t token) {
  HttpRequest request = held_lock_request("DELETE", name, token);
  const Effect effect = name_change(request);
  return answer_in(call(std::move(request), effect), read_revoke_answer);
}

ReadOutcome<LockView> KvClient::lock(std::string_view name, Consistency consistency) {
  const char* const how = consistency == Consistency::kLocal ? "?consistency=local" : "";
  WriteOutcome<LockView> outcome = answer_in(
      call({.method = "GET", .target = lock_target(name) + how, .headers = {}, .body = {}},
           Effect::kReads),
      read_lock_view);
  if (auto* view = std::get_if<LockView>(&outcome)) return std::move(*view);
  if (auto* refusal = std::get_if<Refusal>(&outcome)) return std::unexpected(std::move(*refusal));
  return std::unexpected(
      Refusal{.code = "bad_answer", .message = std::get<Unknown>(std::move(outcome)).message});
}

}  // namespace holdfast
