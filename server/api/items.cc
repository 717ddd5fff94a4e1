#include "server/api/items.h"

#include <iterator>

#include <fmt/format.h>

#include "server/api/json_text.h"
#include "server/api/lifetimes.h"

namespace holdfast {

void append_row(std::string& out, const RowInfo& info, std::optional<std::string_view> value,
                uint64_t now_ms) {
  if (value) {
    append_json_bytes(out, "value", *value);
    out.push_back(',');
  }
  fmt::format_to(std::back_inserter(out),
                 "\"create_revision\":{},\"mod_revision\":{},\"version\":{}",
                 info.create_revision.value, info.mod_revision.value, info.version);
  if (info.bond.is_lease())
    out.append(",\"lease\":\"").append(text_of(info.bond.lease())).append("\"");
  if (info.bond.is_deadline())
    out.append(",\"ttl_ms\":")
        .append(fmt::format_int(remaining_ms(info.bond.deadline_ms(), now_ms)).str());
}

void append_item(std::string& out, std::string_view key, const RowInfo& info,
                 std::optional<std::string_view> value, uint64_t now_ms) {
  out.push_back('{');
  append_json_bytes(out, "key", key);
  out.push_back(',');
  append_row(out, info, value, now_ms);
  out.push_back('}');
}

void append_prev(std::string& out, const Row* prev, uint64_t now_ms) {
  out.append("\"prev\":");
  if (prev == nullptr) {
    out.append("null");
    return;
  }
  out.push_back('{');
  append_row(out, prev->info, prev->value, now_ms);
  out.push_back('}');
}

}  // namespace holdfast
