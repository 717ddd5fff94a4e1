// Writes what each fuzz target begins with, made by the code that makes such bytes in earnest.

#include <filesystem>
#include <fstream>
#include <iostream>

#include "replication/raft/membership.h"
#include "replication/transport/frame.h"
#include "replication/transport/snapshot_wire.h"
#include "replication/transport/wire.h"
#include "storage/backup/writer.h"
#include "storage/base/check.h"
#include "storage/base/codec.h"
#include "storage/kv/agreement.h"
#include "storage/kv/reply.h"
#include "tests/http/frames_fixture.h"
#include "tests/kv/random_commands.h"

namespace holdfast {
namespace {

// A folder of seeds, numbered.
class Corpus {
 public:
  explicit Corpus(std::filesystem::path folder) : folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_);
  }
  void add(uint8_t kind, std::string_view bytes) {
    add(static_cast<char>(kind) + std::string(bytes));
  }
  void add(std::string_view bytes) {
    std::ofstream out(folder_ / fmt::format("seed-{:03}", ++count_), std::ios::binary);
    out << bytes;
    CHECK(out.flush().good(), "a seed cannot be written");
  }

 private:
  const std::filesystem::path folder_;
  int count_ = 0;
};

void put_counted(std::string& out, std::string_view bytes) {
  put_fixed(out, static_cast<uint16_t>(bytes.size()));
  out.append(bytes);
}

// Every string of bytes is a story of the log.
void make_log(Corpus corpus, Random random) {
  for (int i = 0; i < 200; ++i) {
    std::string story(random.between(50, 400), '\0');
    for (char& byte : story)
      byte = static_cast<char>(random.chance(0.5) ? random.below(12) : random.next());
    corpus.add(static_cast<uint8_t>(i), story);
  }
}

