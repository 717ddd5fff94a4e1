#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bench/load/dialect.h"
#include "bench/load/http_answers.h"
#include "client/text_forms.h"

namespace holdfast::load {
namespace {

constexpr size_t kBodyKept = 64 << 10;
constexpr size_t kBulkBodyKept = 64 << 20;

// What a problem says; `fallback` where it says nothing.
Answer judge_problem(const nlohmann::json& problem, Answer fallback) {
  if (!problem.is_object()) return fallback;
  if (const auto code = problem.find("code"); code != problem.end() && code->is_string()) {
    fallback.code = code->get<std::string>();
  }
  if (const auto outcome = problem.find("outcome"); outcome != problem.end()) {
    fallback.fate = *outcome == "not_applied" ? Fate::kRefused : Fate::kUnknown;
  }
  return fallback;
}

// An answer that is no success: RFC 9457's body, else the status alone.
Answer judge_refusal(const RawAnswer& raw) {
  return judge_problem(nlohmann::json::parse(raw.body, nullptr, /*allow_exceptions=*/false),
                       {.fate = raw.status < 500 ? Fate::kRefused : Fate::kUnknown,
                        .code = fmt::format("http_{}", raw.status)});
}

// A line for each line that was sent, in the same order. One that says it is the last speaks for
// all behind it.
Answer judge_bulk(const Operation& operation, std::string_view body) {
  constexpr std::string_view kErrorBegin = R"({"error":)";
  Answer answer{.done = 0};
  const auto seen = [&] { return answer.done + answer.refused + answer.unknown; };
  while (!body.empty()) {
    const size_t end = std::min(body.find('\n'), body.size());
    const std::string_view line = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    if (line.empty()) continue;
    if (!line.starts_with(kErrorBegin)) {
      ++answer.done;
      continue;
    }
    const auto said = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!said.is_object()) break;
    const nlohmann::json& error = said["error"];
    const Answer judged = judge_problem(error, {.fate = Fate::kUnknown, .code = "no_code"});
    answer.code = judged.code;
    uint64_t& alike = judged.fate == Fate::kRefused ? answer.refused : answer.unknown;
    ++alike;
    const bool is_last = error.is_object() && error.value("last", false);
    if (is_last && seen() < operation.count) alike += operation.count - seen();
  }
  if (seen() == operation.count) return answer;
  return {.fate = Fate::kUnknown, .code = "lines_missing"};
}

class HoldfastDialect final : public Dialect {
 public:
  explicit HoldfastDialect(const Settings& the)
      : Dialect(the),
        behind_target_(fmt::format(" HTTP/1.1\r\nHost: {}\r\n", the.endpoints.front().authority())),
        query_(the.consistency == Consistency::kLocal ? "consistency=local" : ""),
        prefix_(path_encoded(the.key_prefix)) {}

  std::unique_ptr<AnswerReader> make_reader() const override {
    const bool is_bulk = settings().workload.name == "bulk";
    return std::make_unique<HttpAnswers>(is_bulk ? kBulkBodyKept : kBodyKept);
  }

  void ask(const Operation& operation, std::string& out) const override {
    switch (operation.kind) {
      case OpKind::kGet:
        return ask_get(operation, out);
      case OpKind::kReadModifyWrite:
        return operation.has_read ? ask_put(operation, out) : ask_get(operation, out);
      case OpKind::kPut:
      case OpKind::kInsert:
        return ask_put(operation, out);
      case OpKind::kScan:
        out += "GET /v1/kv?prefix=" + query_encoded(settings().key_prefix) +
               "&start=" + query_encoded(settings().key_prefix);
        append_number(operation.key, out);
        out += fmt::format("&limit={}{}{}{}\r\n", operation.count, query_.empty() ? "" : "&",
                           query_, behind_target_);
        return;
      case OpKind::kTxn:
        return post("/v1/txn", "application/json", transaction(operation), out);
      case OpKind::kBulk:
        return post("/v1/bulk", "application/x-ndjson", lines(operation), out);
      case OpKind::kDelivery:
        return;
    }
  }

