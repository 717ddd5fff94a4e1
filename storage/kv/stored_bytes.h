#pragma once

// What lies in RocksDB under each key, as bytes. Pure.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/kv/engine.h"

namespace holdfast {

// In front of a row's value.
inline constexpr size_t kRowHeaderBytes = 40;

// A named value that is one number.
std::string encode_number(uint64_t number);

void encode_row(const Row& row, std::string& out);  // replaces what is in `out`
// `bytes` begin with a row's header. The key is named in the error.
Result<RowInfo> decode_info(std::string_view key, std::string_view bytes);

std::array<char, 8> feed_key(Revision revision);
void encode_change(const RevisionWrite& write, std::string& out);
Result<Change> decode_change(std::string_view key, std::string_view bytes);
// The times alone.
Result<Stamp> decode_made(std::string_view change);

}  // namespace holdfast
