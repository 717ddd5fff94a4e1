#include "bench/drill/load.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "bench/drill/request.h"
#include "client/http_connection.h"

namespace holdfast::drill {
namespace {

constexpr size_t kKeysEach = 4;  // in a group
constexpr size_t kOperationsMax = 1500;
constexpr size_t kUnknownMax = 6;
constexpr Duration kKeyPatience = std::chrono::seconds(10);  // for a key
constexpr Duration kPauseWhenRefused = std::chrono::milliseconds(10);

}  // namespace

struct Load::Client {
  std::string name;
  Random random;
  size_t target;
  Mix mix;
  std::vector<HttpConnection> connections;
  History history;
  uint64_t serial = 0;
  // Of late, by the key's text: a value's revision, for conditions.
  std::unordered_map<std::string, uint64_t> seen;
};

namespace {

// What a client asks for, of keys of one group.
class Requests {
 public:
  Requests(Random& random, Names& names, const std::vector<std::string>& keys)
      : random_(random), names_(names), keys_(keys) {}

  Operation draw(Mix mix, const std::unordered_map<std::string, uint64_t>& seen,
                 const std::string& value) {
    value_ = value;
    if (mix == Mix::kLinearizableReads) return get(Level::kLinearizable);
    if (mix == Mix::kLocalReads) return get(Level::kLocal);
    if (mix == Mix::kPuts) return put();
    const uint64_t dice = random_.below(100);
    if (dice < 30) return get(Level::kLinearizable);
    if (dice < 40) return get(Level::kLocal);
    if (dice < 60) return put();
    if (dice < 74) return put_if(seen);
    if (dice < 82) return create();
    if (dice < 90) return erase();
    return move();
  }

 private:
  Name key() { return names_.number_of(keys_[random_.below(keys_.size())]); }
  Act put_of(Name key) {
    return {.kind = Kind::kPut, .key = key, .value = names_.number_of(value_)};
  }

  Operation get(Level level) {
    Operation made{.kind = Kind::kGet, .level = level};
    made.then.push_back({.kind = Kind::kGet, .key = key()});
    return made;
  }
  Operation put() {
    Operation made{.kind = Kind::kPut};
    made.then.push_back(put_of(key()));
    return made;
  }
  Operation put_if(const std::unordered_map<std::string, uint64_t>& seen) {
    Operation made = put();
    const Name on = made.then.front().key;
    const auto known = seen.find(names_.text(on));
    if (known == seen.end()) return create();
    made.compares.push_back(
        {.key = on, .target = Compare::Target::kRevision, .revision = known->second});
    made.otherwise.push_back({.kind = Kind::kGet, .key = on});
    return made;
  }
  Operation create() {
    Operation made = put();
    const Name on = made.then.front().key;
    made.compares.push_back({.key = on, .target = Compare::Target::kExists, .revision = 0});
    made.otherwise.push_back({.kind = Kind::kGet, .key = on});
    return made;
  }
  Operation erase() {
    Operation made{.kind = Kind::kDelete};
    made.then.push_back({.kind = Kind::kDelete, .key = key()});
    return made;
  }
  // From one key to another, and the other way where the first is not there.
  Operation move() {
    Operation made{.kind = Kind::kTxn};
    const Name from = key();
    const Name to = key();
    made.compares.push_back({.key = from, .target = Compare::Target::kExists, .revision = 1});
    made.then = {
        {.kind = Kind::kGet, .key = from}, {.kind = Kind::kDelete, .key = from}, put_of(to)};
    made.otherwise = {{.kind = Kind::kGet, .key = to}, put_of(from)};
    return made;
  }

