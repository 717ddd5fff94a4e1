#include "storage/base/thread_name.h"

#include <cstring>
#include <pthread.h>

#include "storage/base/check.h"

namespace holdfast {

void name_this_thread(const char* name) {
  constexpr size_t kMax = 15;
  CHECK(std::strlen(name) <= kMax, "'{}' is too long for the name of a thread", name);
  CHECK(pthread_setname_np(pthread_self(), name) == 0);
}

}  // namespace holdfast
