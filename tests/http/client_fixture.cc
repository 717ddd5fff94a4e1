// The client of http_fixture.h.

#include <algorithm>
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "storage/base/check.h"
#include "tests/http/http_fixture.h"

namespace holdfast::http {

std::string Answer::header(const std::string& name) const {
  size_t at = 0;
  while ((at = head.find("\r\n", at)) != std::string::npos) {
    at += 2;
    if (same_word(std::string_view(head).substr(at, name.size() + 2), name + ": ")) {
      const size_t begin = at + name.size() + 2;
      return head.substr(begin, head.find("\r\n", begin) - begin);
    }
  }
  return "";
}

Client::Client(uint16_t port, int receive_buffer) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
  CHECK(socket_ >= 0);
  if (receive_buffer > 0) {
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  const timeval patience{20, 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
}

std::string read_chunks(Client& client) {
  std::string body;
  while (true) {
    std::string line;
    while (!line.ends_with("\r\n")) {
      const std::string byte = client.read_some(1);
      if (byte.empty()) return "";
      line += byte;
    }
    const size_t size = std::stoul(line, nullptr, 16);
    const std::string chunk = client.read_some(size + 2);
    if (chunk.size() != size + 2 || !chunk.ends_with("\r\n")) return "";
    if (size == 0) return body;
    body.append(chunk, 0, size);
  }
}

Client::~Client() {
  close(socket_);
}

bool Client::try_send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(size));
  }
  return true;
}

void Client::send(std::string_view bytes) {
  ASSERT_TRUE(try_send(bytes)) << "the server closed the connection or reads no more";
}

void Client::end_sending() {
  shutdown(socket_, SHUT_WR);
}

void Client::reset() {
  const linger hard{1, 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close(socket_);
  socket_ = socket(AF_INET, SOCK_STREAM, 0);
}

bool Client::fill() {
  char buffer[65536];
  const ssize_t size = recv(socket_, buffer, sizeof buffer, 0);
  if (size <= 0) {
    EXPECT_FALSE(size < 0 && errno == EAGAIN) << "no answer came in time";
    was_reset_ = size < 0 && errno == ECONNRESET;
    return false;
  }
  received_.append(buffer, static_cast<size_t>(size));
  return true;
}

Answer Client::read(Method method) {
  Answer answer;
  size_t end = 0;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return answer;
  }
  answer.head = received_.substr(0, end + 2);
  received_.erase(0, end + 4);
  answer.status = std::stoi(answer.head.substr(9, 3));
  const std::string length = answer.header("Content-Length");
  if (method == Method::kHead || answer.status == 100 || length.empty()) return answer;
  const size_t size = std::stoul(length);
  while (received_.size() < size) {
    if (!fill()) return Answer{};
  }
  answer.body = received_.substr(0, size);
  received_.erase(0, size);
  return answer;
}

std::string Client::read_to_end() {
  while (fill()) {
  }
  return std::exchange(received_, {});
}

std::string Client::read_some(size_t bytes) {
  while (received_.size() < bytes && fill()) {
  }
  const size_t size = std::min(bytes, received_.size());
  std::string taken = received_.substr(0, size);
  received_.erase(0, size);
  return taken;
}

bool Client::at_end() {
  return read_to_end().empty();
}

bool Client::has_bytes_within(int milliseconds) {
  pollfd poll_for{socket_, POLLIN, 0};
  return !received_.empty() || poll(&poll_for, 1, milliseconds) > 0;
}

}  // namespace holdfast::http
