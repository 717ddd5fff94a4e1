#pragma once

// What may end a key's life beside a delete: the end of a lease that it is bound to, or a time of
// its own (`ttl=`). One number, in memory, on disk and in the row's hash.

#include <cstdint>

#include "storage/base/check.h"
#include "storage/base/ids.h"

namespace holdfast {

using LeaseId = Strong<struct LeaseIdTag>;  // 63 random bits, drawn by who proposes it; 0: none

// What clients may ask for, for a lease as for a key: a second to a year.
inline constexpr uint64_t kTtlMsMin = 1'000;
inline constexpr uint64_t kTtlMsMax = uint64_t{366} * 24 * 3600 * 1000;

inline constexpr uint64_t kLeaseIdMax = (uint64_t{1} << 63) - 1;
constexpr bool is_lease_id(LeaseId id) {
  return id && id.value <= kLeaseIdMax;
}

class Bond {
 public:
  constexpr Bond() = default;  // none: the key stays until it is deleted
  static Bond to(LeaseId lease) {
    CHECK(is_lease_id(lease), "lease {:x}", lease.value);
    return Bond(lease.value);
  }
  // `cluster_ms`: on the cluster's clock.
  static Bond until(uint64_t cluster_ms) {
    CHECK(cluster_ms < kDeadlineBit, "{}", cluster_ms);
    return Bond(cluster_ms | kDeadlineBit);
  }
  static constexpr Bond of_bits(uint64_t bits) { return Bond(bits); }

  constexpr bool is_lease() const { return bits_ != 0 && (bits_ & kDeadlineBit) == 0; }
  constexpr bool is_deadline() const { return (bits_ & kDeadlineBit) != 0; }
  constexpr LeaseId lease() const { return {is_lease() ? bits_ : 0}; }      // none: 0
  constexpr uint64_t deadline_ms() const { return bits_ & ~kDeadlineBit; }  // is_deadline() only
  constexpr uint64_t bits() const { return bits_; }
  constexpr explicit operator bool() const { return bits_ != 0; }
  friend constexpr bool operator==(Bond, Bond) = default;

 private:
  static constexpr uint64_t kDeadlineBit = uint64_t{1} << 63;
  explicit constexpr Bond(uint64_t bits) : bits_(bits) {}

  uint64_t bits_ = 0;
};

}  // namespace holdfast
