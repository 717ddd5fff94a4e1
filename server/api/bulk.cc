// Lines come in, are proposed without waiting for each other, and are answered in their order. A
// get is read here, behind every change before it and before any change behind it, as pipelined
// requests are. What one stream holds is bounded by the constants below: while too much waits, no
// line is begun, so the body fills and the session stops reading.

#include "server/api/bulk.h"

#include <deque>
#include <iterator>
#include <memory>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/api/changes.h"
#include "server/api/items.h"
#include "server/api/lifetimes.h"
#include "server/api/line_cutter.h"
#include "server/api/parameters.h"
#include "server/api/reads.h"
#include "server/api/txn_request.h"
#include "server/http/body_stream.h"
#include "server/http/request_body.h"
#include "storage/base/overloaded.h"

namespace holdfast {
namespace {

using http::Problem;
using http::RequestBody;

constexpr size_t kLinesMax = 4096;  // begun, or behind one that is, and not answered
constexpr size_t kBegunBytesMax = size_t{4} << 20;   // of the changes among them
constexpr size_t kAnswerBytesMax = size_t{4} << 20;  // not taken by the client
constexpr size_t kLinesOfTurn = 256;                 // then the others on this loop have their turn
constexpr size_t kPrevsMax = 4;                      // their answers may have a whole value each
constexpr size_t kGetsMax = 256;                     // read at one revision
constexpr size_t kPassedBytesMax = size_t{64} << 20;  // of a line too long, to find its end

// A largest value in base64, a largest key, and their names.
size_t line_bytes_max(size_t value_bytes_max) {
  return (value_bytes_max + kKeyBytesMax) / 3 * 4 + (size_t{16} << 10);
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r") == std::string_view::npos;
}

bool wants_prev(const Operation& operation) {
  if (const auto* put = std::get_if<PutCommand>(&operation)) return put->prev;
  const auto* remove = std::get_if<DeleteCommand>(&operation);
  return remove != nullptr && remove->prev;
}

std::string error_line(uint64_t line, const Problem& problem) {
  const http::CodeRow& row = http::row_of(problem.code);
  const http::Outcome outcome = problem.outcome.value_or(row.outcome);
  const nlohmann::json detail = problem.detail;
  std::string text = fmt::format(
      R"({{"error":{{"line":{},"status":{},"code":"{}","detail":{},"outcome":"{}","retryable":{})",
      line, row.status, row.word,
      detail.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
      outcome == http::Outcome::kNotApplied ? "not_applied" : "unknown",
      problem.retryable.value_or(row.retryable));
  for (const auto& [name, figure] : problem.figures)
    fmt::format_to(std::back_inserter(text), ",\"{}\":{}", name, figure);
  text.append("}}\n");
  return text;
}

// Behind it there is no answer.
std::string last_line(uint64_t line, Problem problem) {
  problem.detail += "; this line and all behind it were not begun";
  problem.outcome = http::Outcome::kNotApplied;
  std::string text = error_line(line, problem);
  text.insert(text.size() - 3, ",\"last\":true");
  return text;
}

struct ProposedLine {
  uint64_t line;
  bool is_put;
  bool has_prev;
  size_t bytes;
};

std::string change_line(const Services& services, const ProposedLine& change, const Reply& reply) {
  std::string text = fmt::format("{{\"revision\":{},", reply.revision.value);
  if (change.is_put) {
    fmt::format_to(std::back_inserter(text), "\"put\":{{\"created\":{}", reply.created);
  } else {
    fmt::format_to(std::back_inserter(text), "\"delete\":{{\"deleted\":{}", reply.deleted);
  }
  if (reply.wants_prev) {
    text.push_back(',');
    append_prev(text, reply.prev ? &*reply.prev : nullptr, cluster_now_ms(services));
  }
  text.append(reply.replayed ? "},\"replayed\":true}\n" : "}}\n");
  return text;
}

std::string get_line(const Services& services, std::string_view key, const std::optional<Row>& row,
                     Revision at) {
  std::string text = fmt::format("{{\"revision\":{},\"get\":", at.value);
  if (row) {
    append_item(text, key, row->info, row->value, cluster_now_ms(services));
  } else {
    text.append("null");
  }
  text.append("}\n");
  return text;
}

class Bulk final : public http::BodyStream, public std::enable_shared_from_this<Bulk> {
 public:
  Bulk(Services& services, std::shared_ptr<RequestBody> body, Duration patience)
      : services_(services),
        body_(std::move(body)),
        patience_(patience),
        lines_(line_bytes_max(services.value_bytes_max), kPassedBytesMax) {}

