#include "storage/kv/command.h"

#include <set>

#include <gtest/gtest.h>

#include "storage/base/random.h"
#include "tests/kv/kv_model.h"

namespace holdfast {
namespace {

using namespace std::string_literals;

TEST(Command, ComesBackAsItWasEncoded) {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const Command command = random_command(random, {100}, {1 + random.below(1000)});
    const Result<Command> back = decode_command(encode_command(command).view());
    ASSERT_TRUE(back) << back.error().message;
    ASSERT_EQ(*back, command);
  }
}

TEST(Command, KeepsEveryByteOfKeyAndValue) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  const Command command{.act = PutCommand{all, all + all, {}}};
  EXPECT_EQ(decode_command(encode_command(command).view()), command);
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// With every field that it has.
TransactionCommand full_transaction() {
  TransactionCommand full;
  for (uint8_t i = 1; i <= 6; ++i) {
    Compare& compare = full.compares.emplace_back();
    compare.key = "k";
    compare.target = static_cast<Compare::Target>(i);
    compare.relation = static_cast<Compare::Relation>(i);
    if (compare.target == Compare::Target::kValue) {
      compare.value = "v";
    } else {
      compare.number = 1;
    }
  }
  full.then = {PutCommand{"k", "v", {}}, DeleteCommand{"k", {}}, DeleteRangeCommand{"a", ""},
               GetOperation{"k"},
               ScanOperation{.start = "a",
                             .end = "b",
                             .limit = 9,
                             .reverse = true,
                             .keys_only = true,
                             .count_only = true}};
  full.otherwise = {GetOperation{"o"}};
  return full;
}

TEST(Command, TheEncodingIsFixed) {
  // Logs outlive versions: these bytes must always mean these commands.
  const Condition match{.kind = Condition::Kind::kMatch, .any = false, .revisions = {{7}, {300}}};
  const Condition any{.kind = Condition::Kind::kMatch, .any = true, .revisions = {}};
  const Condition none{.kind = Condition::Kind::kNoneMatch, .any = true, .revisions = {}};
  const std::vector<std::pair<Command, std::string>> fixed = {
      {{.act = PutCommand{"k", "v", {match, none}, {5}, 0, true}, .once = Once{"n", {6, 7}}},
       "12200a016b1201761a0708011a0307ac021a040802100121050000000000000030013a150a016e11"
       "0600000000000000190700000000000000"},
      {{.act = PutCommand{"k", "", {}, {}, 1'000}}, "12060a016b28e807"},
      {{.act = DeleteCommand{"k", {any}, true}}, "1a0b0a016b1204080110011801"},
      {{.act = DeleteRangeCommand{"a", "b"}}, "22060a0161120162"},
      {{.act = AnnounceCommand{{7}, "u"}}, "2a0c090700000000000000120175"},
      {{.act = full_transaction()},
       "327b0a090a016b1001180120010a0a0a016b100218022a01760a090a016b1003180320010a090a01"
       "6b1004180420010a090a016b1005180520010a090a016b10061806200112080a060a016b12017612"
       "0512030a016b12051a030a0161120522030a016b12102a0e0a016112016218092001280130011a05"
       "22030a016f"},
      {{.act = GrantLeaseCommand{{5}, 1'000}}, "520c09050000000000000010e807"},
      {{.act = KeepLeaseAliveCommand{{5}}}, "5a09090500000000000000"},
      {{.act = RevokeLeaseCommand{{5}}}, "6209090500000000000000"},
      {{.act = ExpireCommand{}}, "6a00"},
      {{.act = CompactCommand{}}, "a20100"},
      {{.act = CompactCommand{Revision{3}}}, "a201020803"},
      {{.act = SettingsCommand{10'000}}, "aa010308904e"},
      {{.act = HashCheckCommand{}}, "b20100"},
      {{.act = HashReportCommand{{7}, {8}, 9}}, "ba01140907000000000000001008190900000000000000"},
      {{.act = AcquireLockCommand{"n", "me", {5}, 1'000}},
       "f201130a016e12026d6519050000000000000020e807"},
      {{.act = KeepLockAliveCommand{"n", 300}}, "fa01060a016e10ac02"},
      {{.act = ReleaseLockCommand{"n", 300}}, "8202060a016e10ac02"},
  };
  std::set<size_t> acts;
  for (const auto& [command, bytes] : fixed) {
    EXPECT_EQ(hex(encode_command(command).view()), bytes);
    acts.insert(command.act.index());
  }
  EXPECT_EQ(acts.size(), std::variant_size_v<decltype(Command::act)>) << "each is among them";
}

TEST(Command, RefusesWhatNoCommandIs) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "nothing to do"},
      {"\x08\x05"s, "a time and nothing to do"},
      {"hello", "no encoding"},
      {"\x12\x02\x12\x00"s, "a put without a key"},
      {"\x1a\x00"s, "a delete without a key"},
      {"\x12\x07\x0a\x01k\x1a\x02\x08\x07"s, "a condition of an unknown kind"},
      {"\x12\x05\x0a\x01k\x1a\x00"s, "a condition of no kind"},
      {"\x12\x03\x0a\x01k\x50\x01"s, "an unknown field of the command"},
      {"\x12\x05\x0a\x01k\x50\x01"s, "an unknown field of the put"},
      {"\x12\x09\x0a\x01k\x1a\x04\x08\x01\x50\x01"s, "an unknown field of a condition"},
      {"\x3a\x00"s, "an unknown act"},
  };
  for (const auto& [bytes, what] : cases) {
    const Result<Command> command = decode_command(bytes);
    ASSERT_FALSE(command) << what;
    EXPECT_EQ(command.error().code, ErrorCode::kInvalid) << what;
  }
}

TEST(Command, KeysAreOneTo4096Bytes) {
  const auto encoded = [](size_t bytes) {
    std::string put = "\x0a"s + static_cast<char>(0x80 | (bytes & 0x7f)) +
                      static_cast<char>(bytes >> 7) + std::string(bytes, 'k');
    return "\x12"s + static_cast<char>(0x80 | (put.size() & 0x7f)) +
           static_cast<char>(put.size() >> 7) + put;
  };
  EXPECT_TRUE(decode_command(encoded(kKeyBytesMax)));
  EXPECT_FALSE(decode_command(encoded(kKeyBytesMax + 1)));
  const Command too_long{.act = PutCommand{std::string(kKeyBytesMax + 1, 'k'), "", {}}};
  EXPECT_DEATH(encode_command(too_long), "4097 bytes");
  EXPECT_DEATH(encode_command(Command{.act = DeleteCommand{}}), "0 bytes");
}

TEST(Command, ALifetimeIsWithinBounds) {
  const auto put = [](LeaseId lease, uint64_t ttl_ms) {
    PutCommand act{"k", "", {}};
    act.lease = lease;
    act.ttl_ms = ttl_ms;
    return Command{.act = std::move(act)};
  };
  const auto grant = [](LeaseId id, uint64_t ttl_ms) {
    return Command{.act = GrantLeaseCommand{id, ttl_ms}};
  };
  for (const Command& good :
       {put({}, 0), put({1}, 0), put({kLeaseIdMax}, 0), put({}, kTtlMsMin), put({}, kTtlMsMax),
        grant({1}, kTtlMsMin), grant({kLeaseIdMax}, kTtlMsMax)})
    EXPECT_EQ(decode_command(encode_command(good).view()), good);
  for (const Command& bad :
       {put({kLeaseIdMax + 1}, 0), put({UINT64_MAX}, 0), put({}, kTtlMsMin - 1),
        put({}, kTtlMsMax + 1), put({}, UINT64_MAX), put({1}, kTtlMsMin), grant({}, kTtlMsMin),
        grant({kLeaseIdMax + 1}, kTtlMsMin), grant({1}, 0), grant({1}, kTtlMsMax + 1)})
    EXPECT_DEATH(encode_command(bad), "");
  // As a node that does not check would write it.
  for (const std::string& bytes :
       {"\x12\x0c\x0a\x01k\x21\0\0\0\0\0\0\0\x80"s,  // a put to a lease of 2^63
        "\x12\x05\x0a\x01k\x28\x01"s,                // a put for 1 ms
        "\x12\x0e\x0a\x01k\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s,
        "\x52\x0b\x09\x01\0\0\0\0\0\0\0\x10\x01"s,  // a lease of 1 ms
        "\x5a\x09\x09\0\0\0\0\0\0\0\0"s, "\x62\x00"s}) {
    const Result<Command> command = decode_command(bytes);
    ASSERT_FALSE(command);
    EXPECT_EQ(command.error().code, ErrorCode::kInvalid);
  }
}

TEST(Command, ManyDamagedEncodingsNeverStopTheDecoder) {
  Random random(2);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(encode_command(random_command(random, {100}, {100})).view());
    for (uint64_t flips = random.below(4); flips > 0; --flips) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    }
    bytes.resize(random.below(bytes.size() + 1));
    const Result<Command> command = decode_command(bytes);
    // What is taken must be something that could have been proposed.
    if (command) {
      ASSERT_EQ(decode_command(encode_command(*command).view()), *command);
    }
  }
}

TEST(Condition, HoldsAsHttpSays) {
  using Kind = Condition::Kind;
  struct Case {
    Condition condition;
    uint64_t mod_revision;  // 0: the key does not exist
    bool holds;
  };
  const std::vector<Case> cases = {
      {{Kind::kMatch, true, {}}, 7, true},
      {{Kind::kMatch, true, {}}, 0, false},
      {{Kind::kMatch, false, {{7}}}, 7, true},
      {{Kind::kMatch, false, {{6}, {7}}}, 7, true},
      {{Kind::kMatch, false, {{6}}}, 7, false},
      {{Kind::kMatch, false, {{6}}}, 0, false},
      {{Kind::kMatch, false, {{0}}}, 0, false},  // a tag "0" names no row
      {{Kind::kMatch, false, {}}, 7, false},
      {{Kind::kMatch, true, {{6}}}, 7, true},
      {{Kind::kNoneMatch, true, {}}, 7, false},
      {{Kind::kNoneMatch, true, {}}, 0, true},
      {{Kind::kNoneMatch, false, {{7}}}, 7, false},
      {{Kind::kNoneMatch, false, {{6}, {7}}}, 7, false},
      {{Kind::kNoneMatch, false, {{6}}}, 7, true},
      {{Kind::kNoneMatch, false, {{6}}}, 0, true},
      {{Kind::kNoneMatch, false, {{0}}}, 0, true},
      {{Kind::kNoneMatch, false, {}}, 7, true},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(holds(cases[i].condition, {cases[i].mod_revision}), cases[i].holds) << "case " << i;
  }
}

}  // namespace
}  // namespace holdfast
