// Plays scenario files: blocks of commands, a line "----", and the lines that they must bring.
//
//   scenarios FILE…            compares
//   scenarios --rewrite FILE…  writes what happened into the files
//
// README.md beside this explains the commands.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "tests/scenarios/cluster.h"

namespace holdfast::scenarios {
namespace {

using Words = std::vector<std::string>;

[[noreturn]] void refuse(const std::string& message) {
  fmt::print(stderr, "{}\n", message);
  std::exit(2);
}

Words split(const std::string& text, char separator = ' ') {
  Words words;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, separator);)
    if (!word.empty()) words.push_back(word);
  return words;
}

uint64_t number(const std::string& text) {
  char* end = nullptr;
  const uint64_t value = std::strtoull(text.c_str(), &end, 10);
  if (text.empty() || (*end != 0 && std::string(end) != "ms"))
    refuse(fmt::format("not a number: '{}'", text));
  return value;
}

// "2", "2,3" or "all".
std::vector<NodeId> nodes_in(const Cluster& cluster, const std::string& text) {
  if (text == "all") return cluster.nodes();
  std::vector<NodeId> nodes;
  for (const std::string& part : split(text, ',')) nodes.push_back(NodeId{number(part)});
  return nodes;
}

class Script {
 public:
  // The lines that one command brings.
  std::vector<std::string> play(const std::string& line);

 private:
  void set_up(const Words& words);
  void play_with_cluster(const Words& words);
  bool ask(const std::string& verb, const Words& words);
  std::optional<Route> route(const Words& words) const;

  Cluster::Setup setup_;
  std::optional<Cluster> cluster_;
};

std::vector<std::string> Script::play(const std::string& line) {
  const Words words = split(line);
  if (words.empty()) return {};
  if (!cluster_) {
    set_up(words);
    return {};
  }
  play_with_cluster(words);
  std::vector<std::string> lines = cluster_->take_lines();
  if (const auto& violation = cluster_->violation())
    lines.push_back(fmt::format("BROKEN: {}: {}", violation->rule, violation->detail));
  return lines;
}

void Script::set_up(const Words& words) {
  if (words[0] == "log" && words.size() > 3) {
    Cluster::Disk& disk = setup_.disks[NodeId{number(words[1])}];
    for (size_t i = 3; i < words.size(); ++i) {
      const bool is_term = words[i].starts_with("term=");
      disk.term = Term{number(is_term ? words[i].substr(5) : words[i])};
      if (!is_term) disk.log.push_back(disk.term);
    }
    return;
  }
  if (words[0] != "start") refuse("the first command is 'log' or 'start': " + words[0]);
  for (size_t i = 1; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    const std::string name = words[i].substr(0, equals);
    const uint64_t value = number(words[i].substr(equals + 1));
    if (name == "nodes") {
      setup_.nodes = value;
    } else if (name == "append") {
      setup_.limits.append_bytes_max = value;
    } else if (name == "in_flight") {
      setup_.limits.in_flight_bytes_max = value;
    } else if (name == "window") {
      setup_.limits.window_bytes_max = value;
    } else {
      refuse("no such limit: " + name);
    }
  }
  cluster_.emplace(setup_);
}

// "VERB 1 -> 2 Kind first", "VERB 1 -> 2 Kind", "VERB 1 -> 2" or "VERB".
std::optional<Route> Script::route(const Words& words) const {
  if (words.size() == 1) return std::nullopt;
  if (words.size() < 4 || words[2] != "->") refuse("expected: " + words[0] + " 1 -> 2 [Kind]");
  return Route{NodeId{number(words[1])}, NodeId{number(words[3])}, words.size() > 4 ? words[4] : "",
               words.size() > 5 ? 1 : SIZE_MAX};
}

// What clients, operators and the system ask of a node. False: that is none of it.
bool Script::ask(const std::string& verb, const Words& words) {
  Cluster& cluster = *cluster_;
  const auto node = [&] { return NodeId{number(words.at(1))}; };
  const auto other = [&] { return NodeId{number(words.at(2))}; };
  if (verb == "propose") {
    cluster.propose(node(), Words(words.begin() + 2, words.end()));
  } else if (verb == "read") {
    cluster.read(node());
  } else if (verb == "add") {
    raft::Member wish;
    wish.stays_learner = words.size() > 3 && words[3] == "learner";
    cluster.add(node(), other(), wish);
  } else if (verb == "remove") {
    cluster.change(node(), raft::MemberChange::Act::kRemove, other());
  } else if (verb == "promote") {
    cluster.change(node(), raft::MemberChange::Act::kPromote, other());
  } else if (verb == "forget") {
    cluster.forget_before(node(), LogIndex{number(words.at(2))});
  } else if (verb == "damage") {
    cluster.damage(node(), LogIndex{number(words.at(2))});
  } else if (verb == "lose") {
    cluster.drop_state(node());
  } else if (verb == "fail") {
    cluster.fail_snapshot(node());
  } else if (verb == "gone") {
    cluster.peer_gone(node(), other());
  } else if (verb == "transfer") {
    cluster.transfer(node(), NodeId{words.size() > 2 ? number(words[2]) : 0});
  } else {
    return false;
  }
  return true;
}

