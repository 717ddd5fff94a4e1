#include "server/api/openapi.h"

#include "server/api/document.h"

namespace holdfast {

Task<http::Response> show_openapi(Services&, http::Request request) {
  static const Document document(openapi_text(), "application/json");
  co_return document.answer(request);
}

}  // namespace holdfast
