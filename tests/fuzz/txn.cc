// Bodies of POST /v1/txn. One that passes is a command that the log takes, and that comes back from
// it the same; any other is answered with a problem.

#include "server/api/txn_request.h"
#include "storage/base/check.h"
#include "tests/fuzz/input.h"

namespace holdfast {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kValueBytesMax = 1'000;
  FuzzInput input(data, size);
  const auto parsed = parse_transaction(input.take_rest(), kValueBytesMax);
  if (!parsed) {
    CHECK(!parsed.error().detail.empty());
    (void)http::answer(parsed.error());
    return 0;
  }
  const Command command{.act = *parsed};
  const Result<Command> logged = decode_command(encode_command(command).view());
  CHECK(logged && *logged == command, "a transaction that the log does not hold as it was asked");
  return 0;
}

}  // namespace holdfast
