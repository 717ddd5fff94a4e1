#pragma once

// How a cluster forms from --initial-cluster: once every listed member has said who it is. All then
// compute the same cluster id and the same first list of members from these answers, so nobody has
// to lead. A member that was emptied draws a new id, so what it computes is not the cluster that
// the others are in, and it is refused: it never votes a second time under its old name.

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "replication/raft/membership.h"
#include "replication/transport/wire.h"
#include "server/data_directory.h"

namespace holdfast {

struct InitialMember {
  std::string name;
  std::string peer_address;
  friend bool operator==(const InitialMember&, const InitialMember&) = default;
};

// "n1=HOST:PORT,n2=HOST:PORT": each name once, each address once.
Result<std::vector<InitialMember>> parse_initial_cluster(std::string_view text);

class Bootstrap {
 public:
  // `self` is one of `members` by its name.
  static Result<Bootstrap> begin(std::vector<InitialMember> members, const Hello& self);

  // What the node at a member's address said. An error ends the forming.
  Result<> hear(const InitialMember& member, const Hello& hello);

  std::vector<InitialMember> silent() const;  // have not answered yet
  // Once nobody is silent. An error: some members are in another cluster already.
  Result<Entered> form() const;

 private:
  std::vector<InitialMember> members_;
  std::map<std::string, Hello> heard_;  // by name
};

}  // namespace holdfast
