#include "bench/load/comparison.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "client/cli/terminal.h"

namespace holdfast::load {
namespace {

using cli::Color;
using cli::Table;
using enum Table::Align;

// In the report, and for people.
constexpr std::array<std::pair<const char*, const char*>, 5> kLatencies{{{"p50_ms", "p50 ms"},
                                                                         {"p90_ms", "p90 ms"},
                                                                         {"p99_ms", "p99 ms"},
                                                                         {"p999_ms", "p99.9 ms"},
                                                                         {"max_ms", "max ms"}}};
constexpr const char* kRate = "rate /s";
// Settings that are no reason to wonder about a difference.
constexpr std::array<std::string_view, 2> kOwn{"endpoints", "seed"};

std::string figure_text(double number) {
  return number >= 1'000 ? fmt::format("{:.0f}", number) : fmt::format("{:.3g}", number);
}

std::string compared_text(const Spread& spread) {
  return fmt::format("{} ({}–{})", figure_text(spread.median), figure_text(spread.least),
                     figure_text(spread.most));
}

void read_run(const nlohmann::json& run, Measured& measured) {
  if (!run.at("rate").is_null()) measured.figures[kRate].push_back(run.at("rate").get<double>());
  for (const auto& [field, name] : kLatencies) {
    measured.figures[name].push_back(run.at("latency").at(field).get<double>());
  }
}

nlohmann::ordered_json to_object(const Spread& spread) {
  return {{"min", spread.least}, {"median", spread.median}, {"max", spread.most}};
}

}  // namespace

Result<Measured> parse_report(const std::string& json, const std::string& name) {
  try {
    const nlohmann::json report = nlohmann::json::parse(json);
    Measured measured{.label = report.at("label").get<std::string>(),
                      .has_errors = report.at("errors").get<bool>()};
    if (measured.label.empty()) measured.label = name;
    for (const auto& [key, value] : report.at("settings").items()) {
      measured.settings[key] = value.dump();
    }
    for (const nlohmann::json& run : report.at("runs")) read_run(run, measured);
    if (report.at("runs").empty()) return fail(ErrorCode::kCorrupt, name + ": it holds no run");
    return measured;
  } catch (const nlohmann::json::exception& problem) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{} is no report of `holdfast bench --out`: {}", name, problem.what()));
  }
}

Ratio ratio_of(const std::vector<double>& a, const std::vector<double>& b) {
  const Spread of_a = spread_of(a);
  const Spread of_b = spread_of(b);
  // Nothing can be said as a multiple of nothing.
  if (of_a.least <= 0) return {};
  const bool overlap = of_a.least <= of_b.most && of_b.least <= of_a.most;
  return {.median = of_b.median / of_a.median,
          .least = of_b.least / of_a.most,
          .most = of_b.most / of_a.least,
          .is_single = a.size() < 2 || b.size() < 2,
          .is_within_noise = overlap};
}

Comparison compare(const Measured& a, const Measured& b) {
  Comparison comparison;
  for (const Measured* const one : {&a, &b}) {
    if (one->has_errors) {
      comparison.warnings.push_back(
          fmt::format("{} had ERRORS: its figures are of what went well only", one->label));
    }
    if (!one->figures.contains(kRate)) {
      comparison.warnings.push_back(
          fmt::format("{} has no rate: what was asked for was not kept", one->label));
    }
    if (one->figures.begin()->second.size() < 2) {
      comparison.warnings.push_back(fmt::format(
          "{} has one run: what is noise cannot be known, measure with --runs 3", one->label));
    }
  }
  for (const auto& [key, value] : a.settings) {
    const auto other = b.settings.find(key);
    const bool is_same = other != b.settings.end() && other->second == value;
    if (is_same || std::ranges::count(kOwn, key) > 0) continue;
    comparison.warnings.push_back(fmt::format("{} differs: {} and {}", key, value,
                                              other == b.settings.end() ? "none" : other->second));
  }
  std::vector<std::string> names{kRate};
  for (const auto& [field, name] : kLatencies) names.emplace_back(name);
  for (const std::string& name : names) {
    const auto of_a = a.figures.find(name);
    const auto of_b = b.figures.find(name);
    if (of_a == a.figures.end() || of_b == b.figures.end()) continue;
    comparison.figures.push_back({.name = name,
                                  .a = spread_of(of_a->second),
                                  .b = spread_of(of_b->second),
                                  .ratio = ratio_of(of_a->second, of_b->second)});
  }
  return comparison;
}

void print_text(const Measured& a, const Measured& b, const Comparison& comparison,
                std::FILE* stream) {
  for (const std::string& warning : comparison.warnings) {
    fmt::print(stream, "{}\n", cli::painted(stream, Color::kYellow, "note: " + warning));
  }
  Table table({kLeft, kRight, kRight, kRight, kLeft});
  table.add({{""}, {"A"}, {"B"}, {"B / A"}, {""}});
  for (const ComparedFigure& figure : comparison.figures) {
    const Ratio& ratio = figure.ratio;
    table.add({{figure.name},
               {compared_text(figure.a)},
               {compared_text(figure.b)},
               {ratio.median == 0
                    ? "–"
                    : fmt::format("{:.2f} ({:.2f}–{:.2f})", ratio.median, ratio.least, ratio.most)},
               {ratio.is_single         ? "noise not known"
                : ratio.is_within_noise ? "within the noise"
                                        : ""}});
  }
  fmt::print(stream, "A  {}\nB  {}\n\n", a.label, b.label);
  table.print(stream);
}

std::string to_json(const Measured& a, const Measured& b, const Comparison& comparison) {
  nlohmann::ordered_json figures = nlohmann::ordered_json::object();
  for (const ComparedFigure& figure : comparison.figures) {
    const Ratio& ratio = figure.ratio;
    figures[figure.name] = {
        {"a", to_object(figure.a)},
        {"b", to_object(figure.b)},
        {"ratio", {{"min", ratio.least}, {"median", ratio.median}, {"max", ratio.most}}},
        {"within_noise", ratio.is_single ? nlohmann::ordered_json(nullptr)
                                         : nlohmann::ordered_json(ratio.is_within_noise)}};
  }
  return nlohmann::ordered_json{
      {"a", a.label}, {"b", b.label}, {"warnings", comparison.warnings}, {"figures", figures}}
      .dump(2);
}

}  // namespace holdfast::load
