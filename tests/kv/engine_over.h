#pragma once

// An engine over another one, which does all of it: for tests that watch or change a part.

#include "storage/kv/engine.h"

namespace holdfast {

class EngineOver : public Engine {
 public:
  explicit EngineOver(Engine& engine) : engine_(engine) {}

  Result<std::optional<Row>> get(std::string_view key, Revision at, ReadTier tier) const override {
    return engine_.get(key, at, tier);
  }
  void write(const EngineBatch& batch) override { engine_.write(batch); }
  Result<std::optional<RowInfo>> get_info(std::string_view key, Revision at) const override {
    return engine_.get_info(key, at);
  }
  Result<> scan(const RangeScan& scan, const Visitor& visit) const override {
    return engine_.scan(scan, visit);
  }
  Result<std::optional<std::string>> get_meta(std::string_view name) const override {
    return engine_.get_meta(name);
  }
  Result<NamedValueList> scan_meta(std::string_view prefix, std::string_view start_after,
                                   size_t limit) const override {
    return engine_.scan_meta(prefix, start_after, limit);
  }
  Result<std::optional<std::string>> get_durable_meta(std::string_view name) const override {
    return engine_.get_durable_meta(name);
  }
  Result<std::vector<Change>> changes(Revision first, size_t limit) const override {
    return engine_.changes(first, limit);
  }
  Result<> versions(std::string_view key, Revision floor, Revision at,
                    const VersionVisitor& visit) const override {
    return engine_.versions(key, floor, at, visit);
  }
  Result<Stamp> made(Revision revision) const override { return engine_.made(revision); }
  Result<uint64_t> approximate_bytes(const std::string& start,
                                     const std::string& end) const override {
    return engine_.approximate_bytes(start, end);
  }
  Result<> set_history_floor(Revision floor) override { return engine_.set_history_floor(floor); }
  void start_flush() override { engine_.start_flush(); }
  Result<> flush() override { return engine_.flush(); }
  uint64_t flush_count() const override { return engine_.flush_count(); }
  Result<> checkpoint(const std::string& directory) override {
    return engine_.checkpoint(directory);
  }
  Result<NamedValues> read_checkpoint(const std::string& directory,
                                      std::span<const std::string_view> names) const override {
    return engine_.read_checkpoint(directory, names);
  }
  Result<> install(const std::string& directory, const NamedValues& meta) override {
    return engine_.install(directory, meta);
  }

 private:
  Engine& engine_;
};

}  // namespace holdfast
