#include "storage/kv/kv_state_machine.h"

#include <algorithm>
#include <array>
#include <utility>

#include "storage/base/check.h"
#include "storage/base/codec.h"
#include "storage/kv/must.h"
#include "storage/kv/overlay.h"
#include "storage/kv/own_names.h"
#include "storage/kv/state_format.h"
#include "storage/kv/stored_bytes.h"
#include "storage/kv/transaction.h"

// The named values in the engine:
//
//   format      u64, see state_format.h
//   head        index, term, revision, cluster_ms, wall_ms, state_hash: u64 each
//   client_urls { node: u64, length: u32, url }, ascending by node
//   members     the payload of the last entry of kind kMembers
//   installed   index: u64, term: u64 of the last snapshot that was installed
//   agreement   index, revision, cluster_ms, hash: u64 each, { node: u64, hash: u64 } ascending

namespace holdfast {
namespace {

constexpr size_t kSummaryBytes = 48;
// What is asked of a state before it is installed: what it has of itself, and its floor.
constexpr auto kWords = [] {
  std::array<std::string_view, kOwnNames.size() + 1> words;
  *std::ranges::copy(kOwnNames, words.begin()).out = History::kFloor;
  return words;
}();

std::string encode_head(const StateSummary& head) {
  std::string out;
  out.reserve(kSummaryBytes);
  put_fixed(out, head.applied.index.value);
  put_fixed(out, head.applied.term.value);
  put_fixed(out, head.revision.value);
  put_fixed(out, head.cluster_ms);
  put_fixed(out, head.wall_ms);
  put_fixed(out, head.state_hash);
  return out;
}

Result<StateSummary> decode_head(std::string_view bytes) {
  if (bytes.size() != kSummaryBytes) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("the state's head has {} bytes instead of {}: restore this node from "
                            "its peers, or start it with the version that wrote the state",
                            bytes.size(), kSummaryBytes));
  }
  const auto field = [bytes](size_t i) { return load_fixed<uint64_t>(bytes.data() + 8 * i); };
  return StateSummary{.applied = {.term = {field(1)}, .index = {field(0)}},
                      .revision = {field(2)},
                      .cluster_ms = field(3),
                      .wall_ms = field(4),
                      .state_hash = field(5)};
}

std::string encode_urls(const ClientUrls& urls) {
  std::string out;
  for (const auto& [node, url] : urls) {
    put_fixed(out, node.value);
    put_fixed(out, static_cast<uint32_t>(url.size()));
    out.append(url);
  }
  return out;
}

Result<ClientUrls> decode_urls(std::string_view bytes) {
  const std::unexpected<Error> damaged =
      fail(ErrorCode::kCorrupt,
           "the state's list of client URLs cannot be read: restore this node from its peers");
  ClientUrls urls;
  FixedReader reader(bytes);
  while (!reader.rest().empty()) {
    const std::optional<uint64_t> node = reader.take<uint64_t>();
    const std::optional<uint32_t> length = reader.take<uint32_t>();
    if (!node || !length) return damaged;
    const std::optional<std::string_view> url = reader.take_bytes(*length);
    if (!url) return damaged;
    urls.emplace(NodeId{*node}, *url);
  }
  return urls;
}

std::string encode_installed(const LogPosition& position) {
  std::string out;
  put_fixed(out, position.index.value);
  put_fixed(out, position.term.value);
  return out;
}

Result<LogPosition> decode_installed(std::string_view bytes) {
  if (bytes.size() != 16) {
    return fail(ErrorCode::kCorrupt,
                "the state's note of its last snapshot cannot be read: restore this node from its "
                "peers");
  }
  return LogPosition{.term = {load_fixed<uint64_t>(bytes.data() + 8)},
                     .index = {load_fixed<uint64_t>(bytes.data())}};
}

// Readers on several threads may come with an older and a newer value: the newer one stays.
void raise(std::atomic<uint64_t>& value, uint64_t to) {
  uint64_t now = value.load(std::memory_order_relaxed);
  while (now < to && !value.compare_exchange_weak(now, to, std::memory_order_release)) {
  }
}

}  // namespace

