#pragma once

// The named values by which one state says where it is, and what it has of itself. What the
// replicas agree on, and have in their hashes, is every other name.

#include <array>
#include <string_view>

namespace holdfast {

inline constexpr std::string_view kFormat = "format";
inline constexpr std::string_view kHead = "head";
inline constexpr std::string_view kClientUrls = "client_urls";
inline constexpr std::string_view kMembers = "members";
inline constexpr std::string_view kInstalled = "installed";
inline constexpr std::string_view kAgreement = "agreement";
inline constexpr std::array kOwnNames = {kFormat,  kHead,      kClientUrls,
                                         kMembers, kInstalled, kAgreement};

}  // namespace holdfast
