// completion: what a shell offers when Tab is pressed. Made from the parser itself, so that it
// knows what this program knows.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "client/cli/command.h"

namespace holdfast::cli {
namespace {

struct Place {
  std::string path;  // " lease grant"; of the program itself: ""
  const CLI::App* app;
};

struct Offer {
  std::string word;
  std::string meaning;  // for people
};

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

std::vector<std::string> flags_of(const CLI::Option& option) {
  std::vector<std::string> flags;
  for (const std::string& name : option.get_lnames()) flags.push_back("--" + name);
  for (const std::string& name : option.get_snames()) flags.push_back("-" + name);
  return flags;
}

std::vector<Offer> offers_at(const CLI::App& app) {
  std::vector<Offer> offers;
  for (const CLI::App* command : app.get_subcommands({}))
    offers.push_back({command->get_name(), first_line(command->get_description())});
  for (const CLI::Option* option : app.get_options())
    for (const std::string& flag : flags_of(*option))
      offers.push_back({flag, first_line(option->get_description())});
  return offers;
}

void collect(const CLI::App& app, const std::string& path, std::vector<Place>& places) {
  places.push_back({path, &app});
  for (const CLI::App* command : app.get_subcommands({}))
    collect(*command, path + " " + command->get_name(), places);
}

// What a shell takes as one word, whatever else lies there.
bool is_plain(std::string_view name) {
  const auto is_fit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  return !name.empty() && std::ranges::all_of(name, is_fit);
}

bool is_program(const std::filesystem::directory_entry& entry) {
  std::error_code gone;
  return entry.is_regular_file(gone) && ::access(entry.path().c_str(), X_OK) == 0;
}

// holdfast-NAME beside this program is the command NAME.
std::vector<Offer> programs_beside(const std::string& directory) {
  constexpr std::string_view kPrefix = "holdfast-";
  std::vector<Offer> programs;
  std::error_code unreadable;
  std::filesystem::directory_iterator entry(directory, unreadable);
  for (; !unreadable && entry != std::filesystem::directory_iterator();
       entry.increment(unreadable)) {
    const std::string name = entry->path().filename();
    if (name.starts_with(kPrefix) && is_plain(name.substr(kPrefix.size())) && is_program(*entry))
      programs.push_back({name.substr(kPrefix.size()), "a program beside holdfast"});
  }
  std::ranges::sort(programs, {}, &Offer::word);
  return programs;
}

class Completion {
 public:
  Completion(const CLI::App& root, const std::string& directory)
      : beside_(programs_beside(directory)) {
    collect(root, "", places_);
  }

  void print_bash() const {
    std::vector<std::string> paths;
    for (const Place& place : places_)
      if (!place.path.empty()) paths.push_back('"' + place.path + '"');
    fmt::print(
        "_holdfast() {{\n"
        "  local at=\"\" i\n"
        "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "    case \"$at ${{COMP_WORDS[i]}}\" in\n"
        "      {}) at=\"$at ${{COMP_WORDS[i]}}\" ;;\n"
        "    esac\n"
        "  done\n"
        "  case \"$at\" in\n",
        fmt::join(paths, " | "));
    for (const Place& place : places_) {
      std::vector<std::string> words;
      for (const Offer& offer : offers(place)) words.push_back(offer.word);
      fmt::print(
          "    \"{}\") COMPREPLY=($(compgen -W \"{}\" -- \"${{COMP_WORDS[COMP_CWORD]}}\")) ;;\n",
          place.path, fmt::join(words, " "));
    }
    fmt::print("  esac\n}}\ncomplete -o default -F _holdfast holdfast\n");
  }

  // In bash's form, which zsh can read.
  void print_zsh() const {
    fmt::print("autoload -U +X bashcompinit && bashcompinit\n");
    print_bash();
  }

  void print_fish() const {
    for (const Place& place : places_) {
      for (const Offer& offer : offers(place)) {
        const std::string what = offer.word.starts_with("--")  ? "-l " + offer.word.substr(2)
                                 : offer.word.starts_with("-") ? "-s " + offer.word.substr(1)
                                                               : "-f -a " + offer.word;
        fmt::print("complete -c holdfast -n '{}' {} -d {}\n", condition(place), what,
                   quoted(offer.meaning));
      }
    }
  }

 private:
  std::vector<Offer> offers(const Place& place) const {
    std::vector<Offer> offers = offers_at(*place.app);
    if (place.path.empty()) offers.insert(offers.end(), beside_.begin(), beside_.end());
    return offers;
  }

  static std::string condition(const Place& place) {
    if (place.path.empty()) return "__fish_use_subcommand";
    std::string seen;
    for (size_t at = 1; at != 0;) {
      const size_t end = place.path.find(' ', at);
      seen += (seen.empty() ? "" : "; and ") +
              ("__fish_seen_subcommand_from " + place.path.substr(at, end - at));
      at = end == std::string::npos ? 0 : end + 1;
    }
    return seen;
  }

  static std::string quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) {
      if (c == '\'' || c == '\\') out += '\\';
      out += c;
    }
    return out + "'";
  }

  const std::vector<Offer> beside_;
  std::vector<Place> places_;
};

class CompletionCommand final : public Command {
 public:
  explicit CompletionCommand(CLI::App& root)
      : Command(root, "completion", "Print what makes a shell complete commands and options"),
        root_(root) {
    app()
        .add_option("SHELL", shell_, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    describe(
        "Examples:\n"
        "  source <(holdfast completion bash)             this shell; in ~/.bashrc: every one\n"
        "  source <(holdfast completion zsh)              the same for zsh, behind compinit\n"
        "  holdfast completion fish > ~/.config/fish/completions/holdfast.fish",
        {});
  }

  Exit run(const Session& session) override {
    const Completion completion(root_, session.binary_directory);
    if (shell_ == "bash") completion.print_bash();
    if (shell_ == "zsh") completion.print_zsh();
    if (shell_ == "fish") completion.print_fish();
    return Exit::kOk;
  }

 private:
  const CLI::App& root_;
  std::string shell_;
};

}  // namespace

std::unique_ptr<Command> make_completion_command(CLI::App& root) {
  return std::make_unique<CompletionCommand>(root);
}

}  // namespace holdfast::cli
