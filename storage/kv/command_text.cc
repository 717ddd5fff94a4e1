#include "storage/kv/command_text.h"

#include <fmt/core.h>
#include <google/protobuf/text_format.h>

#include "storage/kv/command.pb.h"

namespace holdfast {
namespace {

constexpr int kShownBytes = 64;

}  // namespace

// From the encoding itself, so that every command there is, and will be, is shown.
std::string text_of_command(std::string_view payload) {
  command::Command command;
  if (!command.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
    return fmt::format("{} bytes that are no command", payload.size());
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  printer.SetTruncateStringFieldLongerThan(kShownBytes);
  std::string text;
  printer.PrintToString(command, &text);
  if (text.ends_with(' ')) text.pop_back();
  return text;
}

}  // namespace holdfast
