#pragma once

// What clients did and were answered, as recorded, and its file: NDJSON, described in README.md.
// A history is a value; who records one from several threads has one for each and joins them.

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bench/drill/operation.h"
#include "storage/base/result.h"

namespace holdfast::drill {

// Each text once. The empty text has a number of its own, which is not 0.
class Names {
 public:
  Names() = default;
  Names(Names&&) noexcept = default;  // a copy's numbers would point into the other
  Names& operator=(Names&&) noexcept = default;

  Name number_of(std::string_view text);
  const std::string& text(Name name) const { return texts_[name - 1]; }
  size_t size() const { return texts_.size(); }

 private:
  std::deque<std::string> texts_;  // never moved: `numbers_` points into them
  std::unordered_map<std::string_view, Name> numbers_;
};

struct History {
  std::string about;  // what it shows; empty: not said
  Names names;
  std::vector<Operation> operations;
};

// Appends what `other` holds, in its order.
void join(History& history, const History& other);

// The line of one operation, with its end.
std::string line_of(const Operation& operation, const Names& names);
// Reads one line into `history`. kInvalid says what is wrong with it.
Result<> read_line(std::string_view line, History& history);

// kInvalid names the line.
Result<History> read_history(const std::string& file);
Result<> write_history(const History& history, const std::string& file);

}  // namespace holdfast::drill
