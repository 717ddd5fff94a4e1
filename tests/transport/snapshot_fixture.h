#pragma once

// Two ends of a snapshot's way: a node that receives, senders, and what lies between them.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "replication/transport/snapshot_receiver.h"
#include "replication/transport/snapshot_sender.h"
#include "replication/transport/tcp_transport.h"
#include "storage/base/clock.h"
#include "storage/fs/posix.h"

namespace holdfast {

inline constexpr auto kTestPatience = std::chrono::seconds(20);
inline constexpr ClusterId kTestCluster{9};
inline constexpr LogPosition kTestPosition{Term{3}, LogIndex{77}};

// What other threads have told, for a test to wait for.
template <class T>
class Told {
 public:
  void put(T item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
    changed_.notify_all();
  }
  // Whether as many came in time.
  bool wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kTestPatience, [&] { return items_.size() >= count; });
  }
  std::vector<T> all() {
    const std::lock_guard lock(mutex_);
    return items_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<T> items_;
};

class SnapshotDirectory {
 public:
  SnapshotDirectory();
  ~SnapshotDirectory();
  SnapshotDirectory(const SnapshotDirectory&) = delete;
  SnapshotDirectory& operator=(const SnapshotDirectory&) = delete;
  const std::string& path() const { return path_; }
  std::vector<std::string> names() const;

 private:
  std::string path_ = "snapshot_test_XXXXXX";
};

using Files = std::map<std::string, std::string>;
std::string bytes_of_length(size_t count);
void write_files(const std::string& directory, const Files& files);
Files read_files(const std::string& directory);

// The operating system's files, until `before` says otherwise. Acts are named as the seam names
// them; `before` is called from whichever thread acts, and set before there is one.
class FaultyFileSystem final : public FileSystem {
 public:
  using Before = std::function<Result<>(const std::string& act, const std::string& path)>;
  Before before = [](const std::string&, const std::string&) -> Result<> { return {}; };
  uint64_t free = UINT64_MAX;
  uint64_t total = UINT64_MAX;
  std::function<void(const std::string& path, std::string& bytes)> after_read;

  Result<std::unique_ptr<File>> create(const std::string& path) override;
  Result<std::unique_ptr<File>> open(const std::string& path) override;
  Result<bool> exists(const std::string& path) const override;
  Result<std::vector<std::string>> list(const std::string& directory) const override;
  Result<> create_directories(const std::string& path) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> remove(const std::string& path) override;
  Result<> remove_directory(const std::string& path) override;
  Result<> sync_directory(const std::string& directory) override;
  Result<DiskSpace> space(const std::string& directory) const override;

 private:
  class FaultyFile;
  PosixFileSystem real_;
};

// Node 2, which listens for peers and receives snapshots.
class ReceivingNode {
 public:
  explicit ReceivingNode(Duration patience = std::chrono::seconds(10));
  ~ReceivingNode();
  ReceivingNode(const ReceivingNode&) = delete;
  ReceivingNode& operator=(const ReceivingNode&) = delete;

  // Once `fs` says what it should.
  void start();
  // As if its process had ended; the port stays.
  const std::string& address() const { return address_; }
  SnapshotReceiver& receiver() { return *receiver_; }
  // Messages come on the loop of its transport, which has a thread of its own.
  boost::asio::io_context& loop() { return loop_; }
  TcpTransport& transport() { return *transport_; }

  SnapshotDirectory directory;
  FaultyFileSystem fs;
  MakeRoom make_room = []() -> Result<> { return {}; };  // set before it starts
  Told<raft::SnapshotArrived> arrived;
  Told<raft::Envelope> messages;

 private:
  const Duration patience_;
  SystemClock clock_;
  boost::asio::io_context loop_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::string address_;
  std::unique_ptr<SnapshotReceiver> receiver_;
  std::unique_ptr<TcpTransport> transport_;
  std::thread thread_;
};

// A node whose state consists of `files`.
class SendingNode {
 public:
  explicit SendingNode(Files files, NodeId id = NodeId{1});
  void start();
  void send(const std::string& address, Term term = Term{5}, NodeId destination = NodeId{2});
  // Sends, and says whether it was delivered.
  bool deliver(const std::string& address, Term term = Term{5}, NodeId destination = NodeId{2});
  void stop() { sender_.reset(); }
  SnapshotSender& sender() { return *sender_; }

  SnapshotDirectory directory;
  FaultyFileSystem fs;
  SnapshotSending how;
  Files files;
  Told<std::string> checkpoints;
  Told<raft::SnapshotDone> done;
  uint64_t last_number = 0;

 private:
  SystemClock clock_;
  std::unique_ptr<SnapshotSender> sender_;
};

std::string free_loopback_address();

// Carries bytes between a dialler and `target`, and does to them what networks do.
class Proxy {
 public:
  // Counted in bytes from all diallers together; once each.
  struct Faults {
    uint64_t cut_at = UINT64_MAX;   // both connections end
    uint64_t flip_at = UINT64_MAX;  // this byte is changed
    uint64_t hold_at = UINT64_MAX;  // from here on nothing is carried, and nothing ends
  };
  Proxy(const std::string& target, Faults faults);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  const std::string& address() const { return address_; }
  uint64_t carried() const { return carried_.load(); }

 private:
  class Pipe;
  void accept();

  const std::string target_;
  Faults faults_;
  std::atomic<uint64_t> carried_ = 0;
  boost::asio::io_context loop_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::string address_;
  std::thread thread_;
};

}  // namespace holdfast
