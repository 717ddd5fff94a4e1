#pragma once

// A small file in which a node notes what no restart may forget, and which must not be taken for
// what it is not.
//
//   note := u64 magic, u64 version, body, u64 checksum of all before it        (little-endian)

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/fs/file_system.h"

namespace holdfast {

struct NoteKind {
  uint64_t magic;
  uint64_t version;
  size_t body_bytes_min;
};

// Replaces it as one act.
Result<> write_note(FileSystem& fs, const std::string& path, const NoteKind& kind,
                    std::string_view body);
// The body. Nothing: there is no such file. kCorrupt: it is not what was written. kInvalid: of
// another version.
Result<std::optional<std::string>> read_note(FileSystem& fs, const std::string& path,
                                             const NoteKind& kind);

}  // namespace holdfast
