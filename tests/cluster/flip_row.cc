// Changes one bit of a row of a stopped node's state as a failing memory would: behind the state
// machine's back, and so that every checksum on the disk is right.
//
//   flip_row STATE_DIRECTORY KEY      the key must be the one that was written last

#include <cstdio>
#include <cstdlib>

#include "storage/kv/kv_state_machine.h"
#include "storage/kv/rocks_engine.h"

namespace holdfast {
namespace {

Result<> flip(const std::string& directory, const std::string& key) {
  HOLDFAST_ASSIGN(const auto engine, RocksEngine::open({.directory = directory}));
  HOLDFAST_ASSIGN(const auto machine, KvStateMachine::open(*engine));
  const Revision newest = machine->revision();
  HOLDFAST_ASSIGN(std::optional<Row> row, engine->get(key, newest, ReadTier::kDisk));
  if (!row || row->info.mod_revision != newest || row->value.empty())
    return fail(ErrorCode::kInvalid, key + " is not what was written last");
  row->value.front() ^= 1;
  row->info.hash ^= 1;
  HOLDFAST_ASSIGN(const Stamp made, engine->made(newest));
  engine->write({.revisions = {{newest, made, {{key, row}}}}});
  return engine->flush();
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: flip_row STATE_DIRECTORY KEY\n", stderr);
    return EXIT_FAILURE;
  }
  const holdfast::Result<> flipped = holdfast::flip(argv[1], argv[2]);
  if (flipped) return EXIT_SUCCESS;
  std::fprintf(stderr, "%s\n", flipped.error().message.c_str());
  return EXIT_FAILURE;
}
