# Makes a source of the document in IN that gives it back as it is: OUT.
file(READ ${IN} text)
file(WRITE ${OUT} "#include \"server/api/openapi.h\"

namespace {

constexpr std::string_view kOpenApiText = R\"openapi(${text})openapi\";

}  // namespace

std::string_view holdfast::openapi_text() {
  return kOpenApiText;
}
")
