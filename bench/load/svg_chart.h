#pragma once

// A chart of lines as SVG, to stand in a page. It has no scripts, and its colours are the page's
// (CSS variables), so that it can be read by day and by night.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::load {

enum class Scale {
  kFromZero,     // linear, with zero
  kLogarithmic,  // what is not above zero is left out
};

struct Axis {
  std::string name;
  Scale scale = Scale::kFromZero;
  // Where they stand and what they say; none: chosen by the chart.
  std::vector<std::pair<double, std::string>> ticks;
};

struct Line {
  std::string name;
  std::vector<std::pair<double, double>> points;
  int color = 0;  // lines of one colour belong together
  bool is_dashed = false;
};

std::string svg_chart(const Axis& x, const Axis& y, const std::vector<Line>& lines);

// `text` as it may stand in a page.
std::string escaped(std::string_view text);

}  // namespace holdfast::load
