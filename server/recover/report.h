#pragma once

// A judgement, and what came of it, for people and for scripts.

#include <optional>
#include <span>
#include <string>

#include "server/recover/judgement.h"
#include "server/recover/revive.h"
#include "server/recover/survey.h"

namespace holdfast::recover {

// What was asked to be done beyond looking, and how it ended.
struct Outcome {
  std::optional<Revived> revived;
  std::string refused;  // why nothing was done; empty: nothing was refused
};

// `places` are what was looked at, for the commands that the text proposes.
std::string plan_text(const Judgement& judgement, std::span<const Place> places);
std::string revived_text(const Revived& revived, const Place& place);
// One object, one line.
std::string as_json(const Judgement& judgement, const Outcome& outcome);

}  // namespace holdfast::recover
