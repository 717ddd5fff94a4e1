#include "storage/kv/due_index.h"

#include <algorithm>

#include "storage/base/codec.h"
#include "storage/kv/must.h"

namespace holdfast {
namespace {

// Most of the time few are due, or none: a look does not ask for all that might be.
constexpr size_t kDueAtOnce = 128;

}  // namespace

void put_ordered(std::string& out, uint64_t number) {
  put_fixed(out, __builtin_bswap64(number));
}

uint64_t load_ordered(std::string_view bytes) {
  return __builtin_bswap64(load_fixed<uint64_t>(bytes.data()));
}

std::string DueIndex::name(uint64_t deadline_ms, std::string_view what) const {
  std::string name(prefix_);
  put_ordered(name, deadline_ms);
  return name.append(what);
}

Result<DueIndex::Due> DueIndex::decode(std::string_view name) const {
  name.remove_prefix(prefix_.size());
  if (name.size() <= sizeof(uint64_t))
    return fail(ErrorCode::kCorrupt, fmt::format("the state's list '{}' of what is due cannot be "
                                                 "read: restore this node from its peers",
                                                 prefix_));
  return Due{load_ordered(name), std::string(name.substr(sizeof(uint64_t)))};
}

void DueIndex::add(NamedOverlay& named, uint64_t deadline_ms, std::string_view what) {
  named.add(name(deadline_ms, what), "");
  deadlines_.add(deadline_ms);
}

void DueIndex::remove(NamedOverlay& named, uint64_t deadline_ms, std::string_view what) {
  named.remove(name(deadline_ms, what), "");
  deadlines_.remove(deadline_ms);
}

std::vector<DueIndex::Due> DueIndex::due(const NamedOverlay& named, uint64_t now_ms,
                                         size_t limit) const {
  std::vector<Due> found;
  if (deadlines_.earliest() > now_ms) return found;
  std::string behind = name(deadlines_.earliest(), "");
  while (found.size() < limit) {
    const size_t wanted = std::min(kDueAtOnce, limit - found.size());
    const Engine::NamedValueList names = named.scan(prefix_, behind, wanted);
    for (const auto& [name, unused] : names) {
      Due one = must(decode(name));
      if (one.deadline_ms > now_ms) return found;
      found.push_back(std::move(one));
    }
    if (names.size() < wanted) break;
    behind = names.back().first;
  }
  return found;
}

Result<> DueIndex::read_ahead() {
  while (deadlines_.must_read()) {
    HOLDFAST_ASSIGN(
        const Engine::NamedValueList names,
        engine_.scan_meta(prefix_, name(deadlines_.unknown_from(), ""), Deadlines::kReadAtOnce));
    std::vector<uint64_t> found;
    found.reserve(names.size());
    for (const auto& [name, unused] : names) {
      HOLDFAST_ASSIGN(const Due due, decode(name));
      found.push_back(due.deadline_ms);
    }
    deadlines_.read(found);
  }
  return {};
}

Result<> DueIndex::read_again() {
  deadlines_ = {};
  return read_ahead();
}

}  // namespace holdfast
