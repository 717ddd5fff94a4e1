#pragma once

// Server-Sent Events (WHATWG HTML, section 9.2.6) as they come, in pieces of any size. Of what a
// stream may say only what a watch does say: event, id and data, each once in an event.

#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

struct StreamEvent {
  std::string name;
  std::string id;
  std::string data;
};

class EventStream {
 public:
  // The events that are whole with these bytes.
  std::vector<StreamEvent> take(std::string_view bytes);

 private:
  void take_line(std::string_view line, std::vector<StreamEvent>& whole);

  std::string rest_;  // a line without its end
  StreamEvent event_;
};

}  // namespace holdfast
