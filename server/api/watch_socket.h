#pragma once

// Many watches on one connection: GET /v1/watch upgraded to a WebSocket. Everything here runs on
// one io thread; made by `watch_keys`, kept by the connection and by those who wait in it.

#include <coroutine>
#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/api/services.h"
#include "server/api/watch_request.h"
#include "server/api/watchers.h"
#include "server/http/conversation.h"

namespace holdfast {

class WatchSocket final : public http::Conversation,
                          public std::enable_shared_from_this<WatchSocket> {
 public:
  static constexpr size_t kWatchesMax = 1000;
  // Then no message is read until something has been answered.
  static constexpr size_t kBeginningMax = 64;
  static constexpr size_t kAnswerBytesMax = size_t{64} << 10;

  // `services` outlives it.
  explicit WatchSocket(Services& services);
  ~WatchSocket() override;
  WatchSocket(const WatchSocket&) = delete;
  WatchSocket& operator=(const WatchSocket&) = delete;

  bool is_endless() const override { return true; }
  Task<bool> ready() override;
  Task<Result<std::string>> next() override;
  void hear(std::string message) override;
  bool is_full() const override {
    return beginning_ >= kBeginningMax || answers_.size() >= kAnswerBytesMax;
  }
  void hang_up() override;

 private:
  struct Entry;
  class Waiting;

  void begin(const std::string& id, WatchRead read);
  static Detached fix_beginning(std::shared_ptr<WatchSocket> self, std::string id, WatchRead read);
  void begun(const std::string& id, WatchRead read,
             const std::expected<Revision, http::Problem>& newest);
  void cancel(std::string_view id);
  void listen(Entry& entry);
  Task<Result<>> take_from(Entry& entry, std::string& piece);
  Result<> tell(Entry& entry, const Result<Watch::News>& news, std::string& piece);
  void forget(Entry& entry);
  void refuse(const std::optional<std::string>& id, const http::Problem& problem);
  void wake();
  bool has_news() const { return over_ || !answers_.empty() || !with_news_.empty(); }

  Services& services_;
  std::map<std::string, std::unique_ptr<Entry>, std::less<>> entries_;
  std::deque<Entry*> with_news_;  // each has its turn
  std::string answers_;           // frames that go before what the watches have to tell
  size_t beginning_ = 0;
  Entry* taken_ = nullptr;          // what it has to tell is being read,
  std::unique_ptr<Entry> dropped_;  // and nobody wants to know it any more
  bool over_ = false;
  std::coroutine_handle<> waiter_;
};

}  // namespace holdfast
