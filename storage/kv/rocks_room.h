#pragma once

// RocksDB's files on a disk that may be full. What finds no room is not told so but waits for it,
// and is then written: RocksDB 7.8 goes on after such an error only sometimes (README.md).

#include <memory>

#include "storage/fs/room.h"

namespace rocksdb {
class Env;
class EventListener;
class FileSystem;
}  // namespace rocksdb

namespace holdfast {

// As `files`, but for files that are written. `make_room` is asked, again and again and from any of
// RocksDB's threads, while the disk or a quota on it is full; to be answered when it is worth
// another try. False: RocksDB is told.
std::unique_ptr<rocksdb::Env> waiting_env(AskForRoom make_room,
                                          std::shared_ptr<rocksdb::FileSystem> files);

// Among a database's listeners: by it the env knows what is written to rewrite older files.
std::shared_ptr<rocksdb::EventListener> rewriting_watch();

}  // namespace holdfast
