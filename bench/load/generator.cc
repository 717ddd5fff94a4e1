#include "bench/load/generator.h"

#include <algorithm>
#include <thread>

#include <fmt/format.h>

namespace holdfast::load {
namespace {

constexpr Duration kStartPause = std::chrono::milliseconds(20);  // until all threads are there
constexpr Duration kPreloadMost = std::chrono::hours(2);
constexpr uint32_t kPreloadUnderWay = 256;
constexpr Duration kDeliveryPatience = std::chrono::seconds(10);

Window window_from(const Settings& settings, Instant now) {
  Window window{.begin = now + kStartPause};
  window.measured_from = window.begin + settings.warmup;
  window.measured_until = window.measured_from + settings.duration;
  window.drained_until = window.measured_until + settings.timeout;
  return window;
}

}  // namespace

Generator::Generator(const Settings& settings, const Clock& clock)
    : settings_(settings),
      clock_(clock),
      dialect_(make_dialect(settings)),
      keys_(settings.keys),
      random_(settings.seed) {}

Generator::~Generator() = default;

Result<> Generator::connect() {
  for (uint32_t i = 0; i < settings_.threads; ++i) {
    loops_.push_back(std::make_unique<LoadLoop>(settings_, *dialect_, clock_, i));
    HOLDFAST_TRY(loops_.back()->connect());
  }
  if (!settings_.watches()) return {};
  watchers_ = std::make_unique<Watchers>(settings_, clock_);
  return watchers_->open();
}

Result<> Generator::preload() {
  if (!settings_.preload || settings_.product == Product::kStatic) return {};
  // Connections of its own: the load's may be few, and of little depth.
  Settings quick = settings_;
  quick.threads = 1;
  quick.depth = std::max(1U, kPreloadUnderWay / settings_.connections);
  const std::unique_ptr<Dialect> dialect = make_dialect(quick);
  LoadLoop loop(quick, *dialect, clock_, 0);
  HOLDFAST_TRY(loop.connect());
  const Instant now = clock_.now();
  const Window window{.begin = now,
                      .measured_from = now,
                      .measured_until = now + kPreloadMost,
                      .drained_until = now + kPreloadMost};
  Tally tally(kPreloadMost);
  PreloadSource source(settings_, 0, 1, random_.fork());
  Driver driver(source, tally, window, std::nullopt);
  loop.run(driver, tally, window);
  if (source.finished()) return {};
  RunResult failed(kPreloadMost);
  failed.tally = std::move(tally);
  return fail(ErrorCode::kUnavailable,
              fmt::format("the {} keys that the load needs could not be stored: {}", settings_.keys,
                          error_line(failed)));
}

RunResult Generator::run(std::optional<double> rate) {
  const Window window = window_from(settings_, clock_.now());
  RunResult result(settings_.duration);
  result.asked = rate;
  result.places = uint64_t{settings_.connections} * settings_.depth;
  std::vector<std::unique_ptr<WorkloadSource>> sources;
  std::vector<Tally> tallies(settings_.threads, Tally(settings_.duration));
  std::vector<Driver> drivers;
  drivers.reserve(settings_.threads);
  for (uint32_t i = 0; i < settings_.threads; ++i) {
    sources.push_back(std::make_unique<WorkloadSource>(settings_, keys_, random_.fork()));
    const std::optional<Pace> pace =
        rate ? std::optional(pace_of(*rate, i, settings_.threads, window.begin)) : std::nullopt;
    drivers.emplace_back(*sources.back(), tallies[i], window, pace);
  }
  Tally deliveries(settings_.duration);
  if (watchers_) watchers_->start(deliveries, window);
  run_threads(window, drivers, tallies);
  for (const Tally& tally : tallies) result.tally.add(tally);
  for (const auto& loop : loops_) result.cpu.push_back(loop->cpu());
  if (watchers_) {
    const uint64_t expected = result.tally.outcomes.ok * settings_.watchers;
    watchers_->finish(expected, kDeliveryPatience);
    result.tally.add(deliveries);
    const uint64_t came = deliveries.latency[static_cast<size_t>(OpKind::kDelivery)].count();
    result.undelivered = expected - std::min(expected, came);
    result.watcher_cpu = watchers_->cpu();
  }
  return result;
}

void Generator::run_threads(const Window& window, std::vector<Driver>& drivers,
                            std::vector<Tally>& tallies) {
  std::vector<std::jthread> threads;
  threads.reserve(loops_.size());
  for (size_t i = 0; i < loops_.size(); ++i) {
    threads.emplace_back([&, i] { loops_[i]->run(drivers[i], tallies[i], window); });
  }
}

}  // namespace holdfast::load