void make_command(Corpus corpus, Random random) {
  for (uint64_t i = 1; i <= 60; ++i)
    corpus.add(0, encode_command(random_command(random, {i}, {i})).view());
  Reply reply{.revision = {9}, .wants_prev = true, .prev = Row{}, .results = {{}, {}}};
  reply.results.front().items = {{"key", {{{1}, {2}, 3}, "value"}}};
  corpus.add(1, encode_reply(reply));
  corpus.add(2, encode_check({{7}, {5}, 1'000, 42, {{{1}, 42}, {{2}, 43}}}));
  const raft::Member member{{4}, "n4", "127.0.0.1:7000"};
  corpus.add(3, raft::encode_members({{{{3}, "n3", "[::1]:1"}, member}, {{1}, {2}}}).view());
  corpus.add(4, raft::encode_change({raft::MemberChange::Act::kAdd, member}).view());
  for (int i = 0; i < 60; ++i) {
    std::string log;
    for (uint64_t index = 1; index <= random.between(2, 25); ++index) {
      for (int clock = 0; clock < 2; ++clock)
        put_fixed(log, static_cast<uint8_t>(random.below(160)));
      put_counted(log, encode_command(random_command(random, {index}, {index})).view());
    }
    corpus.add(static_cast<uint8_t>(128 + i), log);
  }
}

// As snapshot.cc puts it together.
std::string taken_apart(std::string_view bytes) {
  const Frame frame = take_frame(bytes, kFramePartBytesMax).value().value();
  std::string out;
  put_counted(out, frame.message);
  FixedReader heads(frame.heads);
  FixedReader payloads(frame.payloads);
  while (const auto payload_bytes = heads.take<uint32_t>()) {
    out.append(*heads.take_bytes(kFrameEntryHeadBytes - 12));
    (void)heads.take<uint64_t>();
    put_counted(out, *payloads.take_bytes(*payload_bytes));
  }
  return out;
}

std::vector<raft::MessageBody> bodies() {
  const raft::Append append{{{2}, {7}},
                            {make_entry({8}, EntryKind::kBarrier, {}),
                             make_entry({9}, EntryKind::kCommand, Bytes("payload"))},
                            {6}};
  return {
      raft::VoteRequest{raft::VotePhase::kPreVote, {3}, {{2}, {9}}, true},
      raft::VoteReply{raft::VotePhase::kVote, {3}, true},
      append,
      raft::Appended{{9}},
      raft::AppendRejected{{{2}, {9}}, {{1}, {4}}},
      raft::Heartbeat{{Term{3}, LogIndex{4}}, 17, raft::CurrencyProof{5, {4}}, raft::Reach{6, {9}}},
      raft::HeartbeatReply{17, {9}, 5, true},
      raft::Forward{1, 2, {{{5}, Bytes("one")}, {{6}, Bytes("two"), EntryKind::kMembers}}},
      raft::ForwardRefused{raft::ForwardRefusal::kRejected, {3}, {{5}, {6}}, "why"},
      raft::ReadRequest{3},
      raft::ReadReply{3, {9}},
      raft::HandOverRequest{{2}},
      raft::TakeOver{}};
}

std::string backup_taken_apart() {
  backup::Writer writer;
  std::string bytes;
  writer.begin({.cluster = {7}, .group = {1}, .files = 2, .bytes = 2'100}, bytes);
  writer.file({"a", 2'000}, bytes);
  writer.piece(std::string(1'500, 'x'), bytes);
  writer.piece("half" + std::string(496, 'y'), bytes);
  writer.file({"b", 100}, bytes);
  writer.piece(std::string(100, 'z'), bytes);
  writer.end(bytes);
  FixedReader reader(std::string_view(bytes).substr(backup::kPreludeBytes));
  std::string out;
  while (const auto kind = reader.take<uint32_t>()) {
    const uint32_t body_bytes = *reader.take<uint32_t>();
    (void)reader.take<uint64_t>();
    put_fixed(out, static_cast<uint8_t>(*kind));
    put_counted(out, *reader.take_bytes(body_bytes));
  }
  return out;
}

void make_snapshot(Corpus corpus) {
  for (const raft::MessageBody& body : bodies()) {
    std::string bytes;
    encode_message({{9}, kFirstGroup, {{1}, {2}, {3}, body}}, bytes);
    corpus.add(0, taken_apart(bytes));
    corpus.add(7, bytes);
  }
  std::string hello;
  encode_hello({1, {9}, {1}, "n1", "127.0.0.1:7000", {4}}, hello);
  corpus.add(1, taken_apart(hello));
  corpus.add(2, taken_apart(encode_offer({{1}, {2}, 3, {{4}, {5}}, {{"a", 0}, {"b", 2 << 20}}})));
  for (const SnapshotAnswer& answer :
       {SnapshotAnswer(SnapshotPlace{1, 1 << 20}), SnapshotAnswer(SnapshotRefused{"why", true}),
        SnapshotAnswer(SnapshotVerifying{}), SnapshotAnswer(SnapshotStored{})})
    corpus.add(3, taken_apart(encode_answer(answer)));
  corpus.add(4, taken_apart(encode_end({{1, 2}})));
  std::string piece(12, '\0');
  corpus.add(5, piece + encode_piece_head({}, "bytes") + "bytes");
  for (const int kind : {6, 14, 62}) corpus.add(static_cast<uint8_t>(kind), backup_taken_apart());
}

void make_http(Corpus corpus) {
  const std::string host = "Host: a\r\n";
  const std::string chunked =
      "POST /v1/txn HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n";
  const std::string put = "PUT /v1/kv/a%2Fb?ttl=5s HTTP/1.1\r\n" + host +
                          "Content-Length: 5\r\nIf-Match: \"7\"\r\n\r\nvalue";
  const std::string get = "GET /v1/kv?prefix=a&limit=3 HTTP/1.1\r\n" + host + "\r\n";
  const std::string steps = "\1\2\3\4\5\6\7";
  for (const std::string& bytes :
       {put, get, put + get + put, chunked + "5;x=y\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n" + get,
        chunked + "0\r\nExtra: 1\r\n\r\n",
        "DELETE http://a/v1/kv/k HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get,
        "PUT /v1/kv/k HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nv"})
    corpus.add('\7', steps + bytes);
}

void make_txn(Corpus corpus) {
  for (const std::string_view body :
       {R"({"if":[{"key":"a","target":"value","op":"==","value":"x"}],)"
        R"("then":[{"put":{"key":"a","value":"y","ttl":"5s","prev":true}}],)"
        R"("else":[{"get":{"key":"a"}}]})",
        R"({"then":[{"delete":{"key_base64":"YQ=="}},{"delete":{"prefix":"a"}},)"
        R"({"scan":{"start":"a","end":"b","limit":3,"reverse":true,"keys_only":true}}]})",
        R"({"then":[{"put":{"key":"a","value_base64":"AAE=","lease":"000000000000001f"}}]})"})
    corpus.add(body);
}

void make_websocket(Corpus corpus) {
  const std::string frames(2, '\0');
  const std::string message("\1\0", 2);
  for (const std::string_view text :
       {R"({"watch":{"id":"w1","prefix":"a/","from":5,"prev":true,"filter":"put"}})",
        R"({"watch":{"id":"w","key_base64":"YQ==","consistency":"local","max_lag":"500ms"}})",
        R"({"watch":{"id":"w","start":"a","end":"b","min_revision":7,"timeout":"2s"}})",
        R"({"cancel":{"id":"w1"}})"}) {
    corpus.add(message + std::string(text));
    corpus.add(frames + http::frame_of(text) + http::frame_of("p", {.opcode = 9}));
  }
  corpus.add(frames + http::frame_of("a\xc3", {.final = false}) +
             http::frame_of("\xbc", {.opcode = 0}) +
             http::frame_of(http::close_payload(1000, "bye"), {.opcode = 8}));
  corpus.add(frames + http::frame_of(std::string(300, 'x')) + http::frame_of("", {.opcode = 10}));
}

}  // namespace
}  // namespace holdfast

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "fuzz_seeds FOLDER\n";
    return 2;
  }
  const std::filesystem::path folder = arguments[1];
  holdfast::Random random(1);
  holdfast::make_log(holdfast::Corpus(folder / "log"), random.fork());
  holdfast::make_command(holdfast::Corpus(folder / "command"), random.fork());
  holdfast::make_snapshot(holdfast::Corpus(folder / "snapshot"));
  holdfast::make_http(holdfast::Corpus(folder / "http"));
  holdfast::make_txn(holdfast::Corpus(folder / "txn"));
  holdfast::make_websocket(holdfast::Corpus(folder / "websocket"));
  return 0;
}