  Random& random_;
  Names& names_;
  const std::vector<std::string>& keys_;
  std::string value_;
};

}  // namespace

Load::Load(LoadPlan plan) : plan_(std::move(plan)) {
  for (size_t i = 0; i < plan_.groups; ++i)
    groups_.push_back({.name = fmt::format("{}g{}", plan_.prefix, i)});
  Random random(plan_.seed);
  for (size_t i = 0; i < plan_.clients; ++i) {
    std::vector<HttpConnection> connections;
    for (const LoadTarget& target : plan_.targets)
      connections.emplace_back(target.endpoint, clock_);
    clients_.push_back(std::make_unique<Client>(
        Client{.name = fmt::format("c{}", i + 1),
               .random = random.fork(),
               .target = i % plan_.targets.size(),
               .mix = plan_.mix == Mix::kAll && i < plan_.targets.size() && i + 1 < plan_.clients
                          ? Mix::kLinearizableReads
                          : plan_.mix,
               .connections = std::move(connections),
               .history = {},
               .seen = {}}));
  }
  for (const auto& client : clients_)
    threads_.emplace_back([this, one = client.get()] { work(*one); });
}

Load::~Load() {
  stop();
}

void Load::stop() {
  is_over_ = true;
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

Pulse Load::pulse() const {
  return {.ok = ok_, .refused = refused_, .unknown = unknown_};
}

KeyGroup& Load::group_for(Client& client, std::vector<std::string>& keys) {
  const std::scoped_lock lock(mutex_);
  KeyGroup& group = groups_[client.random.below(groups_.size())];
  if (group.operations > kOperationsMax || group.unknown > kUnknownMax) {
    ++group.generation;
    group.operations = group.unknown = 0;
  }
  for (size_t i = 0; i < kKeysEach; ++i)
    keys.push_back(fmt::format("{}.{}/k{}", group.name, group.generation, i));
  return group;
}

void Load::note(KeyGroup& group, const std::string& generation, const Operation& operation) {
  const bool is_open = operation.outcome == Outcome::kUnknown && operation.kind != Kind::kGet;
  (operation.outcome == Outcome::kOk        ? ok_
   : operation.outcome == Outcome::kRefused ? refused_
                                            : unknown_)++;
  const std::scoped_lock lock(mutex_);
  ++group.operations;
  // One that is about keys which were replaced meanwhile burdens nobody any more.
  if (is_open && generation == fmt::format("{}.{}/k0", group.name, group.generation))
    ++group.unknown;
}

void Load::work(Client& client) {
  Names& names = client.history.names;
  const Name name = names.number_of(client.name);
  while (!is_over_) {
    std::vector<std::string> keys;
    KeyGroup& group = group_for(client, keys);
    Operation operation =
        Requests(client.random, names, keys)
            .draw(client.mix, client.seen, fmt::format("{}-{}", client.name, ++client.serial));
    operation.client = name;
    operation.node = names.number_of(plan_.targets[client.target].name);
    const Instant start = clock_.now();
    const auto answer = client.connections[client.target].exchange(
        request_for(operation, names, plan_.patience), start + plan_.patience);
    const Instant end = clock_.now();
    take_answer(answer, operation, names);
    operation.start = start.time_since_epoch().count();
    // The moment when a client gave up is of use to nobody but who counts: an unknown end is open.
    operation.end = operation.outcome == Outcome::kUnknown ? kOpen : end.time_since_epoch().count();
    note(group, keys.front(), operation);
    const bool is_ok = operation.outcome == Outcome::kOk;
    if (is_ok && operation.branch == Branch::kThen && operation.then.size() == 1) {
      const Act& act = operation.then.front();
      const uint64_t revision = act.kind == Kind::kGet ? act.found_revision : operation.revision;
      if (revision > 0 && act.kind != Kind::kDelete) client.seen[names.text(act.key)] = revision;
    }
    client.history.operations.push_back(std::move(operation));
    if (!is_ok && plan_.moves_on) client.target = (client.target + 1) % plan_.targets.size();
    std::this_thread::sleep_for(is_ok ? plan_.think : std::max(plan_.think, kPauseWhenRefused));
  }
}

History Load::take() const {
  History history;
  for (const auto& client : clients_) join(history, client->history);
  return history;
}

void Load::audit(const LoadTarget& auditor, History& history) const {
  std::set<std::string> keys;
  for (const Operation& operation : history.operations)
    for (const std::vector<Act>* acts : {&operation.then, &operation.otherwise})
      for (const Act& act : *acts) keys.insert(history.names.text(act.key));
  HttpConnection connection(auditor.endpoint, clock_);
  for (const std::string& key : keys) {
    Operation read{.client = history.names.number_of("audit"),
                   .node = history.names.number_of(auditor.name),
                   .kind = Kind::kGet,
                   .then = {{.kind = Kind::kGet, .key = history.names.number_of(key)}}};
    const Instant deadline = clock_.now() + kKeyPatience;
    do {
      const Instant start = clock_.now();
      take_answer(connection.exchange(request_for(read, history.names, plan_.patience),
                                      start + plan_.patience),
                  read, history.names);
      read.start = start.time_since_epoch().count();
      read.end =
          read.outcome == Outcome::kUnknown ? kOpen : clock_.now().time_since_epoch().count();
      if (read.outcome != Outcome::kOk) std::this_thread::sleep_for(kPauseWhenRefused);
    } while (read.outcome != Outcome::kOk && clock_.now() < deadline);
    const bool is_read = read.outcome == Outcome::kOk;
    history.operations.push_back(std::move(read));
    // A cluster that is not there is not asked for each key.
    if (!is_read) return;
  }
}

}  // namespace holdfast::drill
