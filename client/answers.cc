#include "client/answers.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "client/cluster_answers.h"
#include "client/text_forms.h"
#include "storage/base/text.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

// Fields that may be missing or null: then the value that stands for "not known".
template <class T>
T field_or(const Json& object, const char* name, T otherwise) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return otherwise;
  return found->get<T>();
}

template <class T>
std::optional<T> known_field(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return std::nullopt;
  return found->get<T>();
}

// Ids and hashes are strings, or numbers where they are small.
std::string word_field(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string bytes_field(const Json& object, const std::string& name) {
  if (const auto found = object.find(name + "_base64"); found != object.end()) {
    std::optional<std::string> bytes = from_base64(found->get<std::string>());
    // Json's own exception, so that one place reports whatever is wrong with a body.
    if (!bytes) throw std::invalid_argument(fmt::format("'{}_base64' is not base64", name));
    return *std::move(bytes);
  }
  return field_or<std::string>(object, name.c_str(), "");
}

Member member_from(const Json& json) {
  return Member{.name = word_field(json, "name"),
                .id = word_field(json, "id"),
                .role = word_field(json, "role"),
                .is_voter = field_or(json, "voter", false),
                .peer = word_field(json, "peer"),
                .client_url = word_field(json, "client_url"),
                .is_healthy = known_field<bool>(json, "healthy"),
                .match_index = known_field<uint64_t>(json, "match_index"),
                .lag_entries = known_field<uint64_t>(json, "lag_entries"),
                .last_contact_ms = known_field<uint64_t>(json, "last_contact_ms")};
}

std::vector<Member> members_from(const Json& json) {
  std::vector<Member> members;
  for (const Json& member : json.at("members")) members.push_back(member_from(member));
  return members;
}

NodeView node_from(const Json& json) {
  return NodeView{.name = word_field(json, "name"),
                  .role = word_field(json, "role"),
                  .term = field_or<uint64_t>(json, "term", 0),
                  .commit_index = field_or<uint64_t>(json, "commit_index", 0),
                  .applied_index = field_or<uint64_t>(json, "applied_index", 0),
                  .durable_index = field_or<uint64_t>(json, "durable_index", 0),
                  .revision = field_or<uint64_t>(json, "revision", 0),
                  .state_hash = word_field(json, "state_hash"),
                  .state_hash_index = field_or<uint64_t>(json, "state_hash_index", 0),
                  .fenced = word_field(json, "fenced")};
}

LeaseView lease_from(const Json& json) {
  LeaseView lease{.id = json.at("id").get<std::string>(),
                  .ttl_ms = json.at("ttl_ms").get<uint64_t>(),
                  .remaining_ms = json.at("remaining_ms").get<uint64_t>(),
                  .keys = {},
                  .next = word_field(json, "next")};
  if (const auto keys = json.find("keys"); keys != json.end())
    for (const Json& key : *keys) lease.keys.push_back(bytes_field(key, "key"));
  return lease;
}

// The one place where the JSON library's exceptions become values.
template <class T, class Read>
Result<T> read_body(std::string_view body, Read read) {
  try {
    return read(Json::parse(body));
  } catch (const std::exception& error) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("the answer is not what the API promises ({})", error.what()));
  }
}

}  // namespace

Result<PutAnswer> read_put_answer(std::string_view body) {
  return read_body<PutAnswer>(body, [](const Json& json) {
    return PutAnswer{.revision = json.at("revision").get<uint64_t>(),
                     .is_created = json.at("created").get<bool>()};
  });
}

std::string lease_request(uint64_t ttl_ms) {
  return fmt::format("{{\"ttl\":\"{}ms\"}}", ttl_ms);
}

Result<LeaseAnswer> read_lease_answer(std::string_view body) {
  return read_body<LeaseAnswer>(body, [](const Json& json) {
    return LeaseAnswer{.id = json.at("id").get<std::string>(),
                       .ttl_ms = json.at("ttl_ms").get<uint64_t>()};
  });
}

Result<RevokeAnswer> read_revoke_answer(std::string_view body) {
  return read_body<RevokeAnswer>(body, [](const Json& json) {
    return RevokeAnswer{.revision = json.at("revision").get<uint64_t>(),
                        .deleted = json.at("deleted").get<uint64_t>(),
                        .is_finished = json.at("finished").get<bool>()};
  });
}

Result<LeaseView> read_lease_view(std::string_view body) {
  return read_body<LeaseView>(body, lease_from);
}