KvStateMachine::KvStateMachine(Engine& engine, uint64_t unflushed_bytes_max)
    : engine_(engine),
      unflushed_bytes_max_(unflushed_bytes_max),
      leases_(engine),
      idempotency_(engine),
      history_(engine) {}

Result<std::unique_ptr<KvStateMachine>> KvStateMachine::open(Engine& engine,
                                                             uint64_t unflushed_bytes_max) {
  std::unique_ptr<KvStateMachine> machine(new KvStateMachine(engine, unflushed_bytes_max));
  HOLDFAST_TRY(machine->read_back());
  return machine;
}

Result<KvStateMachine::Words> KvStateMachine::decode_words(const NamedValues& values) {
  Words words;
  HOLDFAST_ASSIGN(words.format, format_in(values));
  if (const auto head = values.find(kHead); head != values.end()) {
    HOLDFAST_ASSIGN(words.head, decode_head(head->second));
  }
  if (const auto urls = values.find(kClientUrls); urls != values.end()) {
    HOLDFAST_ASSIGN(words.urls, decode_urls(urls->second));
  }
  if (const auto members = values.find(kMembers); members != values.end()) {
    words.members = members->second;
  }
  if (const auto installed = values.find(kInstalled); installed != values.end()) {
    HOLDFAST_ASSIGN(words.installed, decode_installed(installed->second));
  }
  if (const auto check = values.find(kAgreement); check != values.end()) {
    HOLDFAST_ASSIGN(words.check, decode_check(check->second));
  }
  HOLDFAST_ASSIGN(words.floor, History::floor_in(values));
  return words;
}

Result<> KvStateMachine::read_back() {
  NamedValues values;
  for (const std::string_view name : kWords) {
    std::optional<std::string> value;
    HOLDFAST_ASSIGN(value, engine_.get_meta(name));
    if (value) values.emplace(name, std::move(*value));
  }
  Words words;
  HOLDFAST_ASSIGN(words, decode_words(values));
  flushes_seen_ = engine_.flush_count();
  LogIndex durable;
  HOLDFAST_ASSIGN(durable, read_durable());
  durable_ = durable.value;
  HOLDFAST_TRY(leases_.read_again());
  HOLDFAST_TRY(idempotency_.read_again());
  HOLDFAST_TRY(history_.read_back(words.head.revision));
  take_over(std::move(words));
  return {};
}

void KvStateMachine::take_over(Words words) {
  head_ = words.head;
  urls_ = std::move(words.urls);
  members_ = std::move(words.members);
  installed_ = words.installed;
  check_ = std::move(words.check);
  format_ = words.format;
  recent_ = RecentRows();
  flushes_known_ = engine_.flush_count();
  unflushed_bytes_ = 0;
  urls_changed_ = true;
  members_changed_ = true;
  check_changed_ = true;
  publish();
  format_due_ = true;
  locks_.begin_anew();
}

void KvStateMachine::need_format(uint64_t format) {
  if (format_ >= format) return;
  format_ = format;
  format_due_ = true;
}

void KvStateMachine::apply(std::span<const EntryPtr> entries, NodeId self,
                           std::vector<Completion>& completions) {
  if (entries.empty()) return;
  Overlay overlay(engine_, head_.revision, recent_);
  EngineBatch batch;
  uint64_t bytes = 0;
  for (const EntryPtr& entry : entries) {
    CHECK(entry->index == head_.applied.index + 1, "entry {} after entry {}", entry->index.value,
          head_.applied.index.value);
    head_.applied = entry->position();
    head_.cluster_ms = std::max(head_.cluster_ms, entry->stamp.cluster_ms);
    head_.wall_ms = std::max(head_.wall_ms, entry->stamp.wall_ms);
    bytes += entry->bytes();
    idempotency_.evict(overlay.named(), head_.cluster_ms);
    Reply reply{.revision = head_.revision};
    switch (entry->kind) {
      case EntryKind::kCommand:
        reply = apply_command(*entry, overlay);
        break;
      case EntryKind::kMembers:
        members_ = entry->payload.view();
        members_changed_ = true;
        break;
      case EntryKind::kBarrier:
        break;
      default:
        fatal(
            fmt::format("log entry {} is of the kind {}, which this version does not know: "
                        "start a version that does",
                        entry->index.value, static_cast<int>(entry->kind)));
    }
    head_.state_hash += overlay.named().take_hash_change();
    if (entry->origin.node == self)
      completions.push_back({entry->origin.request, std::move(reply)});
  }

  if (std::exchange(format_due_, false)) batch.meta.emplace_back(kFormat, encode_number(format_));
  if (urls_changed_) batch.meta.emplace_back(kClientUrls, encode_urls(urls_));
  if (members_changed_) batch.meta.emplace_back(kMembers, members_);
  if (check_changed_) batch.meta.emplace_back(kAgreement, encode_check(check_));
  batch.meta.emplace_back(kHead, encode_head(head_));
  overlay.take(batch);
  engine_.write(batch);
  leases_.settle();
  idempotency_.settle();
  publish();
  locks_.settle();
  must(history_.settle(head_.revision));
  ask_for_flush(bytes);
}

