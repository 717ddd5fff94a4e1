#include "replication/transport/snapshot_receiver.h"

#include <utility>

#include <fmt/core.h>

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/base/thread_name.h"

namespace holdfast {
namespace {

// For a sender to read why it was refused.
constexpr Duration kFarewellPatience = std::chrono::seconds(1);
constexpr Duration kSayVerifyingEvery = std::chrono::seconds(1);
constexpr int kPartKeptFor = 6;  // times the patience

std::string refusal(const Error& error) {
  return encode_answer(SnapshotRefused{error.message, error.code != ErrorCode::kInvalid});
}

}  // namespace

SnapshotReceiver::SnapshotReceiver(FileSystem& fs, const Clock& clock, Config config,
                                   Arrived arrived)
    : fs_(fs),
      clock_(clock),
      config_(std::move(config)),
      arrived_(std::move(arrived)),
      thread_([this] { run(); }) {}

SnapshotReceiver::~SnapshotReceiver() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    interrupt_.raise();
  }
  changed_.notify_one();
  thread_.join();
}

void SnapshotReceiver::take(Descriptor connection, const Hello& peer) {
  {
    const std::lock_guard lock(mutex_);
    if (peer.snapshot_term > newest_term_ ||
        (peer.snapshot_term == newest_term_ && peer.node == newest_peer_)) {
      newest_term_ = peer.snapshot_term;
      newest_peer_ = peer.node;
      next_ = Caller{std::move(connection), peer};
      interrupt_.raise();
      changed_.notify_one();
      return;
    }
  }
  const Error stale{
      ErrorCode::kInvalid,
      fmt::format("a snapshot of term {} is not taken: a leader of the same or a later "
                  "term has sent one",
                  peer.snapshot_term.value)};
  log_warning("{} was refused: {}", peer.name, stale.message);
  say_and_close(std::move(connection), refusal(stale));
}

void SnapshotReceiver::discard(std::string source) {
  CHECK(source.starts_with(config_.directory + "/in-"), "{}", source);
  const std::lock_guard lock(mutex_);
  discarded_.push_back(std::move(source));
  changed_.notify_one();
}

void SnapshotReceiver::end(NodeId peer) {
  const std::lock_guard lock(mutex_);
  // Of another the connection has been called off by this one's, or there is none.
  if (peer != newest_peer_) return;
  next_.reset();
  interrupt_.raise();
}

void SnapshotReceiver::run() {
  name_this_thread("snapshot-in");
  while (std::optional<Caller> caller = next_caller()) serve(*std::move(caller));
}

std::optional<SnapshotReceiver::Caller> SnapshotReceiver::next_caller() {
  for (;;) {
    remove_discarded();
    std::unique_lock lock(mutex_);
    const bool woken = changed_.wait_for(lock, kPartKeptFor * config_.patience, [this] {
      return closing_ || next_.has_value() || !discarded_.empty();
    });
    if (closing_) return std::nullopt;
    if (next_) {
      interrupt_.clear();
      return std::exchange(next_, std::nullopt);
    }
    lock.unlock();
    if (!woken) drop_part();  // nobody has come back for it
  }
}

void SnapshotReceiver::remove_discarded() {
  std::vector<std::string> sources;
  {
    const std::lock_guard lock(mutex_);
    std::swap(sources, discarded_);
  }
  for (const std::string& source : sources) {
    if (const Result<> removed = remove_files(fs_, source); !removed)
      log_warning("a snapshot that is not wanted stays until the next start: {}",
                  removed.error().message);
  }
}

void SnapshotReceiver::serve(Caller caller) {
  TimedSocket socket(std::move(caller.connection), clock_, interrupt_);
  const Result<> outcome = receive(socket, caller.peer);
  if (outcome) return;
  tell("interrupted", caller.peer,
       fmt::format("the receiving of a snapshot from {} ended: {}", caller.peer.name,
                   outcome.error().message));
  if (socket.send(refusal(outcome.error()), kFarewellPatience))
    socket.close_gently(kFarewellPatience);
}