Result<LeasePage> read_lease_page(std::string_view body) {
  return read_body<LeasePage>(body, [](const Json& json) {
    LeasePage page{.leases = {}, .next = word_field(json, "next")};
    for (const Json& lease : json.at("leases")) page.leases.push_back(lease_from(lease));
    return page;
  });
}

std::string lock_request(uint64_t ttl_ms, uint64_t wait_ms, std::string_view owner) {
  Json body = {{"ttl", fmt::format("{}ms", ttl_ms)}, {"wait", fmt::format("{}ms", wait_ms)}};
  if (is_utf8(owner)) {
    body["owner"] = owner;
  } else {
    body["owner_base64"] = to_base64(owner);
  }
  return body.dump();
}

Result<LockAnswer> read_lock_answer(std::string_view body) {
  return read_body<LockAnswer>(body, [](const Json& json) {
    return LockAnswer{.token = json.at("token").get<uint64_t>(),
                      .lease = json.at("lease").get<std::string>(),
                      .ttl_ms = json.at("ttl_ms").get<uint64_t>()};
  });
}

Result<LockView> read_lock_view(std::string_view body) {
  return read_body<LockView>(body, [](const Json& json) {
    return LockView{.name = bytes_field(json, "name"),
                    .token = json.at("token").get<uint64_t>(),
                    .lease = json.at("lease").get<std::string>(),
                    .owner = bytes_field(json, "owner"),
                    .ttl_ms = json.at("ttl_ms").get<uint64_t>(),
                    .remaining_ms = json.at("remaining_ms").get<uint64_t>()};
  });
}