  static Detached run(std::shared_ptr<Bulk> self);

  Task<bool> ready() override;
  Task<Result<std::string>> next() override;

 private:
  // One of the two that wait for something here: resumed by `wake`, which may be for the other.
  struct Pause {
    std::coroutine_handle<>& place;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { place = waiter; }
    void await_resume() const noexcept {}
  };
  struct Get {
    uint64_t line;
    std::string key;
  };
  struct Slot {
    bool answered = false;
    std::string answer;
  };

  Task<bool> take_lines();  // false: something of the body was not begun
  Task<bool> work_on_lines();
  Task<bool> read_gets();
  Task<std::string> read(Get get, std::expected<Revision, Problem>& at);
  static Detached make(std::shared_ptr<Bulk> self, uint64_t slot, ProposedLine change,
                       Bytes command);
  std::expected<BulkLine, Problem> parse(const Line& line) const;
  bool has_room(const std::expected<BulkLine, Problem>& parsed) const;
  void begin(uint64_t line, std::expected<BulkLine, Problem> parsed);
  void end(bool is_whole);
  Slot& add_slot(uint64_t line);
  void answer(Slot& slot, std::string text);
  void note_held();
  void wake_later();
  void wake();

  Services& services_;
  const std::shared_ptr<RequestBody> body_;
  const Duration patience_;  // for each line
  LineCutter lines_;
  std::vector<Get> gets_;   // taken, and not begun
  uint64_t next_line_ = 1;  // the first that is not begun

  std::deque<Slot> slots_;  // of lines begun; answered ones wait for those before them
  uint64_t first_slot_ = 0;
  size_t changes_ = 0;  // proposed, and not answered
  size_t change_bytes_ = 0;
  size_t prevs_ = 0;
  std::deque<std::string> pieces_;  // answers in order, to be taken
  size_t answer_bytes_ = 0;         // of them and in slots
  bool over_ = false;               // no more slots come

