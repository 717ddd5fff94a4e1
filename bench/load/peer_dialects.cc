#include <cstdlib>

#include <fmt/format.h>

#include "bench/load/dialect.h"
#include "bench/load/http_answers.h"
#include "bench/load/resp_answers.h"
#include "client/text_forms.h"

namespace holdfast::load {
namespace {

constexpr size_t kPeerBodyKept = 64 << 10;
constexpr int kWaitPatienceMs = 5'000;

// etcd's JSON gateway: keys and values in base64.
class EtcdDialect final : public Dialect {
 public:
  explicit EtcdDialect(const Settings& the)
      : Dialect(the),
        host_(the.endpoints.front().authority()),
        level_(the.consistency == Consistency::kLocal ? R"(,"serializable":true)" : "") {}

  std::unique_ptr<AnswerReader> make_reader() const override {
    return std::make_unique<HttpAnswers>(kPeerBodyKept);
  }

  void ask(const Operation& operation, std::string& out) const override {
    switch (operation.kind) {
      case OpKind::kGet:
        return post("range", get_of(operation.key), out);
      case OpKind::kReadModifyWrite:
        return operation.has_read ? post("put", put_of(operation, operation.key), out)
                                  : post("range", get_of(operation.key), out);
      case OpKind::kPut:
      case OpKind::kInsert:
        return post("put", put_of(operation, operation.key), out);
      case OpKind::kScan:
        return post(
            "range",
            fmt::format(R"({{"key":"{}","range_end":"{}","limit":{}{}}})", encoded(operation.key),
                        to_base64(behind_prefix()), operation.count, level_),
            out);
      case OpKind::kTxn:
        return post("txn", transaction(operation), out);
      case OpKind::kBulk:
      case OpKind::kDelivery:
        return;
    }
  }

  Answer judge(const Operation& operation, unsigned, const RawAnswer& raw) const override {
    if (raw.status >= 300) {
      return {.fate = raw.status < 500 ? Fate::kRefused : Fate::kUnknown,
              .code = fmt::format("http_{}", raw.status)};
    }
    const bool is_get = operation.kind == OpKind::kGet ||
                        (operation.kind == OpKind::kReadModifyWrite && !operation.has_read);
    if (is_get && raw.body.find("\"kvs\"") == std::string_view::npos) {
      return {.fate = Fate::kMissing};
    }
    return {};
  }

 private:
  std::string encoded(uint64_t number) const {
    std::string key;
    append_key(number, key);
    return to_base64(key);
  }

  // The first key behind all with the prefix.
  std::string behind_prefix() const {
    std::string end = settings().key_prefix;
    if (end.empty()) return std::string(1, '\0');
    end.back() = static_cast<char>(end.back() + 1);
    return end;
  }

  std::string get_of(uint64_t key) const {
    return fmt::format(R"({{"key":"{}"{}}})", encoded(key), level_);
  }

  std::string put_of(const Operation& operation, uint64_t key) const {
    const auto due = static_cast<uint64_t>(operation.intended.time_since_epoch().count());
    return fmt::format(R"({{"key":"{}","value":"{}"}})", encoded(key),
                       to_base64(values().piece(key + due, operation.value_size)));
  }

  std::string transaction(const Operation& operation) const {
    std::string body = fmt::format(
        R"({{"compare":[{{"key":"{}","target":"CREATE","result":"GREATER","create_revision":"0"}}],)"
        R"("success":[)",
        encoded(operation.key));
    for (uint32_t i = 0; i < operation.count; ++i) {
      const uint64_t key = operation.key_at(i);
      if (i > 0) body += ',';
      body += i % 2 == 0 ? fmt::format(R"({{"request_range":{}}})", get_of(key))
                         : fmt::format(R"({{"request_put":{}}})", put_of(operation, key));
    }
    return body + "]}";
  }

  void post(std::string_view call, const std::string& body, std::string& out) const {
    out += fmt::format("POST /v3/kv/{} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n", call,
                       host_, body.size());
    out += body;
  }

  const std::string host_;
  const std::string level_;
};

// A write is SET and WAIT, sent together: it counts once enough replicas have it.
class RedisDialect final : public Dialect {
 public:
  explicit RedisDialect(const Settings& the)
      : Dialect(the),
        wait_(
            command({"WAIT", std::to_string(the.wait_replicas), std::to_string(kWaitPatienceMs)})) {
  }

  std::unique_ptr<AnswerReader> make_reader() const override {
    return std::make_unique<RespAnswers>();
  }

  void ask(const Operation& operation, std::string& out) const override {
    std::string key;
    append_key(operation.key, key);
    if (!is_write(operation)) {
      out += command({"GET", key});
      return;
    }
    const auto due = static_cast<uint64_t>(operation.intended.time_since_epoch().count());
    out += command({"SET", key, values().piece(operation.key + due, operation.value_size)});
    if (settings().wait_replicas > 0) out += wait_;
  }

  unsigned answers_of(const Operation& operation) const override {
    return is_write(operation) && settings().wait_replicas > 0 ? 2 : 1;
  }

  Answer judge(const Operation&, unsigned number, const RawAnswer& raw) const override {
    if (raw.status == 404) return {.fate = Fate::kMissing};
    if (raw.status == 500) {
      return {.fate = Fate::kRefused, .code = std::string(raw.body.substr(0, raw.body.find(' ')))};
    }
    const bool is_wait = number == 1;
    if (is_wait &&
        std::atoi(std::string(raw.body).c_str()) < static_cast<int>(settings().wait_replicas)) {
      return {.fate = Fate::kUnknown, .code = "too_few_replicas"};
    }
    return {};
  }

 private:
  static bool is_write(const Operation& operation) {
    return operation.kind == OpKind::kReadModifyWrite ? operation.has_read : operation.changes();
  }

  static std::string command(std::initializer_list<std::string_view> words) {
    std::string text = fmt::format("*{}\r\n", words.size());
    for (const std::string_view word : words)
      text += fmt::format("${}\r\n{}\r\n", word.size(), word);
    return text;
  }

  const std::string wait_;
};

}  // namespace

std::unique_ptr<Dialect> make_etcd_dialect(const Settings& settings) {
  return std::make_unique<EtcdDialect>(settings);
}

std::unique_ptr<Dialect> make_redis_dialect(const Settings& settings) {
  return std::make_unique<RedisDialect>(settings);
}

}  // namespace holdfast::load