std::string leader_request(const std::string& to) {
  return to.empty() ? "" : Json({{"to", to}}).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<LeaderAnswer> read_leader_answer(std::string_view body) {
  return read_body<LeaderAnswer>(body, [](const Json& json) {
    return LeaderAnswer{.leader = json.at("leader").get<std::string>(),
                        .term = json.at("term").get<uint64_t>()};
  });
}

Result<DeleteAnswer> read_delete_answer(std::string_view body) {
  return read_body<DeleteAnswer>(body, [](const Json& json) {
    return DeleteAnswer{.revision = json.at("revision").get<uint64_t>(),
                        .deleted = json.at("deleted").get<uint64_t>()};
  });
}

Result<TxnAnswer> read_txn_answer(std::string_view body) {
  return read_body<TxnAnswer>(body, [body](const Json& json) {
    return TxnAnswer{.revision = json.at("revision").get<uint64_t>(),
                     .has_succeeded = json.at("succeeded").get<bool>(),
                     .body = std::string(body)};
  });
}

Result<ScanPage> read_scan_page(std::string_view body) {
  return read_body<ScanPage>(body, [](const Json& json) {
    ScanPage page;
    page.revision = json.at("revision").get<uint64_t>();
    page.count = json.at("count").get<uint64_t>();
    page.next = word_field(json, "next");
    const auto items = json.find("items");
    if (items == json.end()) return page;
    page.items.reserve(items->size());
    for (const Json& item : *items) {
      page.items.push_back({.key = bytes_field(item, "key"),
                            .value = bytes_field(item, "value"),
                            .create_revision = field_or<uint64_t>(item, "create_revision", 0),
                            .mod_revision = field_or<uint64_t>(item, "mod_revision", 0),
                            .version = field_or<uint64_t>(item, "version", 0),
                            .lease = word_field(item, "lease"),
                            .ttl_ms = known_field<uint64_t>(item, "ttl_ms")});
    }
    return page;
  });
}

Result<ClusterView> read_cluster_view(std::string_view body) {
  return read_body<ClusterView>(body, [](const Json& json) {
    ClusterView view{.cluster_id = word_field(json, "cluster_id"),
                     .leader = word_field(json, "leader"),
                     .term = field_or<uint64_t>(json, "term", 0),
                     .has_quorum = field_or(json, "quorum", false),
                     .node = node_from(json.at("node")),
                     .members = members_from(json),
                     .warning = word_field(json, "warning")};
    return view;
  });
}

Result<MembersAnswer> read_members_answer(std::string_view body) {
  return read_body<MembersAnswer>(body, [](const Json& json) {
    return MembersAnswer{.cluster_id = word_field(json, "cluster_id"),
                         .members = members_from(json),
                         .warning = word_field(json, "warning")};
  });
}

Result<KeyHistory> read_key_history(std::string_view body) {
  return read_body<KeyHistory>(body, [](const Json& json) {
    KeyHistory history{.compact_revision = json.at("compact_revision").get<uint64_t>(),
                       .versions = {},
                       .next = field_or<uint64_t>(json, "next", 0)};
    for (const Json& version : json.at("versions")) {
      history.versions.push_back(
          {.is_delete = version.at("type").get<std::string>() == "delete",
           .mod_revision = version.at("mod_revision").get<uint64_t>(),
           .create_revision = field_or<uint64_t>(version, "create_revision", 0),
           .version = field_or<uint64_t>(version, "version", 0),
           .value = bytes_field(version, "value")});
    }
    return history;
  });
}

Result<WatchedRevision> read_watched_revision(std::string_view body) {
  return read_body<WatchedRevision>(body, [body](const Json& json) {
    WatchedRevision change{
        .revision = json.at("revision").get<uint64_t>(), .events = {}, .body = std::string(body)};
    for (const Json& event : json.at("events")) {
      change.events.push_back({.key = bytes_field(event, "key"),
                               .is_delete = event.at("type").get<std::string>() == "delete",
                               .value = bytes_field(event, "value")});
    }
    return change;
  });
}

Result<NodeEvent> read_node_event(std::string_view body) {
  return read_body<NodeEvent>(body, [body](const Json& json) {
    return NodeEvent{.time = json.at("time").get<std::string>(),
                     .node = json.at("node").get<std::string>(),
                     .term = json.at("term").get<uint64_t>(),
                     .kind = json.at("kind").get<std::string>(),
                     .level = json.at("level").get<std::string>(),
                     .text = json.at("text").get<std::string>(),
                     .body = std::string(body)};
  });
}

Result<NodeEvent> read_events_reset(std::string_view body) {
  return read_body<NodeEvent>(body, [body](const Json& json) {
    return NodeEvent{.time = json.at("time").get<std::string>(),
                     .node = json.at("node").get<std::string>(),
                     .term = json.at("term").get<uint64_t>(),
                     .kind = "reset",
                     .level = "warning",
                     .text = json.at("reason").get<std::string>(),
                     .body = std::string(body)};
  });
}

Result<UsageView> read_usage(std::string_view body) {
  return read_body<UsageView>(body, [](const Json& json) {
    return UsageView{.keys = json.at("keys").get<uint64_t>(),
                     .bytes = json.at("bytes").get<uint64_t>(),
                     .stored_bytes = json.at("stored_bytes").get<uint64_t>(),
                     .is_exact = json.at("exact").get<bool>()};
  });
}

std::string compact_request(uint64_t revision) {
  return Json({{"revision", revision}}).dump();
}

Result<CompactAnswer> read_compact_answer(std::string_view body) {
  return read_body<CompactAnswer>(body, [](const Json& json) {
    return CompactAnswer{json.at("compact_revision").get<uint64_t>()};
  });
}

std::string settings_request(const SettingsView& change) {
  Json body = Json::object();
  if (!change.keep_history.empty()) body["keep_history"] = change.keep_history;
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<SettingsView> read_settings(std::string_view body) {
  return read_body<SettingsView>(body, [](const Json& json) {
    return SettingsView{json.at("keep_history").get<std::string>()};
  });
}

Result<FaultsView> read_faults(std::string_view body) {
  return read_body<FaultsView>(body, [body](const Json& json) {
    FaultsView view{.body = std::string(body), .warning = {}, .since = {}};
    if (json.at("warning").is_null()) return view;
    view.warning = json.at("warning").get<std::string>();
    view.since = json.at("since").get<std::string>();
    return view;
  });
}

namespace {

Problem problem_in(const Json& json) {
  Problem problem;
  if (!json.is_object()) return problem;
  const auto text = [&](const char* name) {
    const auto found = json.find(name);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  problem.code = text("code");
  problem.detail = text("detail");
  problem.is_not_applied = text("outcome") == "not_applied";
  problem.is_retryable = json.value("retryable", Json()) == true;
  return problem;
}

}  // namespace

Problem read_problem(std::string_view body) {
  return problem_in(Json::parse(body, nullptr, /*allow_exceptions=*/false));
}

Result<std::optional<LineProblem>> read_bulk_line(std::string_view line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    return fail(ErrorCode::kCorrupt, "a bulk stream's answer is no JSON object");
  const auto error = json.find("error");
  if (error == json.end()) return std::nullopt;
  return LineProblem{.problem = problem_in(*error),
                     .status = error->is_object() ? error->value("status", 0U) : 0,
                     .is_last = error->is_object() && error->value("last", Json()) == true};
}

}  // namespace holdfast
