#include "server/api/routes.h"

#include "server/api/bulk.h"
#include "server/api/cluster.h"
#include "server/api/console.h"
#include "server/api/events.h"
#include "server/api/faults.h"
#include "server/api/health.h"
#include "server/api/kv.h"
#include "server/api/leases.h"
#include "server/api/locks.h"
#include "server/api/members.h"
#include "server/api/openapi.h"
#include "server/api/past.h"
#include "server/api/scan.h"
#include "server/api/snapshot.h"
#include "server/api/txn.h"
#include "server/api/usage.h"
#include "server/api/watch.h"

namespace holdfast {

void add_routes(http::Router& router) {
  using http::Access;
  using http::Method;
  router.set_stamp(stamp);
  router.add(Method::kPut, "/v1/kv/{key}", Access::kWrite, serve<Call::kPut, put_key>);
  router.add(Method::kGet, "/v1/kv/{key}", Access::kRead, serve<Call::kGet, get_key>);
  router.add(Method::kDelete, "/v1/kv/{key}", Access::kWrite, serve<Call::kDelete, delete_key>);
  router.add(Method::kGet, "/v1/kv", Access::kRead, serve<Call::kScan, scan_keys>);
  router.add(Method::kDelete, "/v1/kv", Access::kWrite, serve<Call::kDeleteRange, delete_range>);
  router.add(Method::kPost, "/v1/leases", Access::kWrite, serve<Call::kLeases, grant_lease>);
  router.add(Method::kGet, "/v1/leases", Access::kRead, serve<Call::kLeases, show_leases>);
  router.add(Method::kPut, "/v1/leases/{id}", Access::kWrite,
             serve<Call::kLeases, keep_lease_alive>);
  router.add(Method::kGet, "/v1/leases/{id}", Access::kRead, serve<Call::kLeases, show_lease>);
  router.add(Method::kDelete, "/v1/leases/{id}", Access::kWrite,
             serve<Call::kLeases, revoke_lease>);
  router.add(Method::kPost, "/v1/locks/{name}", Access::kWrite, serve<Call::kLocks, acquire_lock>);
  router.add(Method::kPut, "/v1/locks/{name}", Access::kWrite,
             serve<Call::kLocks, keep_lock_alive>);
  router.add(Method::kGet, "/v1/locks/{name}", Access::kRead, serve<Call::kLocks, show_lock>);
  router.add(Method::kDelete, "/v1/locks/{name}", Access::kWrite,
             serve<Call::kLocks, release_lock>);
  router.add(Method::kPost, "/v1/txn", Access::kWrite, serve<Call::kTxn, run_transaction>);
  router.add(Method::kPost, "/v1/bulk", Access::kWrite, serve<Call::kBulk, run_bulk>,
             http::BodyForm::kStreamed);
  router.add(Method::kGet, "/v1/cluster", Access::kRead, serve<Call::kCluster, show_cluster>);
  router.add(Method::kPost, "/v1/cluster/leader", Access::kWrite,
             serve<Call::kLeader, change_leader>);
  router.add(Method::kPost, "/v1/cluster/members", Access::kWrite,
             serve<Call::kMembers, add_member>);
  router.add(Method::kDelete, "/v1/cluster/members/{name}", Access::kWrite,
             serve<Call::kMembers, remove_member>);
  router.add(Method::kPost, "/v1/cluster/members/{name}", Access::kWrite,
             serve<Call::kMembers, promote_member>);
  router.add(Method::kGet, "/v1/snapshot", Access::kRead, serve<Call::kSnapshot, send_snapshot>);
  router.add(Method::kGet, "/v1/cluster/settings", Access::kRead,
             serve<Call::kSettings, show_settings>);
  router.add(Method::kPatch, "/v1/cluster/settings", Access::kWrite,
             serve<Call::kSettings, change_settings>);
  router.add(Method::kGet, "/v1/history/{key}", Access::kRead, serve<Call::kHistory, show_history>);
  router.add(Method::kPost, "/v1/compact", Access::kWrite, serve<Call::kCompact, compact_history>);
  router.add(Method::kGet, "/v1/usage", Access::kRead, serve<Call::kUsage, show_usage>);
  router.add(Method::kGet, "/v1/watch", Access::kRead, serve<Call::kWatch, watch_keys>);
  router.add(Method::kPut, "/v1/faults", Access::kWrite, serve<Call::kFaults, set_faults>);
  router.add(Method::kGet, "/v1/faults", Access::kRead, serve<Call::kFaults, show_faults>);
  router.add(Method::kDelete, "/v1/faults", Access::kWrite, serve<Call::kFaults, clear_faults>);
  router.add(Method::kGet, "/v1/events", Access::kRead, serve<Call::kEvents, follow_events>);
  router.add(Method::kGet, "/openapi.json", Access::kRead, show_openapi);
  router.add(Method::kGet, "/", Access::kRead, show_console_page);
  router.add(Method::kGet, "/console.css", Access::kRead, show_console_style);
  router.add(Method::kGet, "/console.js", Access::kRead, show_console_script);
  router.add(Method::kGet, "/livez", Access::kRead, show_alive);
  router.add(Method::kGet, "/readyz", Access::kRead, show_ready);
  router.add(Method::kGet, "/metrics", Access::kRead, show_metrics);
}

}  // namespace holdfast