Result<> SnapshotReceiver::receive(TimedSocket& socket, const Hello& peer) {
  HOLDFAST_ASSIGN(const std::string frame, hear(socket));
  HOLDFAST_ASSIGN(const SnapshotOffer offer, read_offer(frame));
  if (offer.group != config_.group || offer.to != config_.self)
    return fail(ErrorCode::kInvalid, "the snapshot is for another node or group");
  HOLDFAST_TRY(check_offer(offer));
  if (stored_ == offer.snapshot) return say(socket, SnapshotStored{});
  HOLDFAST_TRY(prepare_for(offer));
  tell("begins", peer,
       fmt::format("receiving a snapshot from {}, leader of term {}: up to entry {}, {} files, {} "
                   "MiB",
                   peer.name, peer.snapshot_term.value, offer.position.index.value,
                   offer.files.size(), offer.bytes() >> 20));
  HOLDFAST_TRY(say(socket, part_->place()));
  HOLDFAST_TRY(receive_pieces(socket));
  return finish(socket, peer);
}

void SnapshotReceiver::tell(std::string_view stage, const Hello& peer, std::string text) const {
  const bool is_wrong = stage == "interrupted";
  Event event{.kind = EventKind::kSnapshot,
              .level = is_wrong ? LogLevel::kWarning : LogLevel::kInfo,
              .text = std::move(text),
              .fields = {{"direction", "in"}, {"stage", std::string(stage)}, {"peer", peer.name}}};
  if (part_) event.fields.emplace_back("index", part_->offer().position.index.value);
  if (part_) event.fields.emplace_back("bytes", part_->offer().bytes());
  config_.tell(std::move(event));
}

Result<> SnapshotReceiver::prepare_for(const SnapshotOffer& offer) {
  if (part_ && part_->offer() == offer) return {};
  part_.reset();  // `begin` removes its files
  Result<IncomingSnapshot> part =
      IncomingSnapshot::begin(fs_, config_.directory, offer, config_.make_room);
  if (!part) return on_disk(std::unexpected(part.error()));
  part_.emplace(*std::move(part));
  return {};
}

Result<> SnapshotReceiver::receive_pieces(TimedSocket& socket) {
  while (!part_->whole()) {
    remove_discarded();
    const SnapshotPlace place = part_->place();
    HOLDFAST_ASSIGN(const std::string head,
                    socket.receive(kSnapshotPieceHeadBytes, config_.patience));
    HOLDFAST_ASSIGN(const std::string bytes,
                    socket.receive(piece_bytes(part_->offer(), place), config_.patience));
    HOLDFAST_TRY(verify_piece(head, place, bytes));
    HOLDFAST_TRY(on_disk(part_->store(bytes)));
  }
  return {};
}

Result<> SnapshotReceiver::finish(TimedSocket& socket, const Hello& peer) {
  HOLDFAST_ASSIGN(const std::string frame, hear(socket));
  HOLDFAST_ASSIGN(const SnapshotEnd end, read_end(frame));
  Instant next_word = clock_.now() + kSayVerifyingEvery;
  HOLDFAST_TRY(on_disk(part_->verify(end, [&]() -> Result<> {
    if (clock_.now() < next_word) return {};
    next_word = clock_.now() + kSayVerifyingEvery;
    return say(socket, SnapshotVerifying{});
  })));
  const Result<std::string> source = part_->finish();
  if (!source) return on_disk(std::unexpected(source.error()));
  const LogPosition position = part_->offer().position;
  stored_ = part_->offer().snapshot;
  tell("arrived", peer,
       fmt::format("a snapshot from {} has arrived, up to entry {}", peer.name,
                   position.index.value));
  part_.reset();
  arrived_({peer.node, peer.snapshot_term, position, *source});
  return say(socket, SnapshotStored{});
}

Result<> SnapshotReceiver::say(TimedSocket& socket, const SnapshotAnswer& answer) {
  return socket.send(encode_answer(answer), config_.patience);
}

Result<std::string> SnapshotReceiver::hear(TimedSocket& socket) {
  return socket.receive_frame(kSnapshotFrameBytesMax, config_.patience);
}

void SnapshotReceiver::drop_part() {
  if (!part_) return;
  const std::string directory = part_->directory();
  part_.reset();
  if (const Result<> removed = remove_files(fs_, directory); !removed)
    log_warning("a part of a snapshot stays until the next one comes: {}", removed.error().message);
}

Result<> SnapshotReceiver::on_disk(Result<> outcome) {
  if (outcome || outcome.error().code == ErrorCode::kUnavailable) return outcome;
  drop_part();
  return fail(ErrorCode::kInvalid, outcome.error().message);
}

}  // namespace holdfast
