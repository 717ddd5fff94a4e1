#include "storage/base/random.h"

#include <bit>
#include <sys/random.h>

#include "storage/base/check.h"

namespace holdfast {

Random::Random(uint64_t seed) : state_{} {
  for (uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15;
    uint64_t mixed = seed;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    word = mixed ^ (mixed >> 31);
  }
}

uint64_t Random::next() {
  const uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

uint64_t Random::below(uint64_t bound) {
  CHECK(bound > 0);
  // Values under `reject` would favour the small results; they are drawn again.
  const uint64_t reject = (0 - bound) % bound;
  for (;;) {
    const uint64_t draw = next();
    if (draw >= reject) return draw % bound;
  }
}

uint64_t Random::between(uint64_t first, uint64_t last) {
  CHECK(first <= last, "{} {}", first, last);
  return last - first == UINT64_MAX ? next() : first + below(last - first + 1);
}

Duration Random::between(Duration first, Duration last) {
  return first + Duration(below(static_cast<uint64_t>((last - first).count()) + 1));
}

bool Random::chance(double probability) {
  constexpr double kUnit = 1.0 / 9007199254740992.0;  // 2^-53
  return static_cast<double>(next() >> 11) * kUnit < probability;
}

uint64_t random_from_system() {
  uint64_t value = 0;
  CHECK(getrandom(&value, sizeof value, 0) == sizeof value);
  return value;
}

}  // namespace holdfast
