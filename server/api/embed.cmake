# Makes a source of the file IN: OUT, whose function NAME, declared in HEADER, gives the text back as it is.
file(READ ${IN} text)
file(WRITE ${OUT} "#include \"${HEADER}\"

// As long as the file is.
std::string_view holdfast::${NAME}() {  // NOLINT(readability-function-size)
  return R\"embedded(${text})embedded\";
}
")
