#include "storage/base/descriptor.h"

#include <cerrno>
#include <unistd.h>

namespace holdfast {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    close();
    number_ = std::exchange(other.number_, -1);
  }
  return *this;
}

void Descriptor::close() {
  if (!is_open()) return;
  // Whoever gives up for an error tells it afterwards.
  const int error = errno;
  ::close(std::exchange(number_, -1));
  errno = error;
}

}  // namespace holdfast
