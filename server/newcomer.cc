#include "server/newcomer.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "storage/base/log.h"

namespace holdfast {

namespace net = boost::asio;

namespace {

constexpr auto kGreetAgain = std::chrono::milliseconds(200);

}  // namespace

Newcomer::Newcomer(net::io_context& loop, TcpTransport& transport, const Clock& clock,
                   Random random)
    : loop_(loop),
      transport_(transport),
      clock_(clock),
      random_(random),
      signal_(loop),
      timer_(loop) {
  signal_.await([&loop, stopping = stopping_](const std::string& /*name*/) {
    *stopping = true;
    loop.stop();
  });
}

// Asks the listed members who they are until all have answered.
Result<std::optional<Entered>> Newcomer::form(std::vector<InitialMember> members,
                                              const Hello& self) {
  if (members.empty()) members.push_back({self.name, self.peer_address});
  if (members.size() > 1)
    log_info("forming a cluster: asking {} other members", members.size() - 1);
  HOLDFAST_ASSIGN(Bootstrap bootstrap, Bootstrap::begin(std::move(members), self));
  // Answers that come when the forming has ended find nobody.
  auto forming = std::make_shared<Forming>(std::move(bootstrap), Result<>());
  greet_silent(forming);
  while (!forming->bootstrap.silent().empty() && forming->outcome && !*stopping_) loop_.run_one();
  loop_.restart();
  timer_.cancel();
  if (*stopping_) return std::nullopt;
  HOLDFAST_TRY(forming->outcome);
  return forming->bootstrap.form();
}

void Newcomer::greet_silent(const std::weak_ptr<Forming>& weak) {
  const std::shared_ptr<Forming> forming = weak.lock();
  if (!forming) return;
  for (const InitialMember& member : forming->bootstrap.silent()) {
    transport_.greet(member.peer_address, [weak, member](const Result<Hello>& hello) {
      const std::shared_ptr<Forming> still = weak.lock();
      if (still && hello && still->outcome) still->outcome = still->bootstrap.hear(member, *hello);
    });
  }
  timer_.expires_after(kGreetAgain);
  timer_.async_wait([this, weak](boost::system::error_code code) {
    if (!code && !weak.expired()) greet_silent(weak);
  });
}

Result<std::optional<Entered>> Newcomer::join(std::vector<std::string> urls,
                                              const JoinRequest& request) {
  Result<std::optional<Entered>> outcome;
  ask(std::move(urls), [&](Joiner& joiner) { outcome = joiner.ask(request); });
  if (*stopping_) return std::nullopt;
  return outcome;
}

Result<Removal> Newcomer::remove(std::vector<std::string> urls, const Departure& departure) {
  Result<Removal> outcome;
  ask(std::move(urls), [&](Joiner& joiner) { outcome = joiner.remove(departure); });
  if (*stopping_) return Removal::kStopped;
  return outcome;
}

void Newcomer::ask(std::vector<std::string> urls, const std::function<void(Joiner&)>& question) {
  std::jthread asking([&](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any stopped;
    Joiner joiner(std::move(urls), clock_, random_, [&](Duration pause) {
      std::unique_lock lock(mutex);
      stopped.wait_for(lock, stop, pause, [] { return false; });
      return !stop.stop_requested();
    });
    question(joiner);
    loop_.stop();
  });
  loop_.run();
  asking.request_stop();
  asking.join();
  loop_.restart();
}

}  // namespace holdfast
