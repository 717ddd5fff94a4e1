#pragma once

// GET /, and what the page needs: the web console (server/console), built in as it is.

#include <string_view>

#include "server/http/request.h"
#include "server/http/task.h"

namespace holdfast {

struct Services;

std::string_view console_page_text();
std::string_view console_style_text();
std::string_view console_script_text();

// Also while the node belongs to no cluster yet.
Task<http::Response> show_console_page(Services& services, http::Request request);
Task<http::Response> show_console_style(Services& services, http::Request request);
Task<http::Response> show_console_script(Services& services, http::Request request);

}  // namespace holdfast
