#pragma once

// Tasks carried out by coroutines of Boost.Asio, which wait without a thread. What is awaited here
// waits for several things at once: its executor must run one handler at a time (on_strand).

#include <functional>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "client/task.h"

namespace holdfast {

template <class T>
using Awaitable = boost::asio::awaitable<T>;

// For all but what is told.
Awaitable<Supply> supply_awaited(Need need);

// Takes what is told, and says whether more is wanted.
using Listener = std::function<Awaitable<bool>(const Need&)>;

// `listener`: where the task tells something.
template <class T>
Awaitable<T> carry_out_awaited(Task<T> task, Listener listener) {
  Standing standing;
  for (task.start(standing); !task.is_done(); standing.waiting.resume()) {
    if (std::holds_alternative<ChangeToTell>(standing.need) ||
        std::holds_alternative<EventToTell>(standing.need)) {
      Awaitable<bool> listening = listener(standing.need);
      standing.supply.goes_on = co_await std::move(listening);
    } else {
      Awaitable<Supply> supplying = supply_awaited(standing.need);
      standing.supply = co_await std::move(supplying);
    }
  }
  co_return task.take();
}

// One handler at a time, whatever the executor of whoever awaits it, who goes on there.
template <class T>
Awaitable<T> on_strand(Awaitable<T> inner) {
  const boost::asio::any_io_executor home = co_await boost::asio::this_coro::executor;
  co_return co_await boost::asio::co_spawn(boost::asio::make_strand(home), std::move(inner),
                                           boost::asio::use_awaitable);
}

}  // namespace holdfast
