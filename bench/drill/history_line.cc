// One operation as a line of JSON, and back. The grammar stands in README.md.

#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bench/drill/history.h"

namespace holdfast::drill {
namespace {

using nlohmann::json;

// Thrown within this file only: `read_line` makes a Result of it.
struct Wrong {
  std::string what;
};

[[noreturn]] void wrong(std::string what) {
  throw Wrong{std::move(what)};
}

const json& field(const json& from, const char* name) {
  const auto found = from.find(name);
  if (found == from.end()) wrong(fmt::format("'{}' is missing", name));
  return *found;
}

const std::string& text_of(const json& value, std::string_view name) {
  if (!value.is_string()) wrong(fmt::format("'{}' is no text", name));
  return value.get_ref<const std::string&>();
}

const std::string& text(const json& from, const char* name) {
  return text_of(field(from, name), name);
}

bool flag(const json& from, const char* name) {
  const json& value = field(from, name);
  if (!value.is_boolean()) wrong(fmt::format("'{}' is neither true nor false", name));
  return value.get<bool>();
}

int64_t moment(const json& from, const char* name) {
  const json& value = field(from, name);
  if (!value.is_number_integer()) wrong(fmt::format("'{}' is no number of nanoseconds", name));
  return value.get<int64_t>();
}

uint64_t number_or_zero(const json& from, const char* name) {
  const auto found = from.find(name);
  if (found == from.end()) return 0;
  if (!found->is_number_unsigned()) wrong(fmt::format("'{}' is no number", name));
  return found->get<uint64_t>();
}

template <class T>
T one_of(const json& from, const char* name,
         std::initializer_list<std::pair<std::string_view, T>> words) {
  const std::string& given = text(from, name);
  for (const auto& [word, meaning] : words) {
    if (given == word) return meaning;
  }
  wrong(fmt::format("'{}' is '{}', which has no meaning here", name, given));
}

class Reader {
 public:
  explicit Reader(Names& names) : names_(names) {}

  Operation operation(const json& line) {
    Operation made;
    made.client = names_.number_of(text(line, "client"));
    made.node = line.contains("node") ? names_.number_of(text(line, "node")) : 0;
    made.kind = one_of<Kind>(
        line, "op",
        {{"get", Kind::kGet}, {"put", Kind::kPut}, {"delete", Kind::kDelete}, {"txn", Kind::kTxn}});
    made.outcome = one_of<Outcome>(
        line, "outcome",
        {{"ok", Outcome::kOk}, {"refused", Outcome::kRefused}, {"unknown", Outcome::kUnknown}});
    if (line.contains("level"))
      made.level = one_of<Level>(
          line, "level", {{"linearizable", Level::kLinearizable}, {"local", Level::kLocal}});
    made.start = moment(line, "start");
    // What has no answer has no end, whenever its client gave up.
    made.end = made.outcome == Outcome::kUnknown ? kOpen : moment(line, "end");
    if (made.end < made.start) wrong("it ends before it starts");
    made.revision = number_or_zero(line, "revision");
    if (made.kind == Kind::kTxn)
      transaction(line, made);
    else
      single(line, made);
    return made;
  }

 private:
  bool is_ok(const Operation& made) const { return made.outcome == Outcome::kOk; }

  void single(const json& line, Operation& made) {
    const Name key = names_.number_of(text(line, "key"));
    if (line.contains("if_revision"))
      made.compares.push_back({.key = key,
                               .target = Compare::Target::kRevision,
                               .revision = number_or_zero(line, "if_revision")});
    if (line.contains("if_absent") && flag(line, "if_absent"))
      made.compares.push_back({.key = key, .target = Compare::Target::kExists, .revision = 0});
    Act act{.kind = made.kind, .key = key};
    if (made.kind == Kind::kPut) act.value = names_.number_of(text(line, "value"));
    const bool is_met = made.compares.empty() || !is_ok(made) || flag(line, "met");
    if (is_ok(made) && is_met) answer(line, act);
    made.then.push_back(act);
    if (!made.compares.empty()) {
      Act look{.kind = Kind::kGet, .key = key};
      if (is_ok(made) && !is_met && line.contains("found")) found(line.at("found"), look);
      made.otherwise.push_back(look);
    }
    if (is_ok(made)) made.branch = is_met ? Branch::kThen : Branch::kElse;
  }

