#pragma once

// The named loads: how much of what, on which keys, with values how large.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/key_choice.h"
#include "bench/load/operation.h"
#include "client/endpoint.h"
#include "client/kv_client.h"
#include "storage/base/clock.h"

namespace holdfast::load {

// Shares by OpKind; they add up to 1.
using Mix = std::array<double, kOpKinds>;

struct Workload {
  std::string_view name;
  std::string_view purpose;
  Mix mix;
  KeyChoice choice;
  uint32_t value_bytes;

  // Whether keys must be there before.
  bool reads() const;
};

std::span<const Workload> workloads();
const Workload* find_workload(std::string_view name);

enum class Product { kHoldfast, kEtcd, kRedis, kStatic };
std::optional<Product> parse_product(std::string_view name);
std::string_view name_of(Product product);

struct SizeRange {
  uint32_t least = 100;
  uint32_t most = 100;
};
// "100" or "64-4096" bytes, at most 8 MiB.
std::optional<SizeRange> parse_size_range(std::string_view text);

// Everything that makes one load what it is.
struct Settings {
  Product product = Product::kHoldfast;
  std::vector<Endpoint> endpoints;  // connections are spread over them in turn
  Workload workload;
  KeyChoice choice = KeyChoice::kUniform;
  uint64_t keys = 10'000;
  std::string key_prefix = "bench/";
  SizeRange value;
  Consistency consistency = Consistency::kLinearizable;
  uint32_t connections = 64;
  uint32_t depth = 1;  // requests under way on each connection
  uint32_t threads = 1;
  std::optional<double> rate;  // operations a second, all threads together; none: closed loop
  Duration warmup = std::chrono::seconds(2);
  Duration duration = std::chrono::seconds(10);
  Duration timeout = std::chrono::seconds(10);
  uint32_t runs = 3;
  uint32_t scan_items = 100;
  uint32_t txn_operations = 4;
  uint32_t bulk_lines = 100;
  uint32_t watchers = 100;
  uint32_t wait_replicas = 1;  // Redis: how many replicas have a write before it counts
  bool preload = true;
  uint64_t seed = 1;

  bool watches() const { return workload.name == "watch"; }
};

// kInvalid where the product has no such operation, or numbers do not fit together.
Result<> check_settings(const Settings& settings);

}  // namespace holdfast::load
