#include "storage/log/quarantine.h"

#include <utility>

#include <fmt/core.h>

#include "storage/base/codec.h"
#include "storage/fs/note.h"
#include "storage/log/damage.h"

namespace holdfast {
namespace {

constexpr size_t kFixedBytes = 3 * sizeof(uint64_t);
constexpr NoteKind kKind{
    .magic = 0x52415551444c4f48, .version = 1, .body_bytes_min = kFixedBytes};  // "HOLDQUAR"

std::string path_in(const std::string& directory) {
  return directory + "/QUARANTINE";
}

constexpr std::string_view kMightVoteTwice = "Under its old id this node might vote twice";

Result<> note(FileSystem& fs, const std::string& directory, const Quarantine& quarantine) {
  std::string body;
  put_fixed(body, static_cast<uint64_t>(quarantine.stage));
  put_fixed(body, quarantine.hard_state.term.value);
  put_fixed(body, quarantine.hard_state.vote.value);
  return write_note(fs, path_in(directory), kKind, body + quarantine.why);
}

Result<Quarantine> begin(FileSystem& fs, const std::string& directory, const std::string& why) {
  HOLDFAST_ASSIGN(const LogDamage damage, examine_log(fs, directory));
  if (!damage.hard_state_known) {
    return fail(ErrorCode::kVoteLost,
                fmt::format("{}. What this node promised in elections may be lost with it. {}", why,
                            kMightVoteTwice));
  }
  Quarantine quarantine{Quarantine::Stage::kPutsAside, damage.hard_state, why};
  HOLDFAST_TRY(note(fs, directory, quarantine));
  return quarantine;
}

Result<> restore_hard_state(const HardState& state, SegmentedLog::Opened& opened) {
  if (opened.recovered.hard_state == state) return {};
  LogWrite write{};
  write.hard_state = state;
  HOLDFAST_TRY(opened.log->write(std::span(&write, 1)));
  HOLDFAST_TRY(opened.log->sync());
  opened.recovered.hard_state = state;
  return {};
}

}  // namespace

Result<std::optional<Quarantine>> read_quarantine(FileSystem& fs, const std::string& directory) {
  const Result<std::optional<std::string>> body = read_note(fs, path_in(directory), kKind);
  if (!body && body.error().code == ErrorCode::kCorrupt)
    return fail(ErrorCode::kVoteLost,
                fmt::format("{}, as its log was. {}", body.error().message, kMightVoteTwice));
  if (!body) return std::unexpected(body.error());
  if (!*body) return std::nullopt;
  const auto field = [&](size_t at) { return load_fixed<uint64_t>((*body)->data() + 8 * at); };
  return Quarantine{.stage = static_cast<Quarantine::Stage>(field(0)),
                    .hard_state = {{field(1)}, {field(2)}},
                    .why = (*body)->substr(kFixedBytes)};
}

Result<> begin_quarantine(FileSystem& fs, const std::string& directory, const HardState& hard_state,
                          const std::string& why) {
  return note(fs, directory, {Quarantine::Stage::kCatchesUp, hard_state, why});
}

Result<> forget_quarantine(FileSystem& fs, const std::string& directory) {
  HOLDFAST_ASSIGN(const bool there, fs.exists(path_in(directory)));
  if (there) HOLDFAST_TRY(fs.remove(path_in(directory)));
  return fs.sync_directory(directory);
}

Result<std::vector<std::string>> left_of_quarantine(const FileSystem& fs,
                                                    const std::string& directory) {
  HOLDFAST_ASSIGN(std::vector<std::string> files, needless_damaged_files(fs, directory));
  files.push_back(path_in(directory));
  return files;
}

Result<MendedLog> open_needed_log(FileSystem& fs, const std::string& directory,
                                  const SegmentedLog::Options& options, LogIndex durable) {
  std::string why;
  Result<SegmentedLog::Opened> opened = SegmentedLog::open(fs, directory, options);
  while (!opened && opened.error().code == ErrorCode::kCorrupt) {
    HOLDFAST_ASSIGN(const LogDamage damage, examine_log(fs, directory));
    HOLDFAST_ASSIGN(const bool is_aside, put_needless_aside(fs, directory, damage, durable));
    if (!is_aside) break;
    why = opened.error().message;
    opened = SegmentedLog::open(fs, directory, options);
  }
  if (!opened) return std::unexpected(opened.error());
  if (!why.empty()) {
    HOLDFAST_ASSIGN(const std::vector<std::string> old, needless_damaged_files(fs, directory));
    HOLDFAST_TRY(opened->log->remove(old));
  }
  return MendedLog{*std::move(opened), std::move(why), std::nullopt};
}

Result<MendedLog> open_and_mend(FileSystem& fs, const std::string& directory,
                                const SegmentedLog::Options& options, LogIndex durable) {
  HOLDFAST_TRY(fs.create_directories(directory));
  HOLDFAST_ASSIGN(std::optional<Quarantine> quarantine, read_quarantine(fs, directory));
  Result<MendedLog> mended = open_needed_log(fs, directory, options, durable);
  if (!mended && mended.error().code != ErrorCode::kCorrupt) return mended;
  if (!mended) {
    // Where a crash ended the putting aside, nothing was promised since it began: the hard state
    // that was noted then is the newest.
    if (!quarantine || quarantine->stage != Quarantine::Stage::kPutsAside) {
      HOLDFAST_ASSIGN(quarantine, begin(fs, directory, mended.error().message));
    }
    HOLDFAST_ASSIGN(const LogDamage damage, examine_log(fs, directory));
    HOLDFAST_TRY(put_damage_aside(fs, directory, damage));
    mended = open_needed_log(fs, directory, options, durable);
    if (!mended) return mended;
  }
  if (quarantine && quarantine->stage == Quarantine::Stage::kPutsAside) {
    HOLDFAST_TRY(restore_hard_state(quarantine->hard_state, mended->opened));
    quarantine->stage = Quarantine::Stage::kCatchesUp;
    HOLDFAST_TRY(note(fs, directory, *quarantine));
  }
  mended->quarantine = std::move(quarantine);
  return mended;
}

}  // namespace holdfast
