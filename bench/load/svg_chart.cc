#include "bench/load/svg_chart.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include <fmt/format.h>

namespace holdfast::load {
namespace {

constexpr double kWidth = 760;
constexpr double kHeight = 300;
constexpr double kLeftEdge = 70;
constexpr double kRightEdge = kWidth - 130;  // the names of the lines stand right of it
constexpr double kTop = 14;
constexpr double kBottom = kHeight - 44;
constexpr double kNameHeight = 18;
constexpr int kColors = 6;

std::string tick_text(double number) {
  if (number >= 1e6) return fmt::format("{:.3g}M", number / 1e6);
  if (number >= 1e4) return fmt::format("{:.3g}k", number / 1e3);
  return number >= 1'000 ? fmt::format("{:.0f}", number) : fmt::format("{:.3g}", number);
}

// An axis laid along a stretch of the picture.
class Laid {
 public:
  Laid(const Axis& axis, double from, double to) : axis_(axis), from_(from), to_(to) {}

  void include(double value) {
    if (!shows(value)) return;
    least_ = std::min(least_, value);
    most_ = std::max(most_, value);
  }

  bool shows(double value) const { return !is_logarithmic() || value > 0; }

  void settle() {
    if (least_ > most_) least_ = most_ = 1;
    if (is_logarithmic()) {
      // From a tick to a tick: 1, 2 or 5 times a power of ten.
      least_ = std::pow(10, std::floor(std::log10(least_)));
      most_ = std::max(least_ * 10, rounded_up(most_, {1, 2, 5}));
    } else {
      least_ = 0;
      most_ = axis_.ticks.empty() ? rounded_up(most_, {1, 1.5, 2, 2.5, 3, 4, 5, 6, 8})
                                  : std::max(most_, 1e-9);
    }
  }

  double at(double value) const {
    const double share = is_logarithmic() ? (std::log10(value) - std::log10(least_)) /
                                                (std::log10(most_) - std::log10(least_))
                                          : (value - least_) / (most_ - least_);
    return from_ + share * (to_ - from_);
  }

  std::vector<std::pair<double, std::string>> ticks() const {
    std::vector<std::pair<double, std::string>> found;
    if (!axis_.ticks.empty()) {
      for (const auto& tick : axis_.ticks) {
        if (tick.first >= least_ && tick.first <= most_) found.push_back(tick);
      }
      return found;
    }
    if (!is_logarithmic()) {
      const int parts = 5;
      for (int i = 0; i <= parts; ++i) {
        const double value = most_ * i / parts;
        found.emplace_back(value, tick_text(value));
      }
      return found;
    }
    const bool is_wide = most_ / least_ > 1e3;
    for (double decade = least_; decade <= most_ * 1.001; decade *= 10) {
      for (const double step : {1.0, 2.0, 5.0}) {
        if (is_wide && step > 1) continue;
        if (decade * step <= most_ * 1.001) {
          found.emplace_back(decade * step, tick_text(decade * step));
        }
      }
    }
    return found;
  }

 private:
  bool is_logarithmic() const { return axis_.scale == Scale::kLogarithmic; }

  // To the next of these steps of its decade.
  static double rounded_up(double value, std::initializer_list<double> steps) {
    if (value <= 0) return 1;
    const double decade = std::pow(10, std::floor(std::log10(value)));
    for (const double step : steps) {
      if (decade * step >= value) return decade * step;
    }
    return decade * 10;
  }

  const Axis& axis_;
  const double from_;
  const double to_;
  double least_ = 1e300;
  double most_ = -1e300;
};

std::string frame_of(const Laid& x, const Laid& y, const Axis& x_axis, const Axis& y_axis) {
  std::string svg;
  for (const auto& [value, text] : y.ticks()) {
    svg += fmt::format(R"(<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>)", kLeftEdge,
                       kRightEdge, y.at(value), y.at(value));
    svg += fmt::format(R"(<text x="{}" y="{:.1f}" text-anchor="end">{}</text>)", kLeftEdge - 6,
                       y.at(value) + 4, escaped(text));
  }
  for (const auto& [value, text] : x.ticks()) {
    svg += fmt::format(R"(<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>)",
                       x.at(value), x.at(value), kTop, kBottom);
    svg += fmt::format(R"(<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>)", x.at(value),
                       kBottom + 16, escaped(text));
  }
  svg += fmt::format(R"(<text x="{}" y="{}" text-anchor="middle">{}</text>)",
                     (kLeftEdge + kRightEdge) / 2, kHeight - 8, escaped(x_axis.name));
  svg += fmt::format(
      R"svg(<text transform="translate(14 {}) rotate(-90)" text-anchor="middle">{}</text>)svg",
      (kTop + kBottom) / 2, escaped(y_axis.name));
  return svg;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '&':
        safe += "&amp;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string svg_chart(const Axis& x_axis, const Axis& y_axis, const std::vector<Line>& lines) {
  Laid x(x_axis, kLeftEdge, kRightEdge);
  Laid y(y_axis, kBottom, kTop);
  for (const Line& line : lines) {
    for (const auto& [at, value] : line.points) {
      x.include(at);
      y.include(value);
    }
  }
  x.settle();
  y.settle();
  // The names of many lines need more room than the chart.
  const double names_height = kTop + kNameHeight * static_cast<double>(lines.size());
  std::string svg = fmt::format(R"(<svg viewBox="0 0 {} {}" role="img">)", kWidth,
                                std::max(kHeight, names_height));
  svg += frame_of(x, y, x_axis, y_axis);
  double name_at = kTop + 8;
  for (const Line& line : lines) {
    std::string path;
    for (const auto& [at, value] : line.points) {
      if (!x.shows(at) || !y.shows(value)) continue;
      path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "" : " ", x.at(at), y.at(value));
    }
    const std::string style =
        fmt::format(R"(class="line c{}{}")", line.color % kColors, line.is_dashed ? " dashed" : "");
    svg += fmt::format(R"(<polyline {} points="{}"/>)", style, path);
    svg += fmt::format(R"(<line {} x1="{}" x2="{}" y1="{}" y2="{}"/>)", style, kRightEdge + 10,
                       kRightEdge + 30, name_at, name_at);
    svg += fmt::format(R"(<text x="{}" y="{}">{}</text>)", kRightEdge + 36, name_at + 4,
                       escaped(line.name));
    name_at += kNameHeight;
  }
  return svg + "</svg>";
}

}  // namespace holdfast::load
