#include "server/drain.h"

namespace holdfast {
namespace {

constexpr Duration kAnswersPatience = std::chrono::seconds(5);
constexpr auto kHandoverLook = std::chrono::milliseconds(2);
constexpr auto kAnswersLook = std::chrono::milliseconds(20);

}  // namespace

void Drain::begin_on_signal() {
  signal_.await([this](const std::string& name) {
    seams_.tell({.kind = EventKind::kProcess,
                 .text = "stopping: " + name,
                 .fields = {{"stage", "stopping"}, {"signal", name}}});
    seams_.give_leadership_up();
    begin_when_handed_over(clock_.now() + handover_patience_);
  });
}

void Drain::begin_when_handed_over(Instant deadline) {
  if (!seams_.may_hand_over() || clock_.now() >= deadline) return begin();
  timer_.expires_after(kHandoverLook);
  timer_.async_wait([this, deadline](boost::system::error_code code) {
    if (!code) begin_when_handed_over(deadline);
  });
}

void Drain::begin() {
  seams_.refuse_connections();
  end_when_done(clock_.now() + kAnswersPatience);
}

void Drain::end_when_done(Instant deadline) {
  if (seams_.connections() == 0 || clock_.now() >= deadline) return loop_.stop();
  timer_.expires_after(kAnswersLook);
  timer_.async_wait([this, deadline](boost::system::error_code) { end_when_done(deadline); });
}

}  // namespace holdfast