  // What a single operation that was done says in its own line.
  void answer(const json& line, Act& act) {
    if (act.kind == Kind::kGet) return found(field(line, "found"), act);
    const char* const name = act.kind == Kind::kPut ? "created" : "deleted";
    if (!line.contains(name)) return;
    const bool was_there = flag(line, name) == (act.kind == Kind::kDelete);
    act.found = was_there ? Found::kPresent : Found::kAbsent;
  }

  void found(const json& what, Act& act) {
    act.found = what.is_null() ? Found::kAbsent : Found::kPresent;
    if (what.is_null()) return;
    if (!what.is_object()) wrong("'found' is neither null nor an object");
    if (what.contains("value")) act.found_value = names_.number_of(text(what, "value"));
    act.found_revision = number_or_zero(what, "revision");
  }

  void transaction(const json& line, Operation& made) {
    for (const json& one : field(line, "if")) made.compares.push_back(compare(one));
    for (const json& one : field(line, "then")) made.then.push_back(act(one));
    if (line.contains("else"))
      for (const json& one : line.at("else")) made.otherwise.push_back(act(one));
    if (!is_ok(made)) return;
    made.branch = flag(line, "succeeded") ? Branch::kThen : Branch::kElse;
    std::vector<Act>& done = made.branch == Branch::kThen ? made.then : made.otherwise;
    const json& results = field(line, "results");
    if (!results.is_array() || results.size() != done.size())
      wrong(fmt::format("'results' are not {}, one for each operation", done.size()));
    for (size_t i = 0; i < done.size(); ++i) result(results[i], done[i]);
  }

  Compare compare(const json& one) {
    Compare made{.key = names_.number_of(text(one, "key"))};
    made.target = one_of<Compare::Target>(one, "target",
                                          {{"exists", Compare::Target::kExists},
                                           {"value", Compare::Target::kValue},
                                           {"mod_revision", Compare::Target::kRevision}});
    made.is_equal = one_of<bool>(one, "op", {{"==", true}, {"!=", false}});
    if (made.target == Compare::Target::kValue) made.value = names_.number_of(text(one, "value"));
    if (made.target == Compare::Target::kRevision) made.revision = number_or_zero(one, "value");
    if (made.target == Compare::Target::kExists) made.revision = flag(one, "value") ? 1 : 0;
    return made;
  }

  Act act(const json& one) {
    if (!one.is_object() || one.size() != 1) wrong("an operation of a 'txn' has one name");
    const std::string& word = one.begin().key();
    const json& what = one.begin().value();
    Act made{.key = names_.number_of(text(what, "key"))};
    if (word == "put") {
      made.kind = Kind::kPut;
      made.value = names_.number_of(text(what, "value"));
    } else if (word == "delete") {
      made.kind = Kind::kDelete;
    } else if (word != "get") {
      wrong(fmt::format("'{}' is none of put, get and delete", word));
    }
    return made;
  }

  void result(const json& one, Act& act) {
    const char* const word = act.kind == Kind::kPut      ? "put"
                             : act.kind == Kind::kDelete ? "delete"
                                                         : "get";
    const json& what = field(one, word);
    if (act.kind == Kind::kGet)
      found(what, act);
    else
      answer(what, act);
  }

