#pragma once

// What a thread does, as `top -H`, `perf` and a debugger show it.

namespace holdfast {

// Of the calling thread; at most 15 characters, which is what the kernel keeps.
void name_this_thread(const char* name);

}  // namespace holdfast
