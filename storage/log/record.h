#pragma once

// The bytes of the log: segment headers, batches and records, and the checksums that tie each to
// its place. Pure: no file is seen here. README.md beside this file has the grammar.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/bytes.h"
#include "storage/base/result.h"
#include "storage/log/log_entry.h"

namespace holdfast {

// The unit that a disk writes without touching its neighbours: every batch starts on a fresh one.
inline constexpr uint64_t kLogBlockBytes = 4096;

constexpr uint64_t whole_blocks(uint64_t bytes) {
  return (bytes + kLogBlockBytes - 1) / kLogBlockBytes * kLogBlockBytes;
}

// The first block of a segment file.
struct SegmentHeader {
  uint64_t salt;          // random, one for the whole log: another log's file never passes
  uint64_t number;        // counted from 1, without gaps
  uint64_t bytes;         // the file's size, fixed when it was made
  uint64_t previous_end;  // where the segment before ends; all before that place is synced
  LogPosition after;      // the end of the log when the segment was begun
};

std::string encode_segment_header(const SegmentHeader& header);  // one block
// kCorrupt: not what was written. kInvalid: written by a newer version of this program.
Result<SegmentHeader> decode_segment_header(std::string_view block);

// Where a batch lies. Its checksums start from this, so that its bytes pass nowhere else.
struct BatchPlace {
  uint64_t salt;
  uint64_t segment;
  uint64_t offset;  // in the file; a multiple of kLogBlockBytes
};

// The first bytes of a batch. A batch without records is a marker: it says only, as every batch
// does, that all before it is synced.
struct BatchHeader {
  uint32_t records;
  uint64_t body_bytes;  // of the records together
  uint64_t chain;       // the last record's checksum: names every byte of the batch

  static constexpr size_t kBytes = 32;
  uint64_t bytes_on_disk() const { return whole_blocks(kBytes + body_bytes); }
};

// Nothing: no batch was ever written at `place`, or its header is damaged.
std::optional<BatchHeader> decode_batch_header(std::string_view bytes, const BatchPlace& place);

enum class RecordType : uint8_t {
  kEntry = 1,
  kHardState = 2,  // term, and the vote in origin.node
  kCutFrom = 3,    // index, and the term of the entry before it
  kRestart = 4,    // term and index of the entry that the next one follows
};

inline constexpr size_t kRecordHeaderBytes = 72;
static_assert(kRecordHeaderBytes <= LogEntry::kOverheadBytes);

// One record, as it lies in a batch; `payload` points into the bytes that were read.
struct RecordView {
  RecordType type;
  EntryKind kind;
  Term term;
  LogIndex index;
  Origin origin;
  Stamp stamp;  // of an entry
  uint64_t payload_checksum;
  std::string_view payload;

  bool payload_intact() const { return checksum(payload) == payload_checksum; }
};

// Where reading can begin: at a record's first byte, given the checksum of the record before it.
struct RecordPlace {
  uint64_t offset;  // in the file
  uint64_t chain;
};

// Walks records. Each header is compared with its checksum, payloads are left to the caller.
class RecordReader {
 public:
  // `chain`: the checksum of the record before the first one of `records`.
  RecordReader(std::string_view records, uint64_t chain) : rest_(records), chain_(chain) {}
  // Of a whole batch, whose first record has none before it.
  RecordReader(std::string_view records, const BatchPlace& place);

  std::optional<RecordView> next();  // nothing: the end, or damage
  uint64_t chain() const { return chain_; }
  size_t bytes_left() const { return rest_.size(); }

 private:
  std::string_view rest_;
  uint64_t chain_;
};

// Puts one batch together, in memory that is used again for the next.
class BatchBuffer {
 public:
  void begin(const BatchPlace& place);
  void add(const HardState& state);
  void add_cut(LogIndex from, Term term_before);
  void add_restart(const LogPosition& after);
  RecordPlace add(const LogEntry& entry);
  // The bytes to write at the batch's place, whole blocks; valid until the next `begin`.
  std::string_view finish();

 private:
  void add_mark(RecordType type, const LogPosition& at);
  void add_header(const RecordView& record);

  BatchPlace place_{};
  uint32_t records_ = 0;
  uint64_t chain_ = 0;
  std::string bytes_;
};

}  // namespace holdfast
