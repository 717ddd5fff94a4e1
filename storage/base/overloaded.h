#pragma once

// std::visit with one lambda for each kind.

namespace holdfast {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

}  // namespace holdfast
