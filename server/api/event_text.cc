#include "server/api/event_text.h"

#include <iterator>

#include <fmt/format.h>

namespace holdfast {

void append_event(std::string& out, std::string_view name, std::string_view id,
                  std::string_view data) {
  fmt::format_to(std::back_inserter(out), "event: {}\nid: {}\ndata: {}\n\n", name, id, data);
}

}  // namespace holdfast
