#pragma once

// The owner of a file descriptor: a file, a socket, an event.

#include <utility>

namespace holdfast {

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}  // negative: none
  ~Descriptor() { close(); }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  // What was owned before is closed.
  Descriptor& operator=(Descriptor&& other) noexcept;

  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  // Leaves errno as it was.
  void close();

 private:
  int number_;
};

}  // namespace holdfast
