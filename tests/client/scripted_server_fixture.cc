#include "tests/client/scripted_server_fixture.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "storage/base/check.h"

namespace holdfast {
namespace {

using Kind = Step::Kind;

int listen_on_loopback(uint16_t& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  socklen_t size = sizeof address;
  CHECK(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port = ntohs(address.sin_port);
  return fd;
}

// Up to the end of the header block, and of the body where `with_body`. Empty: the client left.
std::string read_request(int fd, bool with_body) {
  std::string seen;
  char block[4096];
  while (true) {
    const size_t end = seen.find("\r\n\r\n");
    if (end != std::string::npos) {
      const size_t length_at = seen.find("Content-Length: ");
      const size_t body = length_at < end ? std::stoul(seen.substr(length_at + 16)) : 0;
      if (!with_body || seen.size() >= end + 4 + body) return seen;
    }
    const ssize_t count = ::recv(fd, block, sizeof block, 0);
    if (count <= 0) return {};
    seen.append(block, static_cast<size_t>(count));
  }
}

}  // namespace

std::string http_answer(int status, const std::string& body, const std::string& headers) {
  return fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(),
                     headers, body);
}

std::string lock_answer(uint64_t token) {
  return http_answer(
      200,
      fmt::format(R"({{"name":"l","token":{},"lease":"00000000000000a1","ttl_ms":1000}})", token));
}

std::string problem_answer(int status, const std::string& code, const std::string& outcome,
                           bool retryable, const std::string& headers) {
  return http_answer(status,
                     fmt::format(R"({{"status":{},"code":"{}","outcome":"{}","retryable":{}}})",
                                 status, code, outcome, retryable),
                     headers);
}

Endpoint closed_endpoint() {
  uint16_t port = 0;
  ::close(listen_on_loopback(port));
  return {.host = "127.0.0.1", .port = port};
}

ScriptedServer::ScriptedServer(std::vector<Step> steps)
    : steps_(std::move(steps)), listener_(listen_on_loopback(port_)) {
  CHECK(::listen(listener_, 16) == 0);
  thread_ = std::thread([this] { serve(); });
}

ScriptedServer::~ScriptedServer() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

std::vector<std::string> ScriptedServer::requests() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> lines;
  for (const std::string& request : requests_)
    lines.push_back(request.substr(0, request.find(" HTTP/1.1")));
  return lines;
}

size_t ScriptedServer::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

void ScriptedServer::wait_until_closed(size_t count) {
  std::unique_lock lock(mutex_);
  CHECK(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return closed_ >= count; }));
}

void ScriptedServer::serve() {
  size_t next = 0;
  while (next < steps_.size()) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    {
      const std::lock_guard lock(mutex_);
      ++connections_;
    }
    while (next < steps_.size() && serve_one(fd, steps_[next])) ++next;
    ++next;
    ::close(fd);
    const std::lock_guard lock(mutex_);
    ++closed_;
    changed_.notify_all();
  }
}

std::vector<std::string> ScriptedServer::fields(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> values;
  for (const std::string& request : requests_) {
    const size_t at = request.find("\r\n" + name + ": ");
    const size_t begin = at + 2 + name.size() + 2;
    values.push_back(
        at == std::string::npos ? "" : request.substr(begin, request.find("\r\n", begin) - begin));
  }
  return values;
}

// What follows the beginning of a request, up to its end.
void ScriptedServer::read_rest(int fd, const std::string& request) {
  const std::string name = "\r\nContent-Length: ";
  const size_t length = std::stoul(request.substr(request.find(name) + name.size()));
  size_t left = request.find("\r\n\r\n") + 4 + length - request.size();
  std::vector<char> bytes(size_t{64} << 10);
  while (left > 0) {
    const ssize_t count = ::recv(fd, bytes.data(), std::min(bytes.size(), left), 0);
    if (count <= 0) return;
    left -= static_cast<size_t>(count);
  }
}

bool ScriptedServer::serve_one(int fd, const Step& step) {
  const bool is_early = step.kind == Kind::kRefuseEarly || step.kind == Kind::kAnswerEarly;
  const std::string request = read_request(fd, !is_early);
  if (request.empty()) return false;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
  }
  ::send(fd, step.text.data(), step.text.size(), MSG_NOSIGNAL);
  if (step.kind == Kind::kStaySilent) read_request(fd, /*with_body=*/true);
  if (step.kind == Kind::kAnswerEarly) read_rest(fd, request);
  return step.kind == Kind::kAnswer || step.kind == Kind::kAnswerEarly;
}

std::string no_leader_answer() {
  return problem_answer(503, "no_leader", "not_applied", true);
}

}  // namespace holdfast
