#pragma once

// Stores many records over many connections at once, on each as many together as wait (a bulk
// stream), each record until it is acknowledged.
//
// A put that was not answered is made again: the same value under the same key, so twice is the
// same as once. Records with one key go over one connection, in the order in which they came, each
// sent when those before it are acknowledged, or again behind them. A first try that a node which
// hung carries out late is not held back by that: it can cover a later record.

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "client/cli/import_journal.h"
#include "client/cli/record.h"
#include "client/kv_client.h"

namespace holdfast::cli {

struct ImportOptions {
  KvClientOptions client;
  size_t connections = 32;
  Duration patience = std::chrono::minutes(2);  // with no acknowledgement at all before giving up
};

// Why an import ended before its end.
struct ImportFailure {
  uint64_t line;  // of the record that could not be stored
  Refusal refusal;
};

class Importer {
 public:
  explicit Importer(ImportOptions options);
  ~Importer();  // without finish(): abandons what is not sent yet

  // Waits while too much is waiting to be sent. False: the import has failed, see finish().
  bool submit(uint64_t line, Record record);

  // Waits until every record is acknowledged, or until one cannot be stored.
  std::optional<ImportFailure> finish();

  // From any thread.
  const ImportJournal& journal() const { return journal_; }
  // After finish().
  CallCounts counts() const;

 private:
  class Lane;

  bool failed() const;
  void fail_once(uint64_t line, Refusal refusal);

  const ImportOptions options_;
  SystemClock clock_;
  ImportJournal journal_;

  mutable std::mutex mutex_;
  std::optional<ImportFailure> failure_;  // the first; under the mutex

  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace holdfast::cli
