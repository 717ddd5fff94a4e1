#include "storage/kv/revision_order.h"

#include <rocksdb/comparator.h>

#include "storage/base/codec.h"

namespace holdfast {
namespace {

using rocksdb::Slice;

class RevisionOrder final : public rocksdb::Comparator {
 public:
  RevisionOrder() : Comparator(kRevisionBytes) {}

  // Written into every file: RocksDB refuses to open them with another order.
  const char* Name() const override { return "holdfast.key_then_newest_revision"; }

  int Compare(const Slice& a, const Slice& b) const override {
    const int by_key = key_of(a).compare(key_of(b));
    return by_key != 0 ? by_key : CompareTimestamp(revision_of(b), revision_of(a));
  }

  bool Equal(const Slice& a, const Slice& b) const override { return a == b; }

  int CompareTimestamp(const Slice& a, const Slice& b) const override {
    const uint64_t left = load_fixed<uint64_t>(a.data());
    const uint64_t right = load_fixed<uint64_t>(b.data());
    return left < right ? -1 : left > right ? 1 : 0;
  }

  using Comparator::CompareWithoutTimestamp;
  int CompareWithoutTimestamp(const Slice& a, bool a_has_revision, const Slice& b,
                              bool b_has_revision) const override {
    return (a_has_revision ? key_of(a) : a).compare(b_has_revision ? key_of(b) : b);
  }

  // Shortened index keys would need a revision that no row has; whole keys are always right.
  void FindShortestSeparator(std::string*, const Slice&) const override {}
  void FindShortSuccessor(std::string*) const override {}

  bool CanKeysWithDifferentByteContentsBeEqual() const override { return false; }

 private:
  static Slice key_of(const Slice& stored) {
    return {stored.data(), stored.size() - kRevisionBytes};
  }
  static Slice revision_of(const Slice& stored) {
    return {stored.data() + stored.size() - kRevisionBytes, kRevisionBytes};
  }
};

}  // namespace

const rocksdb::Comparator* revision_order() {
  static const RevisionOrder order;
  return &order;
}

}  // namespace holdfast
