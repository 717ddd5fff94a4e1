#pragma once

// The log's shell: a thread that writes whatever waits as one batch, syncs once, and answers once.
// The queue is not bounded here: who submits bounds what it has submitted and not been answered
// (the consensus core, by its limits on proposals waiting and appends in flight).

#include <functional>
#include <memory>
#include <thread>
#include <variant>
#include <vector>

#include "storage/base/mailbox.h"
#include "storage/log/log_store.h"
#include "storage/log/segmented_log.h"

namespace holdfast {

class LogWriter final : public LogStore {
 public:
  // Called from the log thread, one at a time; they must not block. `persisted` answers its ticket
  // and all before it.
  struct Answers {
    std::function<void(WriteTicket last)> persisted;
    std::function<void(NodeId destination, std::vector<EntryPtr> entries)> loaded;
    // Entries that were read back are not what was written. Where this returns, the process stops.
    std::function<void(const std::string& what)> damaged = nullptr;
  };

  LogWriter(std::unique_ptr<SegmentedLog> log, Answers answers);
  // Carries out and answers what was submitted before. Nobody may submit any more.
  ~LogWriter() override;
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // From any thread; return at once. A load sees the writes submitted before it and none of the
  // cuts submitted after it.
  void submit(LogWrite write) override;
  void submit(LoadOrder order) override;
  // See SegmentedLog::be_thrifty. From any thread; returns at once.
  void be_thrifty(bool thrifty);
  // Files beside the log that are of no use any more go, in this order, behind the log's back.
  void remove(std::vector<std::string> files);

 private:
  struct Thrift {
    bool thrifty;
  };
  using Order = std::variant<LogWrite, LoadOrder, Thrift>;
  struct FileWork {
    std::vector<std::string> remove;
    bool make_spare = false;  // where there is none
  };

  void run();
  void carry_out(std::vector<Order>& orders);
  void flush();
  void tend_files();

  const std::unique_ptr<SegmentedLog> log_;
  const Answers answers_;
  BlockingMailbox<Order> orders_;
  BlockingMailbox<FileWork> file_work_;

  // Used by the log thread alone.
  std::vector<LogWrite> writes_;
  std::vector<LoadOrder> loads_;
  bool marker_due_ = false;
  uint64_t spare_asked_in_ = 0;  // the segment in which the last spare was asked for

  std::thread file_thread_;  // making a segment or removing one takes long: no write waits for it
  std::thread log_thread_;
};

}  // namespace holdfast