  Names& names_;
};

const char* word_of(Outcome outcome) {
  return outcome == Outcome::kOk ? "ok" : outcome == Outcome::kRefused ? "refused" : "unknown";
}

const char* word_of(Kind kind) {
  switch (kind) {
    case Kind::kGet:
      return "get";
    case Kind::kPut:
      return "put";
    case Kind::kDelete:
      return "delete";
    case Kind::kTxn:
      return "txn";
  }
  return "";
}

json found_json(const Act& act, const Names& names) {
  if (act.found == Found::kAbsent) return nullptr;
  json made = json::object();
  if (act.found_value != 0) made["value"] = names.text(act.found_value);
  if (act.found_revision != 0) made["revision"] = act.found_revision;
  return made;
}

json result_json(const Act& act, const Names& names) {
  if (act.kind == Kind::kGet) return {{"get", found_json(act, names)}};
  json what = json::object();
  const bool is_put = act.kind == Kind::kPut;
  if (act.found != Found::kUntold)
    what[is_put ? "created" : "deleted"] = (act.found == Found::kAbsent) == is_put;
  return {{word_of(act.kind), std::move(what)}};
}

json act_json(const Act& act, const Names& names) {
  json what = {{"key", names.text(act.key)}};
  if (act.kind == Kind::kPut) what["value"] = names.text(act.value);
  return {{word_of(act.kind), std::move(what)}};
}

json compare_json(const Compare& compare, const Names& names) {
  json made = {{"key", names.text(compare.key)}, {"op", compare.is_equal ? "==" : "!="}};
  switch (compare.target) {
    case Compare::Target::kExists:
      made["target"] = "exists";
      made["value"] = compare.revision == 1;
      break;
    case Compare::Target::kValue:
      made["target"] = "value";
      made["value"] = names.text(compare.value);
      break;
    case Compare::Target::kRevision:
      made["target"] = "mod_revision";
      made["value"] = compare.revision;
      break;
  }
  return made;
}

void add_single(json& line, const Operation& operation, const Names& names) {
  const Act& act = operation.then.front();
  line["key"] = names.text(act.key);
  if (act.kind == Kind::kPut) line["value"] = names.text(act.value);
  for (const Compare& compare : operation.compares) {
    if (compare.target == Compare::Target::kRevision)
      line["if_revision"] = compare.revision;
    else
      line["if_absent"] = true;
  }
  if (operation.kind == Kind::kGet && operation.level == Level::kLocal) line["level"] = "local";
  if (operation.outcome != Outcome::kOk) return;
  const bool is_met = operation.branch == Branch::kThen;
  if (!operation.compares.empty()) line["met"] = is_met;
  if (!is_met) {
    const Act& look = operation.otherwise.front();
    if (look.found != Found::kUntold) line["found"] = found_json(look, names);
  } else if (act.kind == Kind::kGet) {
    line["found"] = found_json(act, names);
  } else if (act.found != Found::kUntold) {
    const bool is_put = act.kind == Kind::kPut;
    line[is_put ? "created" : "deleted"] = (act.found == Found::kAbsent) == is_put;
  }
}

void add_transaction(json& line, const Operation& operation, const Names& names) {
  line["if"] = json::array();
  line["then"] = json::array();
  for (const Compare& one : operation.compares) line["if"].push_back(compare_json(one, names));
  for (const Act& one : operation.then) line["then"].push_back(act_json(one, names));
  for (const Act& one : operation.otherwise) line["else"].push_back(act_json(one, names));
  if (operation.outcome != Outcome::kOk) return;
  line["succeeded"] = operation.branch == Branch::kThen;
  line["results"] = json::array();
  for (const Act& one : operation.acts(operation.branch))
    line["results"].push_back(result_json(one, names));
}

}  // namespace

std::string line_of(const Operation& operation, const Names& names) {
  json line = {{"client", names.text(operation.client)},
               {"op", word_of(operation.kind)},
               {"outcome", word_of(operation.outcome)},
               {"start", operation.start}};
  if (operation.node != 0) line["node"] = names.text(operation.node);
  if (operation.end != kOpen) line["end"] = operation.end;
  if (operation.revision != 0) line["revision"] = operation.revision;
  if (operation.kind == Kind::kTxn)
    add_transaction(line, operation, names);
  else
    add_single(line, operation, names);
  return line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<> read_line(std::string_view line, History& history) {
  const json parsed = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return fail(ErrorCode::kInvalid, "this is no JSON object");
  try {
    if (parsed.contains("about") && !parsed.contains("op"))
      history.about = text(parsed, "about");
    else
      history.operations.push_back(Reader(history.names).operation(parsed));
  } catch (const Wrong& problem) {
    return fail(ErrorCode::kInvalid, problem.what);
  }
  return {};
}

}  // namespace holdfast::drill
