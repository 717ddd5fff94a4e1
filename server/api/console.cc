#include "server/api/console.h"

#include "server/api/document.h"

namespace holdfast {
namespace {

// The page runs its own script, asks its own node, and is in nobody's frame: what a key or a value
// says can do no more than be read, and no other page can have a button pressed here.
http::Response answer_own(const Document& document, const http::Request& request) {
  http::Response response = document.answer(request);
  response.add_header("Content-Security-Policy",
                      "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
                      "connect-src 'self'; base-uri 'none'; form-action 'none'; "
                      "frame-ancestors 'none'");
  response.add_header("X-Frame-Options", "DENY");
  response.add_header("X-Content-Type-Options", "nosniff");
  response.add_header("Referrer-Policy", "no-referrer");
  return response;
}

}  // namespace

Task<http::Response> show_console_page(Services&, http::Request request) {
  static const Document page(console_page_text(), "text/html; charset=utf-8");
  co_return answer_own(page, request);
}

Task<http::Response> show_console_style(Services&, http::Request request) {
  static const Document style(console_style_text(), "text/css; charset=utf-8");
  co_return answer_own(style, request);
}

Task<http::Response> show_console_script(Services&, http::Request request) {
  static const Document script(console_script_text(), "text/javascript; charset=utf-8");
  co_return answer_own(script, request);
}

}  // namespace holdfast
