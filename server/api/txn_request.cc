#include "server/api/txn_request.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/api/answers.h"
#include "server/api/changes.h"
#include "server/api/json_body.h"
#include "server/api/json_text.h"
#include "server/api/key_range.h"
#include "server/api/lifetimes.h"
#include "server/api/scan.h"
#include "storage/base/text.h"

namespace holdfast {
namespace {

using http::Code;
using http::Problem;
using nlohmann::json;
using Relation = Compare::Relation;
using Target = Compare::Target;

constexpr std::array<std::pair<std::string_view, Relation>, 6> kRelations = {{
    {"==", Relation::kEqual},
    {"!=", Relation::kNotEqual},
    {"<", Relation::kLess},
    {"<=", Relation::kLessOrEqual},
    {">", Relation::kGreater},
    {">=", Relation::kGreaterOrEqual},
}};
constexpr std::array<std::pair<std::string_view, Target>, 6> kTargets = {{
    {"exists", Target::kExists},
    {"value", Target::kValue},
    {"version", Target::kVersion},
    {"create_revision", Target::kCreateRevision},
    {"mod_revision", Target::kModRevision},
    {"lease", Target::kLease},
}};

// Three lists, each element an operation or compare of some objects and fields: more than any that
// is well formed has.
constexpr size_t kValuesMax = 3 * 10 * kOperationsMax;
constexpr size_t kLineValuesMax = 20;  // the same of one line

// `problem`, told of the part of the body that it is about.
std::unexpected<Problem> at(std::string_view path, Problem problem) {
  problem.detail = fmt::format("{}: {}", path, problem.detail);
  return std::unexpected(std::move(problem));
}

template <class Choice, size_t kCount>
std::expected<Choice, Problem> take_choice(
    JsonFields& fields, std::string_view name,
    const std::array<std::pair<std::string_view, Choice>, kCount>& choices) {
  std::optional<std::string> text;
  HOLDFAST_ASSIGN(text, fields.take_text(name));
  std::string all;
  for (const auto& [word, choice] : choices) {
    if (text == word) return choice;
    all.append(all.empty() ? "" : ", ").append(word);
  }
  return std::unexpected(bad_field(fields.path_of(name), "it must be one of " + all));
}

std::expected<std::string, Problem> take_key(JsonFields& fields) {
  std::optional<std::string> key;
  HOLDFAST_ASSIGN(key, fields.take_bytes("key"));
  if (!key) return std::unexpected(bad_field(fields.path_of("key"), "it is missing"));
  if (auto checked = check_key(*key); !checked)
    return at(fields.path_of("key"), std::move(checked).error());
  return *std::move(key);
}

std::expected<KeyRange, Problem> take_range_of(JsonFields& fields) {
  std::array<std::string, 3> bounds;
  constexpr std::array<std::string_view, 3> kNames = {"prefix", "start", "end"};
  for (size_t i = 0; i < bounds.size(); ++i) {
    std::optional<std::string> bound;
    HOLDFAST_ASSIGN(bound, fields.take_bytes(kNames.at(i)));
    bounds.at(i) = std::move(bound).value_or("");
    if (auto checked = check_bound(kNames.at(i), bounds.at(i)); !checked)
      return at(fields.path(), std::move(checked).error());
  }
  return range_of(std::move(bounds[0]), bounds[1], std::move(bounds[2]));
}

std::expected<void, Problem> take_bond(JsonFields& fields, PutCommand& put) {
  std::optional<std::string> lease;
  std::optional<std::string> ttl;
  HOLDFAST_ASSIGN(lease, fields.take_text("lease"));
  HOLDFAST_ASSIGN(ttl, fields.take_text("ttl"));
  if (lease && ttl) {
    return std::unexpected(
        bad_field(fields.path(), "give 'lease' or 'ttl', not both: a key ends once"));
  }
  if (lease) {
    auto id = parse_lease_id(*lease);
    if (!id) return at(fields.path_of("lease"), std::move(id).error());
    put.lease = *id;
  }
  if (ttl) {
    auto ttl_ms = parse_ttl("ttl", *ttl);
    if (!ttl_ms) return at(fields.path(), std::move(ttl_ms).error());
    put.ttl_ms = *ttl_ms;
  }
  return {};
}

std::expected<Operation, Problem> put_of(JsonFields fields, size_t value_bytes_max) {
  PutCommand put;
  HOLDFAST_ASSIGN(put.key, take_key(fields));
  std::optional<std::string> value;
  HOLDFAST_ASSIGN(value, fields.take_bytes("value"));
  if (!value) return std::unexpected(bad_field(fields.path_of("value"), "it is missing"));
  if (value->size() > value_bytes_max) {
    return std::unexpected(
        Problem{.code = Code::kValueTooLarge,
                .detail = fmt::format("{}: it has {} bytes, the limit is {}",
                                      fields.path_of("value"), value->size(), value_bytes_max),
                .figures = {{"limit", value_bytes_max}}});
  }
  put.value = *std::move(value);
  HOLDFAST_TRY(take_bond(fields, put));
  HOLDFAST_ASSIGN(put.prev, fields.take_flag("prev"));
  HOLDFAST_TRY(fields.finish());
  return put;
}

std::expected<Operation, Problem> get_of(JsonFields fields) {
  GetOperation get;
  HOLDFAST_ASSIGN(get.key, take_key(fields));
  HOLDFAST_TRY(fields.finish());
  return get;
}

std::expected<Operation, Problem> delete_of(JsonFields fields, bool has_key) {
  if (has_key) {
    DeleteCommand remove;
    HOLDFAST_ASSIGN(remove.key, take_key(fields));
    HOLDFAST_ASSIGN(remove.prev, fields.take_flag("prev"));
    HOLDFAST_TRY(fields.finish());
    return remove;
  }
  KeyRange range;
  HOLDFAST_ASSIGN(range, take_range_of(fields));
  HOLDFAST_TRY(fields.finish());
  if (range.bounded) return DeleteRangeCommand{std::move(range.start), std::move(range.end)};
  return std::unexpected(bad_field(fields.path(), "give 'key', 'prefix', 'start' or 'end'"));
}

std::expected<Operation, Problem> scan_of(JsonFields fields) {
  KeyRange range;
  HOLDFAST_ASSIGN(range, take_range_of(fields));
  ScanOperation scan{.start = std::move(range.start), .end = std::move(range.end)};
  HOLDFAST_ASSIGN(scan.reverse, fields.take_flag("reverse"));
  HOLDFAST_ASSIGN(scan.keys_only, fields.take_flag("keys_only"));
  HOLDFAST_ASSIGN(scan.count_only, fields.take_flag("count_only"));
  if (scan.keys_only && scan.count_only) {
    return std::unexpected(bad_field(fields.path(), "give 'keys_only' or 'count_only', not both"));
  }
  std::optional<uint64_t> limit;
  HOLDFAST_ASSIGN(limit, fields.take_number("limit"));
  HOLDFAST_TRY(fields.finish());
  if (limit && (*limit == 0 || *limit > kPageItemsMax)) {
    return std::unexpected(
        bad_field(fields.path_of("limit"), fmt::format("it must be from 1 to {}", kPageItemsMax)));
  }
  scan.limit = limit.value_or(scan.count_only ? kRangeKeysMax : kPageItems);
  return scan;
}

std::expected<Operation, Problem> operation_of(const json& in, const std::string& path,
                                               size_t value_bytes_max) {
  if (!in.is_object() || in.size() != 1) {
    return std::unexpected(
        bad_field(path, "it must be an object with one field: put, get, delete or scan"));
  }
  const json::const_iterator field = in.begin();
  const std::string& name = field.key();
  const std::string place = path.empty() ? name : fmt::format("{}.{}", path, name);
  auto fields = JsonFields::of(*field, place);
  const bool is_known = name == "put" || name == "get" || name == "delete" || name == "scan";
  if (!is_known) {
    return std::unexpected(bad_field(place, "no such operation: there are put, get, delete, scan"));
  }
  if (!fields) return std::unexpected(std::move(fields).error());
  if (name == "put") return put_of(*std::move(fields), value_bytes_max);
  if (name == "get") return get_of(*std::move(fields));
  if (name == "scan") return scan_of(*std::move(fields));
  const bool has_key = field->contains("key") || field->contains("key_base64");
  return delete_of(*std::move(fields), has_key);
}

std::expected<void, Problem> take_operand(JsonFields& fields, Compare& compare) {
  const bool is_order =
      compare.relation != Relation::kEqual && compare.relation != Relation::kNotEqual;
  if (is_order && (compare.target == Target::kExists || compare.target == Target::kLease)) {
    return std::unexpected(
        bad_field(fields.path_of("op"), "this target knows no order, only == and !="));
  }
  std::optional<std::string> text;
  switch (compare.target) {
    case Target::kExists: {
      const json* const value = fields.take("value");
      if (value == nullptr || !value->is_boolean())
        return std::unexpected(bad_field(fields.path_of("value"), "it must be true or false"));
      compare.number = value->get<bool>() ? 1 : 0;
      return {};
    }
    case Target::kValue: {
      HOLDFAST_ASSIGN(text, fields.take_bytes("value"));
      if (!text) return std::unexpected(bad_field(fields.path_of("value"), "it is missing"));
      compare.value = *std::move(text);
      return {};
    }
    case Target::kLease: {
      const json* const value = fields.take("value");
      if (value != nullptr && value->is_null()) return {};
      HOLDFAST_ASSIGN(text, fields.take_text("value"));
      auto id = parse_lease_id(text.value_or(""));
      if (!id) return at(fields.path_of("value"), std::move(id).error());
      compare.number = id->value;
      return {};
    }
    case Target::kVersion:
    case Target::kCreateRevision:
    case Target::kModRevision: {
      std::optional<uint64_t> number;
      HOLDFAST_ASSIGN(number, fields.take_number("value"));
      if (!number) return std::unexpected(bad_field(fields.path_of("value"), "it is missing"));
      compare.number = *number;
      return {};
    }
  }
  return {};
}

std::expected<Compare, Problem> compare_of(const json& in, const std::string& path) {
  auto fields = JsonFields::of(in, path);
  if (!fields) return std::unexpected(std::move(fields).error());
  Compare compare;
  HOLDFAST_ASSIGN(compare.key, take_key(*fields));
  HOLDFAST_ASSIGN(compare.target, take_choice(*fields, "target", kTargets));
  HOLDFAST_ASSIGN(compare.relation, take_choice(*fields, "op", kRelations));
  HOLDFAST_TRY(take_operand(*fields, compare));
  HOLDFAST_TRY(fields->finish());
  return compare;
}

// Null: there is none, which is an empty one.
std::expected<const json*, Problem> take_list(JsonFields& body, std::string_view name) {
  const json* const list = body.take(name);
  if (list == nullptr) return nullptr;
  if (!list->is_array()) return std::unexpected(bad_field(body.path_of(name), "it must be a list"));
  if (list->size() <= kOperationsMax) return list;
  return std::unexpected(
      bad_field(body.path_of(name),
                fmt::format("it has {} elements, the limit is {}", list->size(), kOperationsMax)));
}

std::expected<std::vector<Operation>, Problem> operations_of(JsonFields& body,
                                                             std::string_view name,
                                                             size_t value_bytes_max) {
  const json* list = nullptr;
  HOLDFAST_ASSIGN(list, take_list(body, name));
  std::vector<Operation> operations;
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    HOLDFAST_ASSIGN(operations.emplace_back(),
                    operation_of((*list)[i], fmt::format("{}[{}]", name, i), value_bytes_max));
  }
  return operations;
}

}  // namespace

