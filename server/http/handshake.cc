#include "server/http/handshake.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "server/http/problem.h"
#include "storage/base/check.h"

namespace holdfast::http {
namespace {

constexpr std::string_view kVersion = "13";
constexpr size_t kKeyBytes = 16;
constexpr size_t kKeyCharacters = 24;

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

// Whether one of the fields of that name, each a list, has `word`.
bool lists(const Request& request, std::string_view field, std::string_view word) {
  for (std::string_view list : request.headers(field)) {
    while (!list.empty()) {
      const std::string_view one = list.substr(0, list.find(','));
      list.remove_prefix(std::min(list.size(), one.size() + 1));
      if (same_word(trimmed(one), word)) return true;
    }
  }
  return false;
}

bool is_key(std::string_view key) {
  if (key.size() != kKeyCharacters || !key.ends_with("==")) return false;
  // Bytes that stand for the padding are decoded, too.
  std::array<unsigned char, kKeyBytes + 2> bytes{};
  const auto* const text = reinterpret_cast<const unsigned char*>(key.data());
  return EVP_DecodeBlock(bytes.data(), text, static_cast<int>(key.size())) ==
         static_cast<int>(bytes.size());
}

// Proves that this is a server of WebSockets and that it has read this very request.
std::string accept_of(std::string_view key) {
  const std::string text = fmt::format("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1);
  std::array<unsigned char, 64> encoded{};
  const int length = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(size));
  return {reinterpret_cast<const char*>(encoded.data()), static_cast<size_t>(length)};
}

// Browsers let any page open a WebSocket anywhere, and read what comes; but they say whose page it
// is. Programs say nothing.
bool is_own_origin(const Request& request) {
  const std::optional<std::string_view> origin = request.header("Origin");
  if (!origin) return true;
  const size_t scheme = origin->find("://");
  if (scheme == std::string_view::npos) return false;
  return same_word(origin->substr(scheme + 3), request.header("Host").value_or(""));
}

Response upgrade_required() {
  Response response =
      answer({.code = Code::kUpgradeRequired,
              .detail = fmt::format("a WebSocket is opened by a GET over HTTP/1.1 with 'Upgrade: "
                                    "websocket', 'Connection: Upgrade' and 'Sec-WebSocket-Version: "
                                    "{}'",
                                    kVersion)});
  response.add_header("Upgrade", "websocket");
  response.add_header("Sec-WebSocket-Version", kVersion);
  return response;
}

}  // namespace

bool asks_for_web_socket(const Request& request) {
  return request.header("Upgrade") && lists(request, "Upgrade", "websocket") &&
         lists(request, "Connection", "Upgrade");
}

bool means_web_socket(const Request& request) {
  return lists(request, "Upgrade", "websocket") || request.header("Sec-WebSocket-Key") ||
         request.header("Sec-WebSocket-Version");
}

Response shake_hands(const Request& request) {
  const std::vector<std::string_view> versions = request.headers("Sec-WebSocket-Version");
  if (request.method() != Method::kGet || !asks_for_web_socket(request) || versions.size() != 1 ||
      versions[0] != kVersion)
    return upgrade_required();
  const std::vector<std::string_view> keys = request.headers("Sec-WebSocket-Key");
  if (keys.size() != 1 || !is_key(keys[0]))
    return answer(bad_request("Sec-WebSocket-Key must be given once, 16 bytes in base64"));
  if (!is_own_origin(request))
    return answer({.code = Code::kForbidden,
                   .detail = fmt::format(
                       "a page of {} must not open a WebSocket to {}: Origin and Host differ",
                       *request.header("Origin"), request.header("Host").value_or(""))});
  Response response(101);
  response.add_header("Upgrade", "websocket");
  response.add_header("Sec-WebSocket-Accept", accept_of(keys[0]));
  return response;
}

}  // namespace holdfast::http
