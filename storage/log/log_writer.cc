#include "storage/log/log_writer.h"

#include <chrono>
#include <utility>

#include "storage/base/check.h"
#include "storage/base/log.h"

namespace holdfast {
namespace {

constexpr std::chrono::milliseconds kIdleBeforeMarker{10};

// The promises that hang on this write can neither be kept nor taken back, and after a failed sync
// the system may count as written what it has dropped: trying again would prove nothing.
void must(const Result<>& outcome) {
  if (outcome) return;
  fatal(
      fmt::format("the log could not be made durable: {}. Check the disk, then start this "
                  "process again",
                  outcome.error().message));
}

}  // namespace

LogWriter::LogWriter(std::unique_ptr<SegmentedLog> log, Answers answers)
    : log_(std::move(log)),
      answers_(std::move(answers)),
      spare_thread_([this] { make_spares(); }),
      log_thread_([this] { run(); }) {}

LogWriter::~LogWriter() {
  orders_.close();
  log_thread_.join();
  spares_wanted_.close();
  spare_thread_.join();
}

void LogWriter::submit(LogWrite write) {
  orders_.put(std::move(write));
}

void LogWriter::submit(LoadOrder order) {
  orders_.put(order);
}

void LogWriter::run() {
  std::vector<Order> orders;
  for (;;) {
    const bool open =
        marker_due_ ? orders_.drain_for(orders, kIdleBeforeMarker) : orders_.drain(orders);
    if (!orders.empty()) {
      carry_out(orders);
      orders.clear();
    } else if (marker_due_) {
      must(log_->write_marker());
      marker_due_ = false;
    }
    if (!open) return;
  }
}

void LogWriter::carry_out(std::vector<Order>& orders) {
  for (Order& order : orders) {
    if (const LoadOrder* const load = std::get_if<LoadOrder>(&order)) {
      loads_.push_back(*load);
      continue;
    }
    LogWrite& write = std::get<LogWrite>(order);
    if (write.cut_from && !loads_.empty()) flush();
    writes_.push_back(std::move(write));
  }
  flush();
}

void LogWriter::flush() {
  if (!writes_.empty()) {
    must(log_->write(writes_));
    must(log_->sync());
    answers_.persisted(writes_.back().ticket);
    writes_.clear();
    marker_due_ = true;
  }
  for (const LoadOrder& load : loads_) {
    Result<std::vector<EntryPtr>> entries = log_->read(load);
    if (!entries) {
      fatal(
          fmt::format("entries of the log could not be read back: {}. Check the disk, then "
                      "start this process again",
                      entries.error().message));
    }
    answers_.loaded(load.destination, std::move(*entries));
  }
  loads_.clear();
  if (log_->wants_spare() && spare_asked_in_ != log_->segment()) {
    spare_asked_in_ = log_->segment();
    spares_wanted_.put({});
  }
}

void LogWriter::make_spares() {
  std::vector<std::monostate> wanted;
  while (spares_wanted_.drain(wanted)) {
    wanted.clear();
    // No promise hangs on it: without a spare the log thread makes the segment, and is stopped by
    // what stops this.
    if (const Result<> made = log_->prepare_spare(); !made)
      log_warning("no log file could be made ahead: {}", made.error().message);
  }
}

}  // namespace holdfast
