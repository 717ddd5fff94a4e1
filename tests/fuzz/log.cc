// A log is written as the input says, with crashes in between, and then its files are damaged as
// the input goes on: bytes flipped, files cut, removed, exchanged, blocks copied. Whatever comes of
// it:
//
//   - opening, examining and mending end, and a look changes nothing;
//   - what is read back was written so, and is what the log held after one of its batches: nothing
//     from the middle is missing, nothing that was cut is back;
//   - a second opening finds the same, and what is written then is found too;
//   - without damage nothing is lost.

#include <gtest/gtest.h>

#include "storage/base/check.h"
#include "storage/log/damage.h"
#include "storage/log/quarantine.h"
#include "tests/fuzz/input.h"
#include "tests/log/log_fixture.h"

namespace holdfast {
namespace {

constexpr std::string_view kDirectory = "log";
constexpr int kActsMax = 32;
constexpr int kDamagesMax = 8;  // too few to forge a checksum

// The decoders alone, on bytes that nobody has sealed.
void decode_raw(std::string_view bytes) {
  (void)decode_segment_header(bytes);
  const BatchPlace place{.salt = kSmall.salt, .segment = 1, .offset = kLogBlockBytes};
  (void)decode_batch_header(bytes, place);
  RecordReader records(bytes, place);
  while (const std::optional<RecordView> record = records.next()) (void)record->payload_intact();
}

class LogStory {
 public:
  explicit LogStory(FuzzInput& input) : input_(input), fs_(input.take<uint16_t>()) { reopen(); }

  void live() {
    for (int acts = 0; acts < kActsMax && !input_.empty() && act(); ++acts) {
    }
    log_.reset();
    check_undamaged();
  }

  void damage() {
    for (int acts = 0; acts < kDamagesMax && !input_.empty() && !segments().empty(); ++acts)
      damage_once();
  }

  void judge();

 private:
  LogContent& newest() { return states_.back(); }

  // False: the life of the undamaged log is over.
  bool act() {
    switch (input_.take<uint8_t>() % 12) {
      case 0:
      case 1:
        return keep(appending());
      case 2:
        return keep(voting());
      case 3:
        return keep(cutting());
      case 4:
        return keep(restarting());
      case 5:
        return log_->write_marker().has_value();
      case 6:
        return let_go();
      case 7:
        return log_->prepare_spare().has_value();
      case 8:
        return crash_within(appending());
      case 9:
        return crash_within(cutting());
      case 10:
        reopen();
        return true;
      default:
        return false;
    }
  }

