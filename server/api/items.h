#pragma once

// A key's version as JSON, the same wherever an answer shows one.

#include <optional>
#include <string>
#include <string_view>

#include "storage/kv/engine.h"

namespace holdfast {

// `"value":…,"create_revision":…,"mod_revision":…,"version":…` and what the key is bound to,
// without braces. No value: it is left out. `now_ms`: the cluster's clock.
void append_row(std::string& out, const RowInfo& info, std::optional<std::string_view> value,
                uint64_t now_ms);
// The same as an object, with the key.
void append_item(std::string& out, std::string_view key, const RowInfo& info,
                 std::optional<std::string_view> value, uint64_t now_ms);
// `"prev":null`, or the row as an object.
void append_prev(std::string& out, const Row* prev, uint64_t now_ms);

}  // namespace holdfast