std::expected<TransactionCommand, Problem> parse_transaction(std::string_view body,
                                                             size_t value_bytes_max) {
  auto parsed = parse_json(body, kValuesMax);
  if (!parsed) return std::unexpected(std::move(parsed).error());
  auto fields = JsonFields::of(*parsed, "");
  if (!fields) return std::unexpected(std::move(fields).error());
  TransactionCommand transaction;
  const json* compares = nullptr;
  HOLDFAST_ASSIGN(compares, take_list(*fields, "if"));
  for (size_t i = 0; compares != nullptr && i < compares->size(); ++i) {
    HOLDFAST_ASSIGN(transaction.compares.emplace_back(),
                    compare_of((*compares)[i], fmt::format("if[{}]", i)));
  }
  HOLDFAST_ASSIGN(transaction.then, operations_of(*fields, "then", value_bytes_max));
  HOLDFAST_ASSIGN(transaction.otherwise, operations_of(*fields, "else", value_bytes_max));
  HOLDFAST_TRY(fields->finish());
  return transaction;
}

namespace {

constexpr std::string_view kSpaces = " \t\r";

bool skip(std::string_view& text, std::string_view token) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
  if (!text.starts_with(token)) return false;
  text.remove_prefix(token.size());
  return true;
}

// A string that stands for itself.
std::optional<std::string_view> take_plain(std::string_view& text) {
  if (!skip(text, "\"")) return std::nullopt;
  const std::string_view plain = text.substr(0, text.find('"'));
  if (plain.size() == text.size()) return std::nullopt;
  const bool stands = std::ranges::all_of(
      plain, [](char c) { return c != '\\' && static_cast<unsigned char>(c) >= ' '; });
  if (!stands || !is_utf8(plain)) return std::nullopt;
  text.remove_prefix(plain.size() + 1);
  return plain;
}

