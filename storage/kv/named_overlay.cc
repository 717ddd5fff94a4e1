#include "storage/kv/named_overlay.h"

#include <utility>

#include "storage/base/bytes.h"
#include "storage/kv/must.h"

namespace holdfast {
uint64_t named_hash(std::string_view name, std::string_view value) {
  return checksum(value, checksum(name));
}

std::optional<std::string> NamedOverlay::get(std::string_view name) const {
  if (const auto own = changed_.find(name); own != changed_.end()) return own->second;
  return must(engine_.get_meta(name));
}

Engine::NamedValueList NamedOverlay::scan(std::string_view prefix, std::string_view start_after,
                                          size_t limit) const {
  auto own =
      start_after < prefix ? changed_.lower_bound(prefix) : changed_.upper_bound(start_after);
  const auto is_own = [&] { return own != changed_.end() && own->first.starts_with(prefix); };
  Engine::NamedValueList found;
  const auto add_own = [&] {
    if (own->second) found.emplace_back(own->first, *own->second);
    ++own;
  };

  std::string behind(start_after);
  while (found.size() < limit) {
    const size_t wanted = limit - found.size();
    Engine::NamedValueList stored = must(engine_.scan_meta(prefix, behind, wanted));
    for (auto& [name, value] : stored) {
      while (found.size() < limit && is_own() && own->first < name) add_own();
      if (found.size() == limit) return found;
      if (is_own() && own->first == name) {
        add_own();
      } else {
        found.emplace_back(name, std::move(value));
      }
    }
    if (stored.size() < wanted) break;  // that was the last of them
    behind = std::move(stored.back().first);
  }
  while (found.size() < limit && is_own()) add_own();
  return found;
}

void NamedOverlay::add(std::string name, std::string value) {
  hash_change_ += named_hash(name, value);
  changed_.insert_or_assign(std::move(name), std::move(value));
}

void NamedOverlay::replace(std::string name, std::string_view old, std::string value) {
  hash_change_ += named_hash(name, value) - named_hash(name, old);
  changed_.insert_or_assign(std::move(name), std::move(value));
}

void NamedOverlay::remove(std::string name, std::string_view old) {
  hash_change_ -= named_hash(name, old);
  changed_.insert_or_assign(std::move(name), std::nullopt);
}

void NamedOverlay::take(EngineBatch& batch) {
  while (!changed_.empty()) {
    auto one = changed_.extract(changed_.begin());
    batch.meta.emplace_back(std::move(one.key()), std::move(one.mapped()));
  }
}

}  // namespace holdfast
