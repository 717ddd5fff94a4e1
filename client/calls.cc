#include "client/calls.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "client/text_forms.h"

namespace holdfast::calls {
namespace {

std::string_view spelled(Consistency consistency) {
  return consistency == Consistency::kLocal ? "local" : "linearizable";
}

uint64_t ms_of(Duration duration) {
  return static_cast<uint64_t>(duration / std::chrono::milliseconds(1));
}

class Query {
 public:
  void add(std::string_view name, std::string_view value) {
    text_ += fmt::format("{}{}={}", text_.empty() ? '?' : '&', name, query_encoded(value));
  }
  void add_unless_empty(std::string_view name, std::string_view value) {
    if (!value.empty()) add(name, value);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void add_moment(Query& query, const Moment& moment) {
  query.add("consistency", spelled(moment.consistency));
  if (moment.revision > 0) query.add("revision", std::to_string(moment.revision));
  query.add_unless_empty("at", moment.at);
}

uint64_t number_or_zero(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::vector<HttpHeader> condition_headers(const Condition& condition) {
  std::vector<HttpHeader> headers;
  if (!condition.if_match.empty()) headers.push_back({"If-Match", condition.if_match});
  if (!condition.if_none_match.empty()) {
    headers.push_back({"If-None-Match", condition.if_none_match});
  }
  return headers;
}

HttpRequest request_of(const char* method, std::string target) {
  return {.method = method, .target = std::move(target), .headers = {}, .body = {}};
}

HttpRequest json_request_of(const char* method, std::string target, std::string json) {
  return {.method = method,
          .target = std::move(target),
          .headers = {{"Content-Type", "application/json"}},
          .body = std::move(json)};
}

template <class T, BodyReader<T> kRead>
Change<T> change(HttpRequest&& request, Effect effect) {
  return {.request = std::move(request), .effect = effect, .judge = &changed<T, kRead>};
}

template <class T, BodyReader<T> kRead>
Look<T> look(std::string target) {
  return {.request = request_of("GET", std::move(target)), .judge = &seen<T, kRead>};
}

// Its parts stand in the header.
ReadOutcome<Value> value_in(WriteOutcome<HttpResponse> outcome) {
  HOLDFAST_ASSIGN(HttpResponse response, answered(std::move(outcome)));
  std::string_view etag = response.header("ETag");
  if (etag.starts_with('"')) etag.remove_prefix(1);
  Value value{.bytes = {},
              .create_revision = number_or_zero(response.header("Holdfast-Create-Revision")),
              .mod_revision = number_or_zero(etag),
              .version = number_or_zero(response.header("Holdfast-Version")),
              .lease = std::string(response.header("Holdfast-Lease")),
              .ttl_ms = {}};
  if (const std::string_view left = response.header("Holdfast-Ttl-Ms"); !left.empty())
    value.ttl_ms = number_or_zero(left);
  value.bytes = std::move(response.body);
  return value;
}

std::string lease_target(std::string_view id) {
  return "/v1/leases/" + path_encoded(id);
}

std::string lock_target(std::string_view name) {
  return "/v1/locks/" + path_encoded(name);
}

std::string held_lock_target(std::string_view name, uint64_t token) {
  return fmt::format("{}?token={}", lock_target(name), token);
}

}  // namespace

Change<PutAnswer> put(std::string_view key, std::string_view value, const Condition& condition,
                      const Lifetime& lifetime) {
  Query query;
  query.add_unless_empty("lease", lifetime.lease);
  if (lifetime.ttl > Duration::zero()) query.add("ttl", fmt::format("{}ms", ms_of(lifetime.ttl)));
  return change<PutAnswer, read_put_answer>({.method = "PUT",
                                             .target = "/v1/kv/" + path_encoded(key) + query.text(),
                                             .headers = condition_headers(condition),
                                             .body = std::string(value)},
                                            Effect::kNamedWrites);
}

Change<DeleteAnswer> remove(std::string_view key, const Condition& condition) {
  return change<DeleteAnswer, read_delete_answer>({.method = "DELETE",
                                                   .target = "/v1/kv/" + path_encoded(key),
                                                   .headers = condition_headers(condition),
                                                   .body = {}},
                                                  Effect::kNamedWrites);
}

Change<DeleteAnswer> remove_prefix(std::string_view prefix) {
  Query query;
  query.add("prefix", prefix);
  return change<DeleteAnswer, read_delete_answer>(request_of("DELETE", "/v1/kv" + query.text()),
                                                  Effect::kNamedWrites);
}

Change<TxnAnswer> transact(std::string json) {
  return change<TxnAnswer, read_txn_answer>(json_request_of("POST", "/v1/txn", std::move(json)),
                                            Effect::kNamedWrites);
}

Look<Value> get(std::string_view key, const Moment& moment) {
  Query query;
  add_moment(query, moment);
  return {.request = request_of("GET", "/v1/kv/" + path_encoded(key) + query.text()),
          .judge = &value_in};
}

Look<ScanPage> scan(const ScanQuery& scan) {
  Query query;
  query.add_unless_empty("prefix", scan.prefix);
  query.add_unless_empty("start", scan.start);
  query.add_unless_empty("end", scan.end);
  if (scan.limit > 0) query.add("limit", std::to_string(scan.limit));
  if (scan.is_reverse) query.add("reverse", "true");
  if (scan.is_keys_only) query.add("keys_only", "true");
  if (scan.is_count_only) query.add("count_only", "true");
  // A cursor has the moment of its first page.
  add_moment(query, scan.cursor.empty() ? scan.moment : Moment{scan.moment.consistency});
  query.add_unless_empty("cursor", scan.cursor);
  return look<ScanPage, read_scan_page>("/v1/kv" + query.text());
}

Look<KeyHistory> history(std::string_view key, const Moment& moment, uint64_t limit) {
  Query query;
  add_moment(query, moment);
  if (limit > 0) query.add("limit", std::to_string(limit));
  return look<KeyHistory, read_key_history>("/v1/history/" + path_encoded(key) + query.text());
}

Look<UsageView> usage(std::string_view prefix) {
  Query query;
  query.add_unless_empty("prefix", prefix);
  return look<UsageView, read_usage>("/v1/usage" + query.text());
}

Look<SettingsView> settings() {
  return look<SettingsView, read_settings>("/v1/cluster/settings");
}

Look<ClusterView> cluster() {
  return look<ClusterView, read_cluster_view>("/v1/cluster");
}

Change<LeaseAnswer> grant_lease(Duration ttl) {
  return change<LeaseAnswer, read_lease_answer>(
      json_request_of("POST", "/v1/leases", lease_request(ms_of(ttl))), Effect::kNamedWrites);
}

Change<LeaseAnswer> keep_lease_alive(std::string_view id) {
  return change<LeaseAnswer, read_lease_answer>(request_of("PUT", lease_target(id)),
                                                Effect::kHarmlessWrites);
}

Change<RevokeAnswer> revoke_lease(std::string_view id) {
  return change<RevokeAnswer, read_revoke_answer>(request_of("DELETE", lease_target(id)),
                                                  Effect::kNamedWrites);
}

Look<LeaseView> lease(std::string_view id, std::string_view cursor) {
  Query query;
  query.add_unless_empty("cursor", cursor);
  return look<LeaseView, read_lease_view>(lease_target(id) + query.text());
}

Look<LeasePage> leases(std::string_view cursor) {
  Query query;
  query.add_unless_empty("cursor", cursor);
  return look<LeasePage, read_lease_page>("/v1/leases" + query.text());
}

Change<LockAnswer> acquire_lock(std::string_view name, const LockQuery& query) {
  Change<LockAnswer> call = change<LockAnswer, read_lock_answer>(
      json_request_of("POST", lock_target(name),
                      lock_request(ms_of(query.ttl), ms_of(query.wait), query.owner)),
      Effect::kNamedWrites);
  call.extent = {.wait = query.wait, .ends_at_conflict = true};
  return call;
}

Change<LockAnswer> keep_lock_alive(std::string_view name, uint64_t token, Duration within) {
  Change<LockAnswer> call = change<LockAnswer, read_lock_answer>(
      request_of("PUT", held_lock_target(name, token)), Effect::kHarmlessWrites);
  call.extent = {.within = within};
  return call;
}

Change<RevokeAnswer> release_lock(std::string_view name, uint64_t token) {
  return change<RevokeAnswer, read_revoke_answer>(
      request_of("DELETE", held_lock_target(name, token)), Effect::kNamedWrites);
}

Look<LockView> lock(std::string_view name, Consistency consistency) {
  const char* const how = consistency == Consistency::kLocal ? "?consistency=local" : "";
  return look<LockView, read_lock_view>(lock_target(name) + how);
}

Change<LeaderAnswer> move_leader(const std::string& to) {
  return change<LeaderAnswer, read_leader_answer>(
      json_request_of("POST", "/v1/cluster/leader", leader_request(to)), Effect::kWrites);
}

Change<MembersAnswer> remove_member(std::string_view name) {
  return change<MembersAnswer, read_members_answer>(
      request_of("DELETE", "/v1/cluster/members/" + path_encoded(name)), Effect::kWrites);
}

Change<MembersAnswer> promote_member(std::string_view name) {
  return change<MembersAnswer, read_members_answer>(
      request_of("POST", fmt::format("/v1/cluster/members/{}/promote", path_encoded(name))),
      Effect::kWrites);
}

Look<HttpResponse> snapshot(Consistency consistency) {
  Query query;
  query.add("consistency", spelled(consistency));
  return {.request = request_of("GET", "/v1/snapshot" + query.text()), .judge = &answered};
}

Change<CompactAnswer> compact(uint64_t revision) {
  return change<CompactAnswer, read_compact_answer>(
      json_request_of("POST", "/v1/compact", compact_request(revision)), Effect::kWrites);
}

Look<FaultsView> faults() {
  return look<FaultsView, read_faults>("/v1/faults");
}

Change<FaultsView> set_faults(std::string json) {
  return change<FaultsView, read_faults>(
      {.method = "PUT", .target = "/v1/faults", .headers = {}, .body = std::move(json)},
      Effect::kHarmlessWrites);
}

Change<SettingsView> change_settings(const SettingsView& change_of) {
  return change<SettingsView, read_settings>(
      json_request_of("PATCH", "/v1/cluster/settings", settings_request(change_of)),
      Effect::kWrites);
}

}  // namespace holdfast::calls
