#pragma once

// How far a backup is unpacked, as a line on a terminal that is drawn over and over.

#include "storage/backup/format.h"

namespace holdfast::offline {

// On standard error; elsewhere than on a terminal nothing. Gone when all was read.
void show_progress(const backup::Head& head, uint64_t bytes);

}  // namespace holdfast::offline
