#pragma once

// How one product is asked, and what its answers mean. Immutable: all threads share one.

#include <memory>
#include <string>

#include "bench/load/answer_reader.h"
#include "bench/load/operation.h"
#include "bench/load/workload.h"

namespace holdfast::load {

// Bytes that do not compress well, of which values are pieces.
class Values {
 public:
  explicit Values(const Settings& settings);
  // `size` bytes, at most the settings' largest. Another piece for another `number`.
  std::string_view piece(uint64_t number, uint32_t size) const;

 private:
  std::string noise_;
  uint32_t largest_;
};

class Dialect {
 public:
  explicit Dialect(const Settings& settings) : settings_(settings), values_(settings) {}
  virtual ~Dialect() = default;

  virtual std::unique_ptr<AnswerReader> make_reader() const = 0;
  // Appends the request for `operation` to what is to be sent.
  virtual void ask(const Operation& operation, std::string& out) const = 0;
  // How many answers it has.
  virtual unsigned answers_of(const Operation&) const { return 1; }
  // What the `number`-th of them says.
  virtual Answer judge(const Operation& operation, unsigned number, const RawAnswer& raw) const = 0;

 protected:
  const Settings& settings() const { return settings_; }
  const Values& values() const { return values_; }
  // The name of a key: all are of one length, so that their order is that of their numbers.
  void append_key(uint64_t number, std::string& out) const;

 private:
  const Settings& settings_;
  const Values values_;
};

// `settings` outlives it.
std::unique_ptr<Dialect> make_dialect(const Settings& settings);

std::unique_ptr<Dialect> make_holdfast_dialect(const Settings& settings);
std::unique_ptr<Dialect> make_etcd_dialect(const Settings& settings);
std::unique_ptr<Dialect> make_redis_dialect(const Settings& settings);
std::unique_ptr<Dialect> make_static_dialect(const Settings& settings);

// In each value of the workload `watch`: when it was due, so that a watcher knows how long it took.
void stamp_value(Instant intended, std::string& value);
// The stamps in `text`, which holds values as they came; bytes that can hold no stamp, or only the
// beginning of one, stay for the next time.
std::vector<Instant> take_stamps(std::string& text);

}  // namespace holdfast::load
