#include "tests/transport/snapshot_fixture.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <boost/asio/write.hpp>

#include "storage/base/check.h"
#include "storage/base/random.h"

namespace holdfast {

namespace net = boost::asio;
using boost::system::error_code;
using net::ip::tcp;

SnapshotDirectory::SnapshotDirectory() {
  CHECK(::mkdtemp(path_.data()) != nullptr);
}

SnapshotDirectory::~SnapshotDirectory() {
  std::filesystem::remove_all(path_);
}

std::vector<std::string> SnapshotDirectory::names() const {
  return *PosixFileSystem().list(path_);
}

std::string bytes_of_length(size_t count) {
  Random random(count);
  std::string bytes;
  bytes.reserve(count + 8);
  while (bytes.size() < count) {
    const uint64_t word = random.next();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  bytes.resize(count);
  return bytes;
}

void write_files(const std::string& directory, const Files& files) {
  std::filesystem::create_directories(directory);
  for (const auto& [name, bytes] : files)
    std::ofstream(directory + "/" + name, std::ios::binary) << bytes;
}

Files read_files(const std::string& directory) {
  Files files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::ifstream in(entry.path(), std::ios::binary);
    files[entry.path().filename().string()] = {std::istreambuf_iterator<char>(in), {}};
  }
  return files;
}

class FaultyFileSystem::FaultyFile final : public File {
 public:
  FaultyFile(FaultyFileSystem& fs, std::string path, std::unique_ptr<File> real)
      : fs_(fs), path_(std::move(path)), real_(std::move(real)) {}
  Result<> write_at(uint64_t offset, std::string_view bytes) override {
    HOLDFAST_TRY(fs_.before("write_at", path_));
    return real_->write_at(offset, bytes);
  }
  Result<std::string> read_at(uint64_t offset, size_t count) const override {
    HOLDFAST_TRY(fs_.before("read_at", path_));
    Result<std::string> bytes = real_->read_at(offset, count);
    if (bytes && fs_.after_read) fs_.after_read(path_, *bytes);
    return bytes;
  }
  Result<> take_room(uint64_t bytes) override { return real_->take_room(bytes); }
  Result<> sync() override {
    HOLDFAST_TRY(fs_.before("sync", path_));
    return real_->sync();
  }
  Result<uint64_t> size() const override { return real_->size(); }

 private:
  FaultyFileSystem& fs_;
  const std::string path_;
  const std::unique_ptr<File> real_;
};

Result<std::unique_ptr<File>> FaultyFileSystem::create(const std::string& path) {
  HOLDFAST_TRY(before("create", path));
  HOLDFAST_ASSIGN(std::unique_ptr<File> file, real_.create(path));
  return std::make_unique<FaultyFile>(*this, path, std::move(file));
}

Result<std::unique_ptr<File>> FaultyFileSystem::open(const std::string& path) {
  HOLDFAST_TRY(before("open", path));
  HOLDFAST_ASSIGN(std::unique_ptr<File> file, real_.open(path));
  return std::make_unique<FaultyFile>(*this, path, std::move(file));
}

Result<bool> FaultyFileSystem::exists(const std::string& path) const {
  return real_.exists(path);
}

Result<std::vector<std::string>> FaultyFileSystem::list(const std::string& directory) const {
  HOLDFAST_TRY(before("list", directory));
  return real_.list(directory);
}

Result<> FaultyFileSystem::create_directories(const std::string& path) {
  HOLDFAST_TRY(before("create_directories", path));
  return real_.create_directories(path);
}

Result<> FaultyFileSystem::rename(const std::string& from, const std::string& to) {
  HOLDFAST_TRY(before("rename", from));
  return real_.rename(from, to);
}

Result<> FaultyFileSystem::remove(const std::string& path) {
  HOLDFAST_TRY(before("remove", path));
  return real_.remove(path);
}

Result<> FaultyFileSystem::remove_directory(const std::string& path) {
  HOLDFAST_TRY(before("remove_directory", path));
  return real_.remove_directory(path);
}

Result<> FaultyFileSystem::sync_directory(const std::string& directory) {
  HOLDFAST_TRY(before("sync_directory", directory));
  return real_.sync_directory(directory);
}

Result<DiskSpace> FaultyFileSystem::space(const std::string&) const {
  return DiskSpace{.free = free, .total = total};
}

std::string free_loopback_address() {
  net::io_context loop;
  const tcp::acceptor probe(loop, {net::ip::address_v4::loopback(), 0});
  return "127.0.0.1:" + std::to_string(probe.local_endpoint().port());
}

ReceivingNode::ReceivingNode(Duration patience)
    : patience_(patience), work_(loop_.get_executor()), address_(free_loopback_address()) {}

ReceivingNode::~ReceivingNode() {
  loop_.stop();
  if (thread_.joinable()) thread_.join();
}

void ReceivingNode::start() {
  ASSERT_TRUE(prepare_snapshot_directory(fs, directory.path()).has_value());
  receiver_ = std::make_unique<SnapshotReceiver>(
      fs, clock_,
      SnapshotReceiver::Config{NodeId{2}, kFirstGroup, directory.path(), patience_, make_room},
      [this](raft::SnapshotArrived arrival) { arrived.put(std::move(arrival)); });
  transport_ = std::make_unique<TcpTransport>(
      loop_, Hello{kPeerProtocol, kTestCluster, NodeId{2}, "n2", address_}, Random(2));
  ASSERT_TRUE(transport_->listen(address_).has_value());
  transport_->start(
      kFirstGroup, [this](raft::Envelope envelope) { messages.put(std::move(envelope)); }, nullptr);
  transport_->receive_snapshots([this](Descriptor connection, const Hello& peer) {
    receiver_->take(std::move(connection), peer);
  });
  thread_ = std::thread([this] { loop_.run(); });
}

SendingNode::SendingNode(Files its_files, NodeId id) : files(std::move(its_files)) {
  how.self = {kPeerProtocol, kTestCluster, id, "n" + std::to_string(id.value), ""};
  how.group = kFirstGroup;
  how.directory = directory.path();
  how.redial_first = std::chrono::milliseconds(2);
  how.rest_first = std::chrono::milliseconds(2);
  how.bytes_per_second = uint64_t{4} << 30;
}

void SendingNode::start() {
  sender_ = std::make_unique<SnapshotSender>(
      fs, clock_, how,
      [this](const std::string& made) -> Result<LogPosition> {
        write_files(made, files);
        checkpoints.put(made);
        return kTestPosition;
      },
      [this](raft::SnapshotDone outcome) { done.put(outcome); });
}

void SendingNode::send(const std::string& address, Term term, NodeId destination) {
  sender_->send({destination, ++last_number, term}, address);
}

bool SendingNode::deliver(const std::string& address, Term term, NodeId destination) {
  const size_t before = done.all().size();
  send(address, term, destination);
  if (!done.wait_for(before + 1)) return false;
  EXPECT_EQ(done.all().back().number, last_number);
  EXPECT_EQ(done.all().back().destination, destination);
  return done.all().back().delivered;
}

class Proxy::Pipe : public std::enable_shared_from_this<Pipe> {
 public:
  Pipe(Proxy& owner, tcp::socket near) : owner_(owner), near_(std::move(near)), far_(owner.loop_) {}

