#pragma once

// RocksDB's files on a disk that may be full. What finds no room is not told so but waits for it,
// and is then written: RocksDB 7.8 goes on after such an error only sometimes (README.md).

#include <functional>
#include <memory>

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace holdfast {

// The usual one, but for files that are written. `make_room` is asked, again and again and from any
// of RocksDB's threads, while the disk is full; to be answered when it is worth another try. False:
// RocksDB is told.
std::unique_ptr<rocksdb::Env> waiting_env(std::function<bool()> make_room);

}  // namespace holdfast
