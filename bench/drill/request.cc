#include "bench/drill/request.h"

#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "client/answers.h"
#include "client/text_forms.h"

namespace holdfast::drill {
namespace {

using nlohmann::json;

const char* txn_word(Kind kind) {
  return kind == Kind::kPut ? "put" : kind == Kind::kDelete ? "delete" : "get";
}

std::string txn_body(const Operation& operation, const Names& names) {
  const auto list = [&](const std::vector<Act>& acts) {
    json made = json::array();
    for (const Act& act : acts) {
      json what = {{"key", names.text(act.key)}};
      if (act.kind == Kind::kPut) what["value"] = names.text(act.value);
      json one = json::object();
      one[txn_word(act.kind)] = std::move(what);
      made.push_back(std::move(one));
    }
    return made;
  };
  json compares = json::array();
  // The load asks only whether keys are there.
  for (const Compare& compare : operation.compares)
    compares.push_back({{"key", names.text(compare.key)},
                        {"target", "exists"},
                        {"op", "=="},
                        {"value", compare.revision == 1}});
  return json{{"if", compares}, {"then", list(operation.then)}, {"else", list(operation.otherwise)}}
      .dump();
}

uint64_t revision_in(std::string_view etag) {
  uint64_t revision = 0;
  if (etag.starts_with('"')) etag.remove_prefix(1);
  std::from_chars(etag.data(), etag.data() + etag.size(), revision);
  return revision;
}

void take_result(const json& result, Act& act, Names& names) {
  const json& what = result.at(txn_word(act.kind));
  if (act.kind == Kind::kPut) {
    act.found = what.at("created").get<bool>() ? Found::kAbsent : Found::kPresent;
  } else if (act.kind == Kind::kDelete) {
    act.found = what.at("deleted").get<uint64_t>() == 0 ? Found::kAbsent : Found::kPresent;
  } else {
    act.found = what.is_null() ? Found::kAbsent : Found::kPresent;
    if (what.is_null()) return;
    act.found_value = names.number_of(what.at("value").get_ref<const std::string&>());
    act.found_revision = what.at("mod_revision").get<uint64_t>();
  }
}

bool changes_anything(const std::vector<Act>& acts) {
  for (const Act& act : acts) {
    if (act.kind == Kind::kPut) return true;
    if (act.kind == Kind::kDelete && act.found == Found::kPresent) return true;
  }
  return false;
}

void take_txn(const std::string& body, Operation& operation, Names& names) {
  const json answer = json::parse(body);
  operation.branch = answer.at("succeeded").get<bool>() ? Branch::kThen : Branch::kElse;
  std::vector<Act>& acts = operation.branch == Branch::kThen ? operation.then : operation.otherwise;
  for (size_t i = 0; i < acts.size(); ++i) take_result(answer.at("results").at(i), acts[i], names);
  if (changes_anything(acts)) operation.revision = answer.at("revision").get<uint64_t>();
}

void take_success(const HttpResponse& answer, Operation& operation, Names& names) {
  operation.branch = Branch::kThen;
  if (operation.kind == Kind::kTxn) return take_txn(answer.body, operation, names);
  Act& act = operation.then.front();
  if (act.kind == Kind::kGet) {
    act.found = Found::kPresent;
    act.found_value = names.number_of(answer.body);
    act.found_revision = revision_in(answer.header("ETag"));
  } else if (act.kind == Kind::kPut) {
    act.found = answer.status == 201 ? Found::kAbsent : Found::kPresent;
    operation.revision = revision_in(answer.header("ETag"));
  } else {
    const json said = json::parse(answer.body);
    const bool was_there = said.at("deleted").get<uint64_t>() > 0;
    act.found = was_there ? Found::kPresent : Found::kAbsent;
    if (was_there) operation.revision = said.at("revision").get<uint64_t>();
  }
}

// 412: what was there instead is in the ETag.
void take_unmet(const HttpResponse& answer, Operation& operation) {
  operation.branch = Branch::kElse;
  Act& look = operation.otherwise.front();
  look.found_revision = revision_in(answer.header("ETag"));
  look.found = look.found_revision == 0 ? Found::kAbsent : Found::kPresent;
}

}  // namespace

HttpRequest request_for(const Operation& operation, const Names& names, Duration patience) {
  // The node's own answer comes before we stop listening.
  const auto at_node = patience * 9 / 10 / std::chrono::milliseconds(1);
  HttpRequest request;
  if (operation.kind == Kind::kTxn) {
    request.method = "POST";
    request.target = fmt::format("/v1/txn?timeout={}ms", at_node);
    request.headers.push_back({"Content-Type", "application/json"});
    request.body = txn_body(operation, names);
    return request;
  }
  const Act& act = operation.then.front();
  request.method = act.kind == Kind::kPut ? "PUT" : act.kind == Kind::kDelete ? "DELETE" : "GET";
  request.target =
      fmt::format("/v1/kv/{}?timeout={}ms", path_encoded(names.text(act.key)), at_node);
  if (operation.is_local_read()) request.target += "&consistency=local";
  if (act.kind == Kind::kPut) request.body = names.text(act.value);
  for (const Compare& compare : operation.compares) {
    if (compare.target == Compare::Target::kRevision)
      request.headers.push_back({"If-Match", fmt::format("\"{}\"", compare.revision)});
    else
      request.headers.push_back({"If-None-Match", "*"});
  }
  return request;
}

void take_answer(const std::expected<HttpResponse, NoAnswer>& answer, Operation& operation,
                 Names& names) {
  operation.outcome = Outcome::kUnknown;
  if (!answer) {
    if (answer.error().delivery == Delivery::kNotServed) operation.outcome = Outcome::kRefused;
    return;
  }
  const bool is_success = answer->status >= 200 && answer->status < 300;
  const bool is_absent = answer->status == 404 && operation.kind == Kind::kGet;
  const bool is_unmet = answer->status == 412 && !operation.otherwise.empty();
  if (!is_success && !is_absent && !is_unmet) {
    const bool is_certain = read_problem(answer->body).is_not_applied;
    if (is_certain) operation.outcome = Outcome::kRefused;
    return;
  }
  Operation told = operation;
  try {
    if (is_absent) {
      told.branch = Branch::kThen;
      told.then.front().found = Found::kAbsent;
    } else if (is_success) {
      take_success(*answer, told, names);
    } else {
      take_unmet(*answer, told);
    }
  } catch (const json::exception&) {
    // An answer that cannot be read tells nothing.
    return;
  }
  told.outcome = Outcome::kOk;
  operation = std::move(told);
}

}  // namespace holdfast::drill