Reply KvStateMachine::apply_command(const LogEntry& entry, Overlay& overlay) {
  Result<Command> command = decode_command(entry.payload.view());
  if (!command) {
    fatal(fmt::format(
        "log entry {} of term {} cannot be applied: {}. The state is whole up to "
        "entry {}; start a version that understands it",
        entry.index.value, entry.term.value, command.error().message, entry.index.value - 1));
  }
  return act(*command, overlay);
}

Reply KvStateMachine::act(Command& command, Overlay& overlay) {
  if (!command.once) return make(command, overlay, Answer::kGiven);
  const Once& once = *command.once;
  std::optional<Idempotency::Kept> kept =
      idempotency_.find(overlay.named(), once.key, head_.cluster_ms);
  if (kept) {
    if (kept->fingerprint != once.fingerprint) return refuse(ReplyStatus::kOnceMismatch);
    kept->reply.replayed = true;
    return std::move(kept->reply);
  }
  // To make it twice does no harm: its answer, which may be large, need not be kept.
  const auto* transaction = std::get_if<TransactionCommand>(&command.act);
  if (transaction != nullptr && only_reads(*transaction))
    return make(command, overlay, Answer::kGiven);
  if (!idempotency_.make_room(overlay.named(), head_.cluster_ms)) {
    Reply refusal = refuse(ReplyStatus::kOnceFull);
    refusal.retry_ms = idempotency_.first_over_ms(overlay.named()) - head_.cluster_ms;
    return refusal;
  }
  Reply reply = make(command, overlay, Answer::kKept);
  if (is_kept(reply.status)) idempotency_.keep(overlay.named(), once, reply, head_.cluster_ms);
  return reply;
}

Reply KvStateMachine::refuse(ReplyStatus status, Revision current) const {
  return {.status = status, .revision = head_.revision, .current = current};
}

Reply KvStateMachine::act(AnnounceCommand& announce, Overlay&) {
  urls_[announce.node] = std::move(announce.client_url);
  urls_changed_ = true;
  return {.revision = head_.revision};
}

void KvStateMachine::publish() {
  {
    const std::lock_guard lock(mutex_);
    published_ = head_;
    if (urls_changed_) published_urls_ = std::make_shared<const ClientUrls>(urls_);
    if (members_changed_) published_members_ = members_;
    if (check_changed_) published_check_ = std::make_shared<const HashCheck>(check_);
  }
  history_.publish();
  check_changed_ = false;
  urls_changed_ = false;
  members_changed_ = false;
  cluster_ms_.store(head_.cluster_ms, std::memory_order_release);
  revision_.store(head_.revision.value, std::memory_order_release);
}

void KvStateMachine::ask_for_flush(uint64_t applied_bytes) {
  if (const uint64_t flushes = engine_.flush_count(); flushes != flushes_known_) {
    // The engine flushed, asked or not; what came while it did so is counted to the next one.
    flushes_known_ = flushes;
    unflushed_bytes_ = 0;
  }
  unflushed_bytes_ += applied_bytes;
  if (unflushed_bytes_ <= unflushed_bytes_max_) return;
  engine_.start_flush();
  unflushed_bytes_ = 0;
}

