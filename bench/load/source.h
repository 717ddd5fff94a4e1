#pragma once

// Where operations come from. One for each thread, used by it alone.

#include <optional>
#include <vector>

#include "bench/load/key_space.h"
#include "bench/load/operation.h"
#include "bench/load/workload.h"
#include "storage/base/random.h"

namespace holdfast::load {

class Source {
 public:
  virtual ~Source() = default;
  // The next one, without its times; none: that was all.
  virtual std::optional<Operation> draw() = 0;
  // What became of one that was drawn. Each is told of once.
  virtual void settle(const Operation& operation, Fate fate) = 0;
};

// The workload of `settings`, without end. The same seed draws the same, as far as keys are not
// added.
class WorkloadSource final : public Source {
 public:
  WorkloadSource(const Settings& settings, KeySpace& keys, Random random);

  std::optional<Operation> draw() override;
  void settle(const Operation& operation, Fate fate) override;

 private:
  OpKind draw_kind();

  const Settings& settings_;
  KeySpace& keys_;
  Random random_;
  KeyChooser chooser_;
};

// A put of each key from `first` in steps of `step`; again, until it was stored. It ends, and
// failed() is true, when a thousand were not.
class PreloadSource final : public Source {
 public:
  PreloadSource(const Settings& settings, uint64_t first, uint64_t step, Random random);

  std::optional<Operation> draw() override;
  void settle(const Operation& operation, Fate fate) override;
  bool failed() const;
  bool finished() const;

 private:
  const Settings& settings_;
  const uint64_t step_;
  uint64_t next_;
  Random random_;
  std::vector<uint64_t> again_;
  uint64_t under_way_ = 0;
  uint64_t failures_ = 0;
};

}  // namespace holdfast::load