  LogWrite appending() {
    LogWrite write{};
    const uint64_t first = newest().last().value + 1;
    term_ += input_.below(2);
    for (uint64_t i = 0; i <= input_.below(3); ++i)
      write.append.push_back(make_entry(first + i, term_, payload_bytes()));
    return write;
  }
  // Mostly small, and now and then more than a block, or near a segment.
  size_t payload_bytes() {
    const auto draw = input_.take<uint8_t>();
    return draw < 16 ? draw * size_t{1'000} : draw;
  }
  LogWrite voting() {
    LogWrite write{};
    write.hard_state = HardState{{term_ += input_.below(3)}, {input_.below(4)}};
    return write;
  }
  LogWrite cutting() {
    LogWrite write = appending();
    const uint64_t first = newest().before.index.value + 1;
    const uint64_t held = newest().entries.size();
    write.cut_from = LogIndex{first + input_.below(held + 1)};
    uint64_t index = write.cut_from->value;
    for (EntryPtr& entry : write.append) entry = make_entry(index++, term_, 50);
    return write;
  }
  LogWrite restarting() {
    LogWrite write{};
    write.restart_after = LogPosition{{term_}, {newest().last().value + input_.below(4)}};
    return write;
  }

  void write(const LogWrite& write) {
    CHECK(log_->write(std::span(&write, 1)).has_value());
    states_.push_back(newest());
    newest().apply(write);
  }
  bool keep(const LogWrite& kept) {
    write(kept);
    return log_->sync().has_value();
  }

  bool let_go() {
    LogWrite write{};
    write.drop_before = {newest().before.index.value + input_.below(8)};
    CHECK(log_->write(std::span(&write, 1)).has_value());
    CHECK(log_->remove(log_->let_go()).has_value());
    reopen();
    return true;
  }

  // The power fails before the sync: the batch is there or it is not.
  bool crash_within(const LogWrite& lost) {
    write(lost);
    log_.reset();
    fs_.crash();
    const LogContent found = open_log();
    if (!is_rest_of(found, newest())) states_.pop_back();
    CHECK(is_rest_of(found, newest()), "a crash has changed what was synced: {}, it was {}",
          testing::PrintToString(found), testing::PrintToString(newest()));
    return true;
  }

  void reopen() {
    log_.reset();
    LogContent found = open_log();
    CHECK(is_rest_of(found, newest()), "an opening has changed the log: {}, it was {}",
          testing::PrintToString(found), testing::PrintToString(newest()));
    newest() = std::move(found);
  }

  LogContent open_log() {
    auto opened = SegmentedLog::open(fs_, std::string(kDirectory), kSmall);
    CHECK(opened.has_value(), "{}", opened.error().message);
    log_ = std::move(opened->log);
    return content_of(*log_, opened->recovered);
  }

  // What `state` was, perhaps without its oldest entries.
  static bool is_rest_of(const LogContent& found, LogContent state) {
    state.forget_before(found.before.index + 1);
    return found == state;
  }

  void check_undamaged() {
    auto look = SegmentedLog::open_to_read(fs_, std::string(kDirectory));
    CHECK(look.has_value(), "{}", look.error().message);
    CHECK(is_rest_of(content_of(*look->log, look->recovered), newest()));
    CHECK(read_back_log(fs_, std::string(kDirectory), [](uint64_t) { return true; }).has_value());
  }

  // The spare is blank, and is believed to be: nobody has a use for it but who makes a segment of
  // it.
  std::map<std::string, std::string> segments() const {
    auto files = fs_.files();
    std::erase_if(files, [](const auto& file) { return !file.first.contains("/segment-"); });
    return files;
  }
  void damage_once();
  void check_held_once(const LogContent& found) const;
  std::optional<LogContent> look();
  Result<MendedLog> mend();

  FuzzInput& input_;
  SimFileSystem fs_;
  std::unique_ptr<SegmentedLog> log_;
  uint64_t term_ = 1;
  std::vector<LogContent> states_{1};  // after each batch
};

void LogStory::damage_once() {
  const std::map<std::string, std::string> files = segments();
  const auto choose = [&] {
    return *std::next(files.begin(), static_cast<ptrdiff_t>(input_.below(files.size())));
  };
  const auto block = [&](const std::string& bytes) {
    return kLogBlockBytes * input_.below(bytes.size() / kLogBlockBytes + 1);
  };
  auto [path, bytes] = choose();
  switch (input_.take<uint8_t>() % 6) {
    case 0:
    case 1: {
      const uint64_t at = block(bytes) + input_.below(256);
      if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ input_.take<uint8_t>());
      break;
    }
    case 2:
      bytes.resize(std::min(bytes.size(), block(bytes) + input_.below(2)));
      break;
    case 3:
      CHECK(fs_.remove(path).has_value());
      CHECK(fs_.sync_directory(std::string(kDirectory)).has_value());
      return;
    case 4: {
      const auto [other_path, other_bytes] = choose();
      fs_.place(other_path, bytes);
      bytes = other_bytes;
      break;
    }
    default: {
      const auto [other_path, other_bytes] = choose();
      const std::string copied = other_bytes.substr(block(other_bytes), kLogBlockBytes);
      const uint64_t to = block(bytes);
      if (to + copied.size() <= bytes.size()) bytes.replace(to, copied.size(), copied);
    }
  }
  fs_.place(path, bytes);
}

// The log as it was after some batch, and a hard state of then or later: what ends earlier than it
// did may know a newer promise, and never forgets one that is older than its entries. Of a promise
// that went with the end of the log nothing is left to see; a log without any is one that no member
// goes on from.
void LogStory::check_held_once(const LogContent& found) const {
  const auto is_it = [&](LogContent state) {
    state.hard_state = found.hard_state;
    return is_rest_of(found, std::move(state));
  };
  const auto held = std::ranges::find_if(states_, is_it);
  CHECK(held != states_.end(), "the log holds what it never held: {}",
        testing::PrintToString(found));
  if (!found.hard_state.term) return;
  const auto is_its = [&](const LogContent& state) { return state.hard_state == found.hard_state; };
  CHECK(std::any_of(held, states_.end(), is_its),
        "a term or a vote that nobody wrote, or one from before the entries: {}",
        testing::PrintToString(found));
}

Result<MendedLog> LogStory::mend() {
  const LogIndex durable{input_.below(16)};
  fs_.lose_power_after(input_.below(40));
  const bool mended = open_and_mend(fs_, std::string(kDirectory), kSmall, durable).has_value();
  fs_.lose_power_after(UINT64_MAX);
  if (!mended) fs_.crash();
  return open_and_mend(fs_, std::string(kDirectory), kSmall, durable);
}

// Nothing: the log cannot be read as it is.
std::optional<LogContent> LogStory::look() {
  const std::string directory(kDirectory);
  const auto before = fs_.files();
  (void)read_back_log(fs_, directory, [](uint64_t) { return true; });
  const auto opened = SegmentedLog::open_to_read(fs_, directory);
  if (!opened && opened.error().code == ErrorCode::kCorrupt) (void)examine_log(fs_, directory);
  CHECK(fs_.files() == before, "a look has changed something");
  if (!opened) return std::nullopt;
  return content_of(*opened->log, opened->recovered);
}

void LogStory::judge() {
  const std::optional<LogContent> seen = look();
  Result<MendedLog> mended = mend();
  if (!mended) {
    CHECK(!seen, "a log that can be read cannot be opened: {}", mended.error().message);
    return;
  }
  log_ = std::move(mended->opened.log);
  LogContent content = content_of(*log_, mended->opened.recovered);
  check_held_once(content);
  if (seen) CHECK(content == *seen && !mended->quarantine, "a sound log was mended");

  LogWrite more{};
  more.append.push_back(make_entry(content.last().value + 1, term_ + 1));
  CHECK(log_->write(std::span(&more, 1)).has_value() && log_->sync().has_value());
  content.apply(more);
  log_.reset();
  fs_.crash();
  const LogContent again = open_log();
  CHECK(again == content, "what was written behind the mending is not there: {}, it was {}",
        testing::PrintToString(again), testing::PrintToString(content));
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  GTEST_FLAG_SET(break_on_failure, true);  // of what log_fixture.h expects
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzInput input(data, size);
  decode_raw(FuzzInput(data, size).take_rest());
  LogStory story(input);
  story.live();
  story.damage();
  story.judge();
  return 0;
}

}  // namespace holdfast