Result<LogIndex> KvStateMachine::read_durable() const {
  std::optional<std::string> kept;
  HOLDFAST_ASSIGN(kept, engine_.get_durable_meta(kHead));
  if (!kept) return LogIndex{};
  StateSummary head;
  HOLDFAST_ASSIGN(head, decode_head(*kept));
  return head.applied.index;
}

LogIndex KvStateMachine::durable() const {
  // The count first: a flush that completes in between is then looked at again next time.
  const uint64_t flushes = engine_.flush_count();
  if (flushes_seen_.load(std::memory_order_acquire) < flushes) {
    const Result<LogIndex> durable = read_durable();
    if (!durable) fatal(durable.error().message);
    raise(durable_, durable->value);
    raise(flushes_seen_, flushes);
  }
  return {durable_.load(std::memory_order_acquire)};
}

StateSummary KvStateMachine::summary() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

std::shared_ptr<const ClientUrls> KvStateMachine::client_urls() const {
  const std::lock_guard lock(mutex_);
  return published_urls_;
}

std::string KvStateMachine::members_payload() const {
  const std::lock_guard lock(mutex_);
  return published_members_;
}

Result<> KvStateMachine::checkpoint(const std::string& directory) {
  return engine_.checkpoint(directory);
}

Result<KvStateMachine::Words> KvStateMachine::read_words(const std::string& directory) const {
  NamedValues values;
  HOLDFAST_ASSIGN(values, engine_.read_checkpoint(directory, kWords));
  Words words;
  HOLDFAST_ASSIGN(words, decode_words(values));
  if (!words.head.applied.index) {
    return fail(ErrorCode::kInvalid,
                fmt::format("the checkpoint '{}' is of a state without an entry", directory));
  }
  return words;
}

Result<SnapshotHead> KvStateMachine::read_snapshot_head(const std::string& directory) const {
  Words words;
  HOLDFAST_ASSIGN(words, read_words(directory));
  return SnapshotHead{words.head.applied, std::move(words.members), words.head.stamp(),
                      words.head.revision};
}

Result<> KvStateMachine::install(const std::string& directory) {
  // All that can be refused is found before anything is changed.
  Words words;
  HOLDFAST_ASSIGN(words, read_words(directory));
  const LogPosition position = words.head.applied;
  if (position.index < applied().index) {
    return fail(ErrorCode::kInvalid,
                fmt::format("the snapshot '{}' is of entry {}, and entry {} is already applied",
                            directory, position.index.value, applied().index.value));
  }
  return install(directory, std::move(words), {});
}

Result<> KvStateMachine::install_as_new(const std::string& directory, const Beginning& beginning) {
  Words words;
  HOLDFAST_ASSIGN(words, read_words(directory));
  if (beginning.revision < words.head.revision) {
    return fail(ErrorCode::kInvalid,
                fmt::format("revision {} is less than {}, which the state '{}' has reached",
                            beginning.revision.value, words.head.revision.value, directory));
  }
  words.head.revision = beginning.revision;
  words.urls.clear();
  words.members = beginning.members;
  words.check = {};
  NamedValues meta{{std::string(kHead), encode_head(words.head)},
                   {std::string(kClientUrls), encode_urls(words.urls)},
                   {std::string(kMembers), words.members},
                   {std::string(kAgreement), encode_check(words.check)}};
  return install(directory, std::move(words), std::move(meta));
}

Result<> KvStateMachine::install(const std::string& directory, Words words, NamedValues meta) {
  words.installed = words.head.applied;
  history_.expect(words.floor);
  // Noted before the switch: a start right behind it must know why the state is ahead of the log.
  meta.emplace(kInstalled, encode_installed(words.installed));
  HOLDFAST_TRY(engine_.install(directory, meta));
  if (const Result<> read = leases_.read_again(); !read) fatal(read.error().message);
  if (const Result<> read = idempotency_.read_again(); !read) fatal(read.error().message);
  if (const Result<> read = history_.read_back(words.head.revision); !read)
    fatal(read.error().message);
  // Published last: what a reader is told of is already there.
  take_over(std::move(words));
  return {};
}

}  // namespace holdfast
