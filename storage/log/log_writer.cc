#include "storage/log/log_writer.h"

#include <chrono>
#include <utility>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/base/thread_name.h"

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
      file_thread_([this] { tend_files(); }),
      log_thread_([this] { run(); }) {}

LogWriter::~LogWriter() {
  orders_.close();
  log_thread_.join();
  file_work_.close();
  file_thread_.join();
}

void LogWriter::submit(LogWrite write) {
  orders_.put(std::move(write));
}

void LogWriter::submit(LoadOrder order) {
  orders_.put(order);
}

void LogWriter::be_thrifty(bool thrifty) {
  orders_.put(Thrift{thrifty});
}

void LogWriter::remove(std::vector<std::string> files) {
  file_work_.put({.remove = std::move(files)});
}

void LogWriter::run() {
  name_this_thread("log");
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
    if (const Thrift* const thrift = std::get_if<Thrift>(&order)) {
      log_->be_thrifty(thrift->thrifty);
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
    if (!entries && entries.error().code == ErrorCode::kNotFound) {
      entries = std::vector<EntryPtr>();
    } else if (!entries) {
      if (entries.error().code == ErrorCode::kCorrupt && answers_.damaged)
        answers_.damaged(entries.error().message);
      fatal(
          fmt::format("entries of the log could not be read back: {}. Check the disk, then "
                      "start this process again",
                      entries.error().message));
    }
    answers_.loaded(load.destination, std::move(*entries));
  }
  loads_.clear();
  if (std::vector<std::string> files = log_->let_go(); !files.empty())
    file_work_.put({.remove = std::move(files)});
  if (log_->wants_spare() && spare_asked_in_ != log_->segment()) {
    spare_asked_in_ = log_->segment();
    file_work_.put({.remove = {}, .make_spare = true});
  }
}

// No promise hangs on either: without a spare the log thread makes the segment, and files that stay
// are found and let go again after a restart.
void LogWriter::tend_files() {
  name_this_thread("log-files");
  std::vector<FileWork> wanted;
  while (file_work_.drain(wanted)) {
    bool make_spare = false;
    for (const FileWork& work : wanted) {
      make_spare |= work.make_spare;
      if (const Result<> removed = log_->remove(work.remove); !removed)
        log_warning("old log files could not be removed: {}", removed.error().message);
    }
    wanted.clear();
    if (!make_spare) continue;
    if (const Result<> made = log_->prepare_spare(); !made)
      log_warning("no log file could be made ahead: {}", made.error().message);
  }
}

}  // namespace holdfast
