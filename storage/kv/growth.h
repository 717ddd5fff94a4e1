#pragma once

// What is refused where the disks of the cluster are short of room.

#include "storage/kv/command.h"

namespace holdfast {

// Whether the state may be larger behind it: all else is taken as long as there is any room.
bool grows(const Command& command);

}  // namespace holdfast
