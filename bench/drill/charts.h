#pragma once

// A drill's timeline as SVG within HTML. Shapes are stretched to any width, labels are text beside
// them: so it is readable on a telephone as on a wall.

#include <string>

#include "bench/drill/report.h"

namespace holdfast::drill {

std::string html_escaped(std::string_view text);

std::string throughput_chart(const Report& report);
std::string latency_chart(const Report& report);
std::string roles_chart(const Report& report);

}  // namespace holdfast::drill