  void start() {
    const Result<HostPort> target = parse_host_port(owner_.target_);
    error_code code;
    far_.connect(
        {net::ip::make_address(target->host), static_cast<uint16_t>(std::stoi(target->port))},
        code);
    if (code) return close();
    pump_up();
    pump_down();
  }

 private:
  void close() {
    error_code ignored;
    near_.close(ignored);
    far_.close(ignored);
  }

  void pump_up() {
    near_.async_read_some(net::buffer(up_),
                          [self = shared_from_this()](error_code code, size_t count) {
                            if (code) return self->close();
                            self->forward(count);
                          });
  }

  void forward(size_t count) {
    Faults& faults = owner_.faults_;
    const uint64_t from = owner_.carried_;
    if (from + count > faults.hold_at) return;
    if (faults.flip_at - from < count) {
      up_[faults.flip_at - from] ^= 1;
      faults.flip_at = UINT64_MAX;
    }
    const bool cut = faults.cut_at - from < count;
    if (cut) {
      count = faults.cut_at - from;
      faults.cut_at = UINT64_MAX;
    }
    owner_.carried_ += count;
    net::async_write(far_, net::buffer(up_.data(), count),
                     [self = shared_from_this(), cut](error_code code, size_t) {
                       if (code || cut) return self->close();
                       self->pump_up();
                     });
  }

  void pump_down() {
    far_.async_read_some(net::buffer(down_),
                         [self = shared_from_this()](error_code code, size_t count) {
                           if (code) return self->close();
                           net::async_write(self->near_, net::buffer(self->down_.data(), count),
                                            [self](error_code failed, size_t) {
                                              if (failed) return self->close();
                                              self->pump_down();
                                            });
                         });
  }

  Proxy& owner_;
  tcp::socket near_;
  tcp::socket far_;
  std::array<char, 64 << 10> up_{};
  std::array<char, 64 << 10> down_{};
};

Proxy::Proxy(const std::string& target, Faults faults)
    : target_(target),
      faults_(faults),
      acceptor_(loop_, {net::ip::address_v4::loopback(), 0}),
      address_("127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port())) {
  accept();
  thread_ = std::thread([this] { loop_.run(); });
}

Proxy::~Proxy() {
  loop_.stop();
  thread_.join();
}

void Proxy::accept() {
  acceptor_.async_accept([this](error_code code, tcp::socket socket) {
    if (code) return;
    std::make_shared<Pipe>(*this, std::move(socket))->start();
    accept();
  });
}

}  // namespace holdfast