// The commonest line, a put of a key and a value that stand for themselves. A tree of its JSON
// would be most of what it costs this node. Nothing: it is another one, or wrong.
std::optional<PutCommand> plain_put_of(std::string_view line, size_t value_bytes_max) {
  if (!skip(line, "{") || !skip(line, "\"put\"") || !skip(line, ":") || !skip(line, "{") ||
      !skip(line, "\"key\"") || !skip(line, ":"))
    return std::nullopt;
  const std::optional<std::string_view> key = take_plain(line);
  if (!key || !skip(line, ",") || !skip(line, "\"value\"") || !skip(line, ":")) return std::nullopt;
  const std::optional<std::string_view> value = take_plain(line);
  if (!value || !skip(line, "}") || !skip(line, "}")) return std::nullopt;
  if (line.find_first_not_of(kSpaces) != std::string_view::npos) return std::nullopt;
  if (!check_key(*key) || value->size() > value_bytes_max) return std::nullopt;
  PutCommand put;
  put.key = *key;
  put.value = *value;
  return put;
}

std::expected<BulkLine, Problem> line_of(std::string_view line, size_t value_bytes_max) {
  auto parsed = parse_json(line, kLineValuesMax);
  if (!parsed) return std::unexpected(std::move(parsed).error());
  if (!parsed->is_object()) return std::unexpected(bad_field("", "it must be a JSON object"));
  std::optional<std::string> key;
  if (const auto named = parsed->find("idempotency_key"); named != parsed->end()) {
    if (!named->is_string())
      return std::unexpected(bad_field("idempotency_key", "it must be text"));
    key = named->get<std::string>();
    parsed->erase(named);
  }
  BulkLine result;
  HOLDFAST_ASSIGN(result.operation, operation_of(*parsed, "", value_bytes_max));
  if (std::holds_alternative<ScanOperation>(result.operation))
    return std::unexpected(bad_field("scan", "a line is a put, a delete or a get"));
  if (!key) return result;
  if (std::holds_alternative<GetOperation>(result.operation))
    return std::unexpected(bad_field("idempotency_key", "a get changes nothing, and takes none"));
  // As text whose fields have an order, whatever that of the line.
  HOLDFAST_ASSIGN(result.once, once_of_line(*key, parsed->dump()));
  return result;
}

}  // namespace

std::expected<BulkLine, Problem> parse_bulk_line(std::string_view line, size_t value_bytes_max) {
  if (auto put = plain_put_of(line, value_bytes_max)) return BulkLine{*std::move(put), {}};
  auto result = line_of(line, value_bytes_max);
  constexpr std::string_view kBody = "the body";
  if (!result && result.error().detail.starts_with(kBody))
    result.error().detail.replace(0, kBody.size(), "the line");
  return result;
}

}  // namespace holdfast
