#include "server/config.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

ParsedConfig parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "holdfastd");
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  return parse_config(static_cast<int>(pointers.size()), pointers.data());
}

std::string refusal(const std::vector<std::string>& arguments) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  const ParsedConfig parsed = parse(arguments);
  const std::string said =
      testing::internal::GetCapturedStderr() + testing::internal::GetCapturedStdout();
  EXPECT_FALSE(parsed.config.has_value());
  EXPECT_EQ(parsed.exit_code, 1);
  return said;
}

TEST(Config, JoiningIsAskedForWithUrls) {
  const ParsedConfig parsed = parse({"--join", "http://h1:1,h2:2", "--learner"});
  ASSERT_TRUE(parsed.config.has_value());
  EXPECT_EQ(parsed.config->join, (std::vector<std::string>{"http://h1:1", "http://h2:2"}));
  EXPECT_TRUE(parsed.config->learner);
}

TEST(Config, FaultsAreMadeOnlyWhereThatIsAskedFor) {
  EXPECT_FALSE(parse({}).config->enable_faults);
  EXPECT_TRUE(parse({"--enable-faults"}).config->enable_faults);
}

TEST(Config, WhatExcludesOrNeedsEachOtherIsSaidSo) {
  const auto names = [](const std::string& said, const std::string& words) {
    EXPECT_NE(said.find(words), std::string::npos) << said;
  };
  names(refusal({"--join", "h1:1", "--initial-cluster", "n1=h1:1"}), "exclude each other");
  names(refusal({"--learner"}), "give --join too");
  names(refusal({"--join", "https://h1:1"}), "plain HTTP");
  names(refusal({"--name", "a/b"}), "a name is");
  names(refusal({"--initial-cluster", "a b=h1:1"}), "a name is");
  names(refusal({"--advertise-peer", "0.0.0.0:4654"}), "where a node listens");
}

}  // namespace
}  // namespace holdfast
