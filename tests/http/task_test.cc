#include "server/http/task.h"

#include <coroutine>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

struct Gate {
  std::coroutine_handle<> waiting;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) { waiting = handle; }
  void await_resume() const {}
};

Task<std::string> inner(Gate& gate, std::string text) {
  co_await gate;
  co_return text + text;
}

Task<std::string> outer(Gate& gate, std::string text) {
  Task<std::string> task = inner(gate, std::move(text));
  std::string doubled = co_await task;
  co_return doubled + "!";
}

Task<int> throws() {
  throw std::runtime_error("no");
  co_return 1;
}

Detached run(Gate& gate, std::string text, std::string& result) {
  Task<std::string> task = outer(gate, std::move(text));
  result = co_await task;
}

Detached run_throwing(std::string& result) {
  Task<int> task = throws();
  try {
    co_await task;
  } catch (const std::exception& error) {
    result = error.what();
  }
}

TEST(Task, HandsItsValueThroughWaitingFrames) {
  Gate gate;
  std::string result;
  run(gate, std::string(100, 'x'), result);
  EXPECT_EQ(result, "") << "it waits";
  gate.waiting.resume();
  EXPECT_EQ(result, std::string(200, 'x') + "!");
}

TEST(Task, PassesOnWhatWasThrown) {
  std::string result;
  run_throwing(result);
  EXPECT_EQ(result, "no");
}

TEST(Task, NeverStartedIsFreed) {
  Gate gate;
  const Task<std::string> task = outer(gate, std::string(100, 'x'));
  EXPECT_EQ(gate.waiting, nullptr);
}

}  // namespace
}  // namespace holdfast