  std::coroutine_handle<> worker_;
  std::coroutine_handle<> taker_;
  bool wake_comes_ = false;
};

Detached Bulk::run(std::shared_ptr<Bulk> self) {
  self->body_->set_on_drop([weak = self->weak_from_this()] {
    if (const auto bulk = weak.lock()) bulk->wake_later();
  });
  Task<bool> taking = self->take_lines();
  const bool is_whole = co_await taking;
  self->end(is_whole);
}

Task<bool> Bulk::take_lines() {
  while (true) {
    RequestBody::Waiting more = body_->wait();
    co_await more;
    std::string bytes = body_->take();
    const bool is_end = bytes.empty();
    if (is_end && body_->failure() != nullptr) co_return false;
    if (is_end) lines_.end();
    if (!is_end) lines_.add(std::move(bytes));
    Task<bool> working = work_on_lines();
    const bool goes_on = co_await working;
    if (!goes_on || is_end) co_return goes_on;
  }
}

// False: no more is begun.
Task<bool> Bulk::work_on_lines() {
  for (size_t taken = 1; std::optional<Line> line = lines_.next(); ++taken) {
    if (taken % kLinesOfTurn == 0) {
      wake_later();
      Pause turn{worker_};
      co_await turn;
    }
    if (is_blank(line->text) && !line->too_long) continue;
    std::expected<BulkLine, Problem> parsed = parse(*line);
    const bool is_get = parsed && std::holds_alternative<GetOperation>(parsed->operation);
    if (is_get)
      gets_.push_back({line->number, std::get<GetOperation>(std::move(parsed->operation)).key});
    if (!gets_.empty() && (!is_get || gets_.size() == kGetsMax)) {
      Task<bool> reading = read_gets();
      const bool goes_on = co_await reading;
      if (!goes_on) co_return false;
    }
    if (is_get) continue;
    while (!has_room(parsed) && !body_->is_dropped()) {
      Pause pause{worker_};
      co_await pause;
    }
    if (body_->is_dropped()) co_return false;
    begin(line->number, std::move(parsed));
  }
  if (!gets_.empty()) {
    Task<bool> reading = read_gets();
    const bool goes_on = co_await reading;
    if (!goes_on) co_return false;
  }
  note_held();
  co_return !lines_.is_lost();
}

std::expected<BulkLine, Problem> Bulk::parse(const Line& line) const {
  if (!line.too_long) return parse_bulk_line(line.text, services_.value_bytes_max);
  const size_t limit = line_bytes_max(services_.value_bytes_max);
  return std::unexpected(
      Problem{.code = http::Code::kValueTooLarge,
              .detail = fmt::format("the line has more than {} bytes: a value may have {}", limit,
                                    services_.value_bytes_max),
              .figures = {{"limit", limit}}});
}

bool Bulk::has_room(const std::expected<BulkLine, Problem>& parsed) const {
  if (slots_.size() >= kLinesMax || answer_bytes_ >= kAnswerBytesMax) return false;
  if (!parsed) return true;
  return change_bytes_ < kBegunBytesMax && (prevs_ < kPrevsMax || !wants_prev(parsed->operation));
}

void Bulk::begin(uint64_t line, std::expected<BulkLine, Problem> parsed) {
  const uint64_t place = first_slot_ + slots_.size();
  Slot& slot = add_slot(line);
  if (!parsed) return answer(slot, error_line(line, parsed.error()));
  ProposedLine change{line, std::holds_alternative<PutCommand>(parsed->operation),
                      wants_prev(parsed->operation), 0};
  Command command{.once = std::move(parsed->once)};
  std::visit(Overloaded{[&](PutCommand& put) { command.act = std::move(put); },
                        [&](DeleteCommand& remove) { command.act = std::move(remove); },
                        [&](DeleteRangeCommand& remove) { command.act = std::move(remove); },
                        [](GetOperation&) {}, [](ScanOperation&) {}},
             parsed->operation);
  if (auto room = check_room(services_, command); !room)
    return answer(slot, error_line(line, room.error()));
  Bytes encoded = encode_command(std::move(command));
  change.bytes = encoded.size();
  ++changes_;
  change_bytes_ += change.bytes;
  if (change.has_prev) ++prevs_;
  make(shared_from_this(), place, change, std::move(encoded));
}

Detached Bulk::make(std::shared_ptr<Bulk> self, uint64_t slot, ProposedLine change, Bytes command) {
  const Services& services = self->services_;
  Gate::Waiting waiting =
      services.gate->propose(std::move(command), services.clock->now() + self->patience_);
  const Gate::Outcome outcome = co_await waiting;
  --self->changes_;
  self->change_bytes_ -= change.bytes;
  if (change.has_prev) --self->prevs_;
  std::string text;
  if (!outcome) {
    text = error_line(change.line, problem_of_change(outcome.error()));
  } else if (outcome->status != ReplyStatus::kOk) {
    text = error_line(change.line, problem_of_reply(*outcome));
  } else {
    text = change_line(services, change, *outcome);
  }
  self->answer(self->slots_[slot - self->first_slot_], std::move(text));
}

// At one revision, as far as it goes: it is fixed behind all changes before them.
Task<bool> Bulk::read_gets() {
  while (changes_ > 0 && !body_->is_dropped()) {
    Pause pause{worker_};
    co_await pause;
  }
  if (body_->is_dropped()) co_return false;
  ReadOptions options;
  options.deadline = services_.clock->now() + patience_;
  Task<std::expected<Revision, Problem>> fixing = read_revision(services_, options);
  std::expected<Revision, Problem> at = co_await fixing;
  for (Get& get : gets_) {
    while (answer_bytes_ >= kAnswerBytesMax && !body_->is_dropped()) {
      Pause pause{worker_};
      co_await pause;
    }
    if (body_->is_dropped()) co_return false;
    const uint64_t line = get.line;
    Task<std::string> reading = read(std::move(get), at);
    std::string text = co_await reading;
    answer(add_slot(line), std::move(text));
  }
  gets_.clear();
  co_return true;
}

Task<std::string> Bulk::read(Get get, std::expected<Revision, Problem>& at) {
  while (at) {
    Task<std::expected<std::optional<Row>, Problem>> reading = read_row(services_, get.key, *at);
    const std::expected<std::optional<Row>, Problem> row = co_await reading;
    if (!forgotten(services_, *at)) {
      if (!row) co_return error_line(get.line, row.error());
      co_return get_line(services_, get.key, *row, *at);
    }
    if (body_->is_dropped()) co_return error_line(get.line, *body_->failure());
    ReadOptions options;
    options.deadline = services_.clock->now() + patience_;
    Task<std::expected<Revision, Problem>> fixing = read_revision(services_, options);
    at = co_await fixing;
  }
  co_return error_line(get.line, at.error());
}

void Bulk::end(bool is_whole) {
  if (!is_whole) {
    const Problem lost =
        http::bad_request(fmt::format("the line has no end within {} bytes", kPassedBytesMax));
    const Problem* const failure = body_->failure();
    const uint64_t line = next_line_;
    answer(add_slot(line), last_line(line, failure != nullptr ? *failure : lost));
  }
  over_ = true;
  wake_later();
}

Bulk::Slot& Bulk::add_slot(uint64_t line) {
  next_line_ = line + 1;
  return slots_.emplace_back();
}

void Bulk::answer(Slot& slot, std::string text) {
  answer_bytes_ += text.size();
  slot.answered = true;
  slot.answer = std::move(text);
  while (!slots_.empty() && slots_.front().answered) {
    if (pieces_.empty() || pieces_.back().size() >= http::kPieceBytes) pieces_.emplace_back();
    pieces_.back().append(slots_.front().answer);
    slots_.pop_front();
    ++first_slot_;
  }
  note_held();
  wake_later();
}

void Bulk::note_held() {
  body_->note_held(lines_.held() + change_bytes_ + answer_bytes_);
}

void Bulk::wake_later() {
  if (std::exchange(wake_comes_, true)) return;
  // Behind the turn: what it answers leaves together, and who stops the node has said so by then.
  boost::asio::post(*services_.loop, [self = shared_from_this()] { self->wake(); });
}

void Bulk::wake() {
  wake_comes_ = false;
  if (worker_) std::exchange(worker_, nullptr).resume();
  if (taker_) std::exchange(taker_, nullptr).resume();
}

Task<bool> Bulk::ready() {
  while (pieces_.empty() && !(over_ && slots_.empty())) {
    Pause pause{taker_};
    co_await pause;
  }
  co_return !pieces_.empty();
}

Task<Result<std::string>> Bulk::next() {
  if (pieces_.empty()) co_return "";
  std::string piece = std::move(pieces_.front());
  pieces_.pop_front();
  answer_bytes_ -= piece.size();
  note_held();
  wake_later();
  co_return piece;
}

}  // namespace

Task<Outcome> run_bulk(Services& services, http::Request request) {
  const Instant now = services.clock->now();
  const auto deadline = deadline_of(request, now);
  if (!deadline) co_return std::unexpected(deadline.error());
  if (request.header("Idempotency-Key")) {
    co_return std::unexpected(http::bad_request(
        "Idempotency-Key: each line is a request of its own: give it \"idempotency_key\""));
  }
  const auto bulk = std::make_shared<Bulk>(services, request.incoming, *deadline - now);
  Bulk::run(bulk);
  http::Response response(200, "application/x-ndjson", "");
  response.stream = bulk;
  co_return Answered{std::move(response), services.gate->revision()};
}

}  // namespace holdfast