void Script::play_with_cluster(const Words& words) {
  Cluster& cluster = *cluster_;
  const std::string& verb = words[0];
  const auto node = [&] {
    if (words.size() < 2) refuse(verb + " needs a node");
    return NodeId{number(words[1])};
  };
  const auto part = [&] {
    const std::string name = words.size() > 2 ? words[2] : "disk";
    return name == "apply" ? Part::kApply : name == "snapshot" ? Part::kSnapshot : Part::kDisk;
  };
  if (verb == "show") {
    cluster.show(words[1] == "none" ? std::set<std::string>{}
                                    : std::set<std::string>(words.begin() + 1, words.end()));
  } else if (verb == "tick") {
    cluster.tick(std::chrono::milliseconds(number(words[1])));
  } else if (verb == "run") {
    cluster.run(std::chrono::milliseconds(number(words[1])));
  } else if (verb == "timeout") {
    cluster.wake_until_candidate(node());
  } else if (verb == "elect") {
    cluster.wake_until_candidate(node());
    cluster.settle();
  } else if (verb == "deliver") {
    cluster.deliver(route(words));
  } else if (verb == "settle") {
    cluster.settle();
  } else if (verb == "drop") {
    cluster.drop(route(words));
  } else if (verb == "double") {
    cluster.duplicate(*route(words));
  } else if (verb == "cut" || verb == "isolate") {
    const bool one_way = verb == "cut";
    for (const NodeId to : one_way ? nodes_in(cluster, words[3]) : cluster.nodes()) {
      if (to == node()) continue;
      cluster.cut(node(), to);
      if (!one_way) cluster.cut(to, node());
    }
  } else if (verb == "mend") {
    cluster.mend();
  } else if (ask(verb, words)) {
    return;
  } else if (verb == "hold") {
    cluster.hold(node(), part());
  } else if (verb == "release") {
    cluster.release(node(), part());
  } else if (verb == "persist") {
    cluster.answer_one(node(), Part::kDisk);
  } else if (verb == "apply") {
    cluster.answer_one(node(), Part::kApply);
  } else if (verb == "carry") {
    cluster.answer_one(node(), Part::kSnapshot);
  } else if (verb == "crash") {
    const bool keeps = words.size() > 2 && words[2].starts_with("keep=");
    for (const NodeId id : nodes_in(cluster, words[1]))
      cluster.crash(id, keeps ? number(words[2].substr(5)) : 0);
  } else if (verb == "restart") {
    for (const NodeId id : nodes_in(cluster, words[1])) cluster.restart(id);
  } else if (verb == "converge") {
    cluster.converge();
  } else if (verb == "status") {
    cluster.print_status();
  } else if (verb == "applied") {
    cluster.print_applied(node());
  } else {
    refuse("no such command: " + verb);
  }
}

// Plays the file and returns it as it should read.
std::string play_file(const std::string& text) {
  Script script;
  std::string result;
  std::vector<std::string> lines;  // of the block at hand
  bool in_expected = false;
  bool converges = false;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line == "----") {
      result += line + "\n";
      for (const std::string& happened : lines) result += happened + "\n";
      lines.clear();
      in_expected = true;
    } else if (in_expected) {
      if (!line.empty()) continue;
      result += "\n";
      in_expected = false;
    } else {
      result += line + "\n";
      if (line.starts_with("#")) continue;
      for (std::string& happened : script.play(line)) lines.push_back(std::move(happened));
      converges = line == "converge";
    }
  }
  if (!in_expected || !converges) refuse("the file must end with 'converge' and its result");
  return result;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) refuse("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Prints both where they part.
void print_difference(const std::string& path, const std::string& expected,
                      const std::string& happened) {
  const Words want = split(expected, '\n');
  const Words got = split(happened, '\n');
  const auto [a, b] = std::ranges::mismatch(want, got);
  const auto from = std::max<std::ptrdiff_t>(0, a - want.begin() - 5);
  fmt::print(stderr, "{} differs. Expected:\n", path);
  for (auto at = want.begin() + from; at != want.end() && at < a + 10; ++at)
    fmt::print(stderr, "{} {}\n", at < a ? ' ' : '-', *at);
  fmt::print(stderr, "Happened:\n");
  for (auto at = got.begin() + from; at != got.end() && at < b + 10; ++at)
    fmt::print(stderr, "{} {}\n", at < b ? ' ' : '+', *at);
}

int play_all(std::vector<std::string> paths) {
  const bool rewrite = !paths.empty() && paths[0] == "--rewrite";
  if (rewrite) paths.erase(paths.begin());
  if (paths.empty()) refuse("usage: scenarios [--rewrite] FILE…");
  int failures = 0;
  for (const std::string& path : paths) {
    const std::string expected = read_file(path);
    const std::string happened = play_file(expected);
    const bool broken = happened.find("\nBROKEN: ") != std::string::npos ||
                        happened.find("\nthe nodes do not agree") != std::string::npos;
    if (broken || (happened != expected && !rewrite)) {
      ++failures;
      print_difference(path, expected, happened);
    }
    if (rewrite && happened != expected) std::ofstream(path) << happened;
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace holdfast::scenarios

int main(int count, char** arguments) {
  return holdfast::scenarios::play_all({arguments + 1, arguments + count});
}
