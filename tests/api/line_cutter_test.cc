#include "server/api/line_cutter.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

struct Cut {
  uint64_t number;
  std::string text;
  bool too_long;
  friend bool operator==(const Cut&, const Cut&) = default;
};

void take_all(LineCutter& lines, std::vector<Cut>& cuts) {
  while (const std::optional<Line> line = lines.next())
    cuts.push_back({line->number, std::string(line->text), line->too_long});
}

std::vector<Cut> cut(std::string_view text, size_t at, size_t bytes_max = 5,
                     size_t passed_max = 100) {
  LineCutter lines(bytes_max, passed_max);
  std::vector<Cut> cuts;
  for (const std::string_view piece : {text.substr(0, at), text.substr(at)}) {
    if (piece.empty()) continue;
    lines.add(std::string(piece));
    take_all(lines, cuts);
  }
  lines.end();
  take_all(lines, cuts);
  return cuts;
}

TEST(LineCutter, AreTheSameWhereverTheBytesAreSplit) {
  for (const std::string_view text :
       {"a\n\nbc\nlast", "12345\n123456\n1\n", "1234567890\nab\n", "\n\n", "123456", "x"}) {
    const std::vector<Cut> whole = cut(text, 0);
    for (size_t at = 1; at <= text.size(); ++at) EXPECT_EQ(cut(text, at), whole) << text << at;
  }
}

TEST(LineCutter, AreCountedAndCut) {
  EXPECT_EQ(
      cut("a\n\nbc\nlast", 0),
      (std::vector<Cut>{{1, "a", false}, {2, "", false}, {3, "bc", false}, {4, "last", false}}));
  EXPECT_EQ(cut("a\n", 0), (std::vector<Cut>{{1, "a", false}}));
}

TEST(LineCutter, OneThatIsTooLongIsPassedOver) {
  EXPECT_EQ(cut("12345\n123456\n1\n", 0),
            (std::vector<Cut>{{1, "12345", false}, {2, "", true}, {3, "1", false}}));
  EXPECT_EQ(cut("123456", 3), (std::vector<Cut>{{1, "", true}}));
}

TEST(LineCutter, HoldNoMoreThanALineAndAPiece) {
  LineCutter lines(1000, 100'000);
  for (int i = 0; i < 50; ++i) {
    lines.add(std::string(600, 'x'));
    EXPECT_FALSE(lines.next());
    EXPECT_LE(lines.held(), 1600u);
  }
  EXPECT_FALSE(lines.is_lost());
  lines.add("\nabc\n");
  EXPECT_TRUE(lines.next()->too_long);
  EXPECT_EQ(lines.next()->text, "abc");
}

TEST(LineCutter, OneWithoutAnEndIsGivenUp) {
  LineCutter lines(1000, 5000);
  for (int i = 0; i < 10; ++i) {
    lines.add(std::string(600, 'x'));
    EXPECT_FALSE(lines.next());
  }
  EXPECT_TRUE(lines.is_lost());
  lines.add("\nabc\n");
  EXPECT_FALSE(lines.next());
}

}  // namespace
}  // namespace holdfast