  Answer judge(const Operation& operation, unsigned, const RawAnswer& raw) const override {
    if (raw.status == 404 && !operation.changes()) return {.fate = Fate::kMissing};
    if (raw.status == 404 && operation.kind == OpKind::kReadModifyWrite && !operation.has_read) {
      return {.fate = Fate::kMissing};
    }
    if (raw.status >= 300) return judge_refusal(raw);
    if (operation.kind == OpKind::kBulk) return judge_bulk(operation, raw.body);
    return {};
  }

 private:
  void append_number(uint64_t key, std::string& out) const {
    std::string name;
    append_key(key, name);
    out += std::string_view(name).substr(settings().key_prefix.size());
  }

  std::string key_of(uint64_t number) const {
    std::string key;
    append_key(number, key);
    return key;
  }

  void append_path(uint64_t key, std::string& out) const {
    out += "/v1/kv/";
    out += prefix_;
    append_number(key, out);
  }

  void ask_get(const Operation& operation, std::string& out) const {
    out += "GET ";
    append_path(operation.key, out);
    if (!query_.empty()) {
      out += '?';
      out += query_;
    }
    out += behind_target_;
    out += "\r\n";
  }

  void ask_put(const Operation& operation, std::string& out) const {
    out += "PUT ";
    append_path(operation.key, out);
    out += behind_target_;
    out += "Content-Length: ";
    std::array<char, 16> digits{};
    const auto end = fmt::format_to_n(digits.data(), digits.size(), "{}", operation.value_size);
    out.append(digits.data(), end.size);
    out += "\r\n\r\n";
    const size_t at = out.size();
    out += value_of(operation, operation.key);
    if (!settings().watches()) return;
    std::string stamped = out.substr(at);
    stamp_value(operation.intended, stamped);
    out.replace(at, stamped.size(), stamped);
  }

  std::string_view value_of(const Operation& operation, uint64_t key) const {
    const auto due = static_cast<uint64_t>(operation.intended.time_since_epoch().count());
    return values().piece(key + due, operation.value_size);
  }

  void post(std::string_view path, std::string_view type, const std::string& body,
            std::string& out) const {
    out += fmt::format("POST {}{}Content-Type: {}\r\nContent-Length: {}\r\n\r\n", path,
                       behind_target_, type, body.size());
    out += body;
  }

  // A compare that holds, then gets and puts by turns.
  std::string transaction(const Operation& operation) const {
    std::string body =
        fmt::format(R"({{"if":[{{"key":"{}","target":"exists","op":"==","value":true}}],"then":[)",
                    key_of(operation.key));
    for (uint32_t i = 0; i < operation.count; ++i) {
      const std::string key = key_of(operation.key_at(i));
      if (i > 0) body += ',';
      body += i % 2 == 0 ? fmt::format(R"({{"get":{{"key":"{}"}}}})", key)
                         : fmt::format(R"({{"put":{{"key":"{}","value":"{}"}}}})", key,
                                       value_of(operation, operation.key_at(i)));
    }
    return body + "]}";
  }

  std::string lines(const Operation& operation) const {
    std::string body;
    for (uint32_t i = 0; i < operation.count; ++i) {
      const uint64_t key = operation.key_at(i);
      body += R"({"put":{"key":")";
      append_key(key, body);
      body += R"(","value":")";
      body += value_of(operation, key);
      body += "\"}}\n";
    }
    return body;
  }

  const std::string behind_target_;
  const std::string query_;
  const std::string prefix_;  // of every key, as in a path
};

// Any server of static answers, whatever the key.
class StaticDialect final : public Dialect {
 public:
  explicit StaticDialect(const Settings& the)
      : Dialect(the),
        request_(
            fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", the.endpoints.front().authority())) {}

  std::unique_ptr<AnswerReader> make_reader() const override {
    return std::make_unique<HttpAnswers>(kBodyKept);
  }

  void ask(const Operation&, std::string& out) const override { out += request_; }

  Answer judge(const Operation&, unsigned, const RawAnswer& raw) const override {
    if (raw.status < 300) return {};
    return {.fate = Fate::kRefused, .code = fmt::format("http_{}", raw.status)};
  }

 private:
  const std::string request_;
};

}  // namespace

std::unique_ptr<Dialect> make_holdfast_dialect(const Settings& settings) {
  return std::make_unique<HoldfastDialect>(settings);
}

std::unique_ptr<Dialect> make_static_dialect(const Settings& settings) {
  return std::make_unique<StaticDialect>(settings);
}

}  // namespace holdfast::load
