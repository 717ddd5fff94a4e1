# Makes a source of the document in IN that gives it back as it is: OUT.
file(READ ${IN} text)
file(WRITE ${OUT} "#include \"server/api/openapi.h\"

std::string_view holdfast::openapi_text() {
  return R\"openapi(${text})openapi\";
}
")
