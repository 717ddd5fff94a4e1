#include "bench/load/workload.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace holdfast::load {
namespace {

constexpr uint32_t kValueMax = 8 << 20;

constexpr Mix mix_of(std::initializer_list<std::pair<OpKind, double>> shares) {
  Mix mix{};
  for (const auto& [kind, share] : shares) mix[static_cast<size_t>(kind)] = share;
  return mix;
}

// YCSB's core workloads (Cooper et al., Benchmarking Cloud Serving Systems with YCSB, 2010), with a
// record of 1,000 bytes as one value.
constexpr std::array<Workload, 13> kWorkloads{{
    {"put", "overwrite keys", mix_of({{OpKind::kPut, 1}}), KeyChoice::kUniform, 100},
    {"get", "read keys", mix_of({{OpKind::kGet, 1}}), KeyChoice::kUniform, 100},
    {"mixed", "gets and puts, by --read-share", mix_of({{OpKind::kGet, 0.5}, {OpKind::kPut, 0.5}}),
     KeyChoice::kUniform, 100},
    {"scan", "pages of --scan-items items", mix_of({{OpKind::kScan, 1}}), KeyChoice::kUniform, 100},
    {"txn", "transactions: a compare, then gets and puts by turns", mix_of({{OpKind::kTxn, 1}}),
     KeyChoice::kUniform, 100},
    {"bulk", "puts, --bulk-lines in a request", mix_of({{OpKind::kBulk, 1}}), KeyChoice::kUniform,
     100},
    {"watch", "puts, and how long until each of --watchers has each", mix_of({{OpKind::kPut, 1}}),
     KeyChoice::kUniform, 100},
    {"ycsb-a", "half reads, half updates", mix_of({{OpKind::kGet, 0.5}, {OpKind::kPut, 0.5}}),
     KeyChoice::kZipfian, 1000},
    {"ycsb-b", "95 % reads, 5 % updates", mix_of({{OpKind::kGet, 0.95}, {OpKind::kPut, 0.05}}),
     KeyChoice::kZipfian, 1000},
    {"ycsb-c", "reads", mix_of({{OpKind::kGet, 1}}), KeyChoice::kZipfian, 1000},
    {"ycsb-d", "95 % reads of the latest, 5 % inserts",
     mix_of({{OpKind::kGet, 0.95}, {OpKind::kInsert, 0.05}}), KeyChoice::kLatest, 1000},
    {"ycsb-e", "95 % short scans, 5 % inserts",
     mix_of({{OpKind::kScan, 0.95}, {OpKind::kInsert, 0.05}}), KeyChoice::kZipfian, 1000},
    {"ycsb-f", "half reads, half read-modify-writes",
     mix_of({{OpKind::kGet, 0.5}, {OpKind::kReadModifyWrite, 0.5}}), KeyChoice::kZipfian, 1000},
}};

constexpr std::array<std::pair<std::string_view, Product>, 4> kProducts{
    {{"holdfast", Product::kHoldfast},
     {"etcd", Product::kEtcd},
     {"redis", Product::kRedis},
     {"static", Product::kStatic}}};

bool serves(Product product, OpKind kind) {
  switch (product) {
    case Product::kHoldfast:
      return true;
    case Product::kEtcd:
      return kind != OpKind::kBulk;
    case Product::kRedis:
      return kind != OpKind::kBulk && kind != OpKind::kScan && kind != OpKind::kTxn;
    case Product::kStatic:
      return kind == OpKind::kGet;
  }
  return false;
}

std::optional<uint32_t> parse_size(std::string_view text) {
  uint32_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc() || end != text.data() + text.size() || size > kValueMax) {
    return std::nullopt;
  }
  return size;
}

}  // namespace

bool Workload::reads() const {
  return mix[static_cast<size_t>(OpKind::kPut)] + mix[static_cast<size_t>(OpKind::kBulk)] < 1;
}

std::span<const Workload> workloads() {
  return kWorkloads;
}

const Workload* find_workload(std::string_view name) {
  const auto found =
      std::ranges::find_if(kWorkloads, [&](const Workload& one) { return one.name == name; });
  return found == kWorkloads.end() ? nullptr : &*found;
}

std::optional<Product> parse_product(std::string_view name) {
  for (const auto& [known, product] : kProducts) {
    if (known == name) return product;
  }
  return std::nullopt;
}

std::string_view name_of(Product product) {
  return kProducts[static_cast<size_t>(product)].first;
}

std::optional<SizeRange> parse_size_range(std::string_view text) {
  const size_t dash = text.find('-');
  const std::optional<uint32_t> least = parse_size(text.substr(0, dash));
  const std::optional<uint32_t> most =
      dash == std::string_view::npos ? least : parse_size(text.substr(dash + 1));
  if (!least || !most || *least > *most) return std::nullopt;
  return SizeRange{.least = *least, .most = *most};
}

Result<> check_settings(const Settings& settings) {
  for (size_t i = 0; i < kOpKinds; ++i) {
    if (settings.workload.mix[i] > 0 && !serves(settings.product, static_cast<OpKind>(i))) {
      return fail(ErrorCode::kInvalid, fmt::format("{} is not asked for '{}' here: choose another "
                                                   "workload, or --product holdfast",
                                                   name_of(settings.product), kOpNames[i]));
    }
  }
  if (settings.watches() && settings.product != Product::kHoldfast) {
    return fail(ErrorCode::kInvalid, "watch is for --product holdfast only");
  }
  if (settings.watches() && settings.value.least < 32) {
    return fail(ErrorCode::kInvalid,
                "a value of watch carries when it was sent: --value-size is at least 32");
  }
  if (settings.threads > settings.connections) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{} threads for {} connections: each thread needs at least one",
                            settings.threads, settings.connections));
  }
  return {};
}

}  // namespace holdfast::load
