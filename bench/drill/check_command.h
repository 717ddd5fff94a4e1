#pragma once

// `holdfast drill check FILE`.

#include <string>

#include "bench/drill/checker.h"
#include "bench/drill/exits.h"

namespace holdfast::drill {

enum class Form { kText, kJson };

Exit check_file(const std::string& file, Form form);

// Of a verdict, as lines on standard output; each line indented by `indent`.
void print(const Verdict& verdict, const std::string& indent);
Exit exit_of(const Verdict& verdict);

}  // namespace holdfast::drill
