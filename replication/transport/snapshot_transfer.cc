#include "replication/transport/snapshot_transfer.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "replication/transport/tcp_transport.h"
#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/base/random.h"

namespace holdfast {
namespace {

constexpr Duration kDialPatience = std::chrono::seconds(2);
// What a receiver that refuses has said may still be on its way when the connection breaks.
constexpr Duration kLastWordPatience = std::chrono::milliseconds(500);
constexpr Duration kLineEvery = std::chrono::seconds(10);
// After a slow time, no more than this is sent at once.
constexpr Duration kPaceSlack = std::chrono::milliseconds(50);
// With pauses of 0.2, 0.4 … 3.2 s a receiver has the time to start again.
constexpr int kTriesWithoutProgress = 5;

double mebibytes(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

}  // namespace

SnapshotTransfer::SnapshotTransfer(FileSystem& fs, const Clock& clock, const Interrupt& interrupt,
                                   const SnapshotSending& how, raft::SnapshotOrder order,
                                   std::string address)
    : fs_(fs),
      clock_(clock),
      interrupt_(interrupt),
      how_(how),
      order_(order),
      address_(std::move(address)),
      directory_(fmt::format("{}/out-{}", how.directory, order.number)),
      tries_(kTriesWithoutProgress) {}

Result<> SnapshotTransfer::run(const MakeCheckpoint& checkpoint,
                               const std::function<void()>& between) {
  const Result<> outcome = attempt(checkpoint, between);
  if (const Result<> removed = remove_files(fs_, directory_); !removed)
    log_warning("a snapshot is no longer needed and could not be removed: {}",
                removed.error().message);
  return outcome;
}

Result<> SnapshotTransfer::attempt(const MakeCheckpoint& checkpoint,
                                   const std::function<void()>& between) {
  // First, so that nothing is copied for a peer that is not there.
  Result<TimedSocket> socket = dial();
  if (!socket) return std::unexpected(socket.error());
  HOLDFAST_ASSIGN(const LogPosition position, checkpoint(directory_));
  HOLDFAST_ASSIGN(OutgoingSnapshot snapshot, OutgoingSnapshot::open(fs_, directory_, how_.verify));
  const SnapshotOffer offer{how_.group, order_.destination, random_from_system(), position,
                            snapshot.files()};
  HOLDFAST_TRY(check_offer(offer));
  const Instant began = clock_.now();
  next_line_ = began + kLineEvery;
  const auto tell = [&](std::string_view stage, LogLevel level, std::string text) {
    how_.tell({.kind = EventKind::kSnapshot,
               .level = level,
               .text = std::move(text),
               .fields = {{"direction", "out"},
                          {"stage", std::string(stage)},
                          {"peer", address_},
                          {"index", position.index.value},
                          {"bytes", offer.bytes()}}});
  };
  tell("begins", LogLevel::kInfo,
       fmt::format("sending a snapshot to {}: up to entry {}, {} files, {:.1f} MiB", address_,
                   position.index.value, offer.files.size(), mebibytes(offer.bytes())));
  for (;;) {
    const Result<> outcome = socket ? send_over(*socket, offer, snapshot, between)
                                    : Result<>(std::unexpected(socket.error()));
    if (outcome) {
      tell("arrived", LogLevel::kInfo,
           fmt::format("the snapshot has arrived at {}: {:.1f} MiB were sent in {:.1f} s", address_,
                       mebibytes(sent_),
                       std::chrono::duration<double>(clock_.now() - began).count()));
      return {};
    }
    if (outcome.error().code != ErrorCode::kUnavailable || !wait_to_redial()) return outcome;
    tell("interrupted", LogLevel::kWarning,
         fmt::format("the sending of a snapshot to {} goes on after an interruption: {}", address_,
                     outcome.error().message));
    socket = dial();
  }
}

Result<TimedSocket> SnapshotTransfer::dial() const {
  HOLDFAST_ASSIGN(const HostPort target, parse_host_port(address_));
  HOLDFAST_ASSIGN(TimedSocket socket,
                  TimedSocket::dial(target.host, target.port, clock_, interrupt_,
                                    std::min(kDialPatience, how_.patience)));
  Hello self = how_.self;
  self.snapshot_term = order_.term;
  std::string greeting;
  encode_hello(self, greeting);
  HOLDFAST_TRY(socket.send(greeting, how_.patience));
  HOLDFAST_ASSIGN(const std::string answer,
                  socket.receive_frame(kSnapshotFrameBytesMax, how_.patience));
  std::string_view rest = answer;
  HOLDFAST_ASSIGN(const std::optional<Hello> hello, take_hello(rest));
  CHECK(hello.has_value());
  if (hello->protocol != kPeerProtocol)
    return fail(ErrorCode::kInvalid, fmt::format("{} speaks peer protocol {}, this node {}",
                                                 hello->name, hello->protocol, kPeerProtocol));
  if (hello->cluster != how_.self.cluster || hello->node != order_.destination)
    return fail(ErrorCode::kInvalid,
                fmt::format("{} there has the id {:016x} in the cluster {:016x}, not {:016x} in "
                            "{:016x}",
                            hello->name, hello->node.value, hello->cluster.value,
                            order_.destination.value, how_.self.cluster.value));
  return socket;
}

Result<> SnapshotTransfer::send_over(TimedSocket& socket, const SnapshotOffer& offer,
                                     OutgoingSnapshot& snapshot,
                                     const std::function<void()>& between) {
  HOLDFAST_TRY(say(socket, encode_offer(offer)));
  HOLDFAST_ASSIGN(const SnapshotAnswer answer, hear(socket, how_.patience));
  if (std::holds_alternative<SnapshotStored>(answer)) return {};
  HOLDFAST_ASSIGN(SnapshotPlace place, place_to_go_on_from(answer, offer));
  for (; place.file < offer.files.size(); place = place_after(offer, place)) {
    HOLDFAST_ASSIGN(const std::string bytes, snapshot.read(place, piece_bytes(offer, place)));
    HOLDFAST_TRY(say(socket, encode_piece_head(place, bytes)));
    HOLDFAST_TRY(say(socket, bytes));
    sent_to_ = std::max(sent_to_, place_after(offer, place));
    keep_pace(bytes.size());
    between();
  }
  HOLDFAST_TRY(say(socket, encode_end(snapshot.end())));
  return await_stored(socket, offer);
}

Result<SnapshotPlace> SnapshotTransfer::place_to_go_on_from(const SnapshotAnswer& answer,
                                                            const SnapshotOffer& offer) {
  const SnapshotPlace* const place = std::get_if<SnapshotPlace>(&answer);
  if (place == nullptr || *place > std::max(sent_to_, first_place(offer)) ||
      !is_place(offer, *place))
    return fail(ErrorCode::kInvalid, "it asks for a part of the snapshot that there is not");
  if (*place > there_) {
    there_ = *place;
    tries_ = kTriesWithoutProgress;
  }
  return *place;
}

// It says that it verifies at most once for each piece.
Result<> SnapshotTransfer::await_stored(TimedSocket& socket, const SnapshotOffer& offer) const {
  const uint64_t pieces = offer.bytes() / kSnapshotPieceBytes + offer.files.size();
  for (uint64_t heard = 0; heard <= pieces; ++heard) {
    HOLDFAST_ASSIGN(const SnapshotAnswer answer, hear(socket, how_.patience));
    if (std::holds_alternative<SnapshotStored>(answer)) return {};
    if (!std::holds_alternative<SnapshotVerifying>(answer)) break;
  }
  return fail(ErrorCode::kInvalid, "it speaks out of turn");
}

Result<> SnapshotTransfer::say(TimedSocket& socket, std::string_view bytes) const {
  Result<> sent = socket.has_news() ? fail(ErrorCode::kInvalid, "it speaks out of turn")
                                    : socket.send(bytes, how_.patience);
  if (sent || interrupt_.raised()) return sent;
  // Why it does not listen any more, if it says so.
  HOLDFAST_TRY(hear(socket, kLastWordPatience));
  return sent;
}

Result<SnapshotAnswer> SnapshotTransfer::hear(TimedSocket& socket, Duration patience) const {
  HOLDFAST_ASSIGN(const std::string frame, socket.receive_frame(kSnapshotFrameBytesMax, patience));
  HOLDFAST_ASSIGN(SnapshotAnswer answer, read_answer(frame));
  if (const SnapshotRefused* const refused = std::get_if<SnapshotRefused>(&answer))
    return fail(refused->may_dial_again ? ErrorCode::kUnavailable : ErrorCode::kInvalid,
                "it says: " + refused->reason.substr(0, 1000));
  return answer;
}

void SnapshotTransfer::keep_pace(uint64_t bytes) {
  sent_ += bytes;
  const Instant now = clock_.now();
  const double seconds = static_cast<double>(bytes) / static_cast<double>(how_.bytes_per_second);
  next_piece_ =
      std::max(next_piece_, now - kPaceSlack) + Duration(static_cast<int64_t>(seconds * 1e9));
  if (next_piece_ > now) interrupt_.wait(next_piece_ - now);
  if (now < next_line_) return;
  next_line_ = now + kLineEvery;
  log_info("sending a snapshot to {}: {:.1f} MiB so far", address_, mebibytes(sent_));
}

bool SnapshotTransfer::wait_to_redial() {
  if (tries_ == 0) return false;
  interrupt_.wait(how_.redial_first * (1 << (kTriesWithoutProgress - tries_)));
  --tries_;
  return !interrupt_.raised();
}

}  // namespace holdfast
