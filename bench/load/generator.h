#pragma once

// A load as a whole: its connections, its threads, the keys that must be there, and its runs.

#include <memory>
#include <optional>
#include <vector>

#include "bench/load/dialect.h"
#include "bench/load/key_space.h"
#include "bench/load/load_loop.h"
#include "bench/load/run_result.h"
#include "bench/load/watchers.h"
#include "bench/load/workload.h"

namespace holdfast::load {

class Generator {
 public:
  // Both outlive it. The settings have been checked.
  Generator(const Settings& settings, const Clock& clock);
  ~Generator();

  // Opens all connections. kUnavailable where one cannot be opened.
  Result<> connect();
  // Stores every key, if the settings say so, with many requests under way whatever they say. Fails
  // where a thousand puts did.
  Result<> preload();
  // One run, until it has been measured. None: in a closed loop.
  RunResult run(std::optional<double> rate);

 private:
  void run_threads(const Window& window, std::vector<Driver>& drivers, std::vector<Tally>& tallies);

  const Settings& settings_;
  const Clock& clock_;
  const std::unique_ptr<Dialect> dialect_;
  KeySpace keys_;
  Random random_;
  std::vector<std::unique_ptr<LoadLoop>> loops_;
  std::unique_ptr<Watchers> watchers_;
};

}  // namespace holdfast::load
