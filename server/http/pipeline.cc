#include "server/http/pipeline.h"

#include <utility>

#include "storage/base/check.h"

namespace holdfast::http {
namespace {

size_t bytes_of(const Response& response) {
  return response.body.size() + response.header_lines().size();
}

}  // namespace

void Pipeline::add(Request request, const Route& route, AnswerForm form) {
  const size_t bytes = request.body.size();
  waiting_.push_back({next_ticket(), &route, std::move(request)});
  answers_.push_back({form, route.access, false, bytes, {}});
  request_bytes_ += bytes;
}

void Pipeline::add_answered(Response response, AnswerForm form) {
  if (form.kind == AnswerForm::Kind::kInterim) ++interims_;
  answer_bytes_ += bytes_of(response);
  answers_.push_back({form, Access::kRead, true, 0, std::move(response)});
}

std::optional<Pipeline::Start> Pipeline::next() {
  if (waiting_.empty()) return std::nullopt;
  Waiting& first = waiting_.front();
  const bool is_read = first.route->access == Access::kRead;
  if ((is_read ? running_writes_ : running_reads_) > 0) return std::nullopt;
  ++(is_read ? running_reads_ : running_writes_);
  Start start{first.ticket, first.route, std::move(first.request)};
  waiting_.pop_front();
  return start;
}

void Pipeline::answer(Ticket ticket, Response response) {
  Owed& owed = at(ticket);
  CHECK(!owed.answered, "ticket {}", ticket);
  size_t& running = owed.access == Access::kRead ? running_reads_ : running_writes_;
  CHECK(running > 0, "ticket {}", ticket);
  --running;
  owed.answered = true;
  owed.response = std::move(response);
  answer_bytes_ += bytes_of(owed.response);
  request_bytes_ -= std::exchange(owed.request_bytes, 0);
}

std::optional<Pipeline::Answer> Pipeline::take() {
  if (answers_.empty() || !answers_.front().answered) return std::nullopt;
  Answer answer{answers_.front().form, std::move(answers_.front().response)};
  answers_.pop_front();
  ++first_;
  answer_bytes_ -= bytes_of(answer.response);
  if (answer.form.kind == AnswerForm::Kind::kInterim) --interims_;
  return answer;
}

void Pipeline::end() {
  if (!answers_.empty()) answers_.back().form.ending = AnswerForm::Ending::kClose;
}

}  // namespace holdfast::http
