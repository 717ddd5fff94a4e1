#pragma once

// How a node comes to belong to a cluster, at its start: it forms one, is taken into one that
// exists, or is a member already; or what it voted for may be lost, and it comes back as another
// one (rejoin.h). Blocking; runs the loop while it asks others.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "replication/transport/tcp_transport.h"
#include "server/config.h"
#include "server/data_directory.h"
#include "server/node_storage.h"
#include "server/rejoin.h"
#include "storage/base/events.h"
#include "storage/base/random.h"

namespace holdfast {

// How it introduces itself to its peers, and where its data lie.
Hello hello_of(const Config& config, const Identity& identity);
StoragePlaces places_of(const Config& config, const DataDirectory& directory);
Result<> make_folders(FileSystem& fs, const StoragePlaces& places);
// What a node had that came back as another one, wherever its data lie.
Result<> remove_what_lies_aside(const Config& config);

class Entrance {
 public:
  struct Seams {  // all outlive it
    boost::asio::io_context& loop;
    TcpTransport& transport;
    const Clock& clock;
    FileSystem& fs;
    DataDirectory& directory;
    const TellEvent& tell;
  };
  Entrance(const Config& config, SegmentedLog::Options log, Seams seams, Random random);

  // True: the directory's identity has a cluster, and its log was begun. False: a signal came
  // before, or the identity says that it was removed. An error says why the cluster cannot be this
  // node's.
  Result<bool> pass();

 private:
  Result<bool> rejoin();
  Result<bool> leave(RejoinNote note);
  void tell_change(const char* change, LogLevel level, std::string text) const;
  Result<bool> become_member();
  Result<> check_join() const;
  Result<std::optional<Entered>> ask_others();
  Result<> begin_log(const raft::Members& members);

  const Config& config_;
  const SegmentedLog::Options log_;
  const Seams seams_;
  Random random_;
  std::vector<std::string> join_urls_;  // none: it forms a cluster
  ClusterId rejoins_;                   // this cluster and no other, if any
  bool stays_learner_;
};

}  // namespace holdfast
