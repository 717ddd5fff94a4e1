#pragma once

// Where a state lies on disk. Directories beside each other: NAME, and once snapshots were
// installed NAME.1, NAME.2 …, of which the one with the highest number is the state. NAME.new is
// being made ready; that it gets the next number is what installs it: one rename, which a crash
// leaves done or not done. Blocking; one thread.

#include <cstdint>
#include <string>
#include <vector>

#include "storage/base/result.h"

namespace holdfast {

class StateDirectory {
 public:
  // Looks what is there. Changes nothing.
  static Result<StateDirectory> open(std::string name);

  std::string active() const { return path_of(number_); }
  // NAME itself may be missing, and is then made; one with a number never is.
  bool may_be_missing() const { return number_ == 0; }

  // Moves `source`, on the same file system, to where it can be made ready. Answers where that is.
  Result<std::string> stage(const std::string& source);
  // What was staged is the active one, durably. A failure leaves unknown which one is: the caller
  // stops the process.
  Result<> activate();
  // Removes all but the active one, which must have been found sound.
  Result<> remove_others() const;

 private:
  explicit StateDirectory(std::string name) : name_(std::move(name)) {}
  std::string path_of(uint64_t number) const;
  std::string staged() const { return name_ + ".new"; }
  Result<std::vector<uint64_t>> numbers() const;

  std::string name_;
  uint64_t number_ = 0;
};

// The directory and all in it; nothing there is no error.
Result<> remove_tree(const std::string& path);

}  // namespace holdfast
