// The follower's side of replication, and what every node does with committed entries.

#include <algorithm>

#include "replication/raft/raft.h"
#include "storage/base/check.h"

namespace holdfast::raft {
namespace {

bool is_contiguous(const Append& append) {
  LogPosition before = append.previous;
  for (const EntryPtr& entry : append.entries) {
    if (entry->index != before.index + 1 || entry->term < before.term) return false;
    before = entry->position();
  }
  return true;
}

// What the log does not reach back to is committed, so it is the leader's too.
void skip_what_is_in_the_state(Append& append, LogPosition before) {
  if (append.previous.index >= before.index) return;
  const uint64_t known =
      std::min<uint64_t>(append.entries.size(), before.index - append.previous.index);
  append.entries.erase(append.entries.begin(),
                       append.entries.begin() + static_cast<std::ptrdiff_t>(known));
  append.previous = before;
}

}  // namespace

void Raft::follow(NodeId leader) {
  CHECK(!is_leader(), "two leaders in term {}", hard_state_.term.value);
  if (known_leader() != leader || !std::holds_alternative<FollowerRole>(role_))
    become_follower(hard_state_.term, leader);
  heard_leader_ = now_;
  forgave_silence_ = false;
  reset_election_timer();
}

void Raft::on_append(NodeId from, Append&& append) {
  follow(from);
  // A log that waits for room can write no vote either, and a group that then loses its leader has
  // none any more. So as long as the leader has a majority with room, entries are taken for lost,
  // and what is left is for votes. Where it has none, they are deletes, and need this disk.
  if (!append.entries.empty() && room_.is_full && !refuses_growth()) return;
  if (!is_contiguous(append)) return;
  skip_what_is_in_the_state(append, log_.before());
  if (log_.term_at(append.previous.index) != append.previous.term) {
    send(from, AppendRejected{append.previous, log_.last_agreeable(append.previous)});
    return;
  }
  for (EntryPtr& entry : append.entries) {
    const LogIndex index = entry->index;
    const std::optional<Term> have = log_.term_at(index);
    if (have == entry->term) continue;
    if (have) {
      // Only a real conflict cuts: an append that was overtaken by a longer one changes nothing.
      CHECK(index > commit_, "committed entry {} of term {} would become one of term {}",
            index.value, have->value, entry->term.value);
      log_.cut_from(index);
      membership_.cut_from(index);
    }
    if (entry->kind == EntryKind::kMembers) membership_.append(*entry);
    stamps_.follow(entry->stamp);
    log_.append(std::move(entry));
  }
  // Beyond the last entry that this message compared, our log may differ from the leader's.
  const LogIndex verified = append.previous.index + append.entries.size();
  verified_ = std::max(verified_, verified);
  set_commit(std::min(append.commit, verified));
  if (verified <= log_.persisted()) {
    send(from, Appended{verified});
  } else {
    send_when_persisted(from, Appended{verified});
  }
}

void Raft::on_heartbeat(NodeId from, const Heartbeat& heartbeat) {
  follow(from);
  if (!quarantine_.is_on() && lost(heartbeat.commit)) quarantine_.begin();
  if (quarantine_.is_due()) return;
  const LogIndex commit = heartbeat.commit.index;
  set_commit(quarantine_.is_on() ? std::min(commit, verified_) : commit);
  std::get<FollowerRole>(role_).leader_refuses_growth = heartbeat.refuses_growth;
  if (heartbeat.proof) currency_.take(*heartbeat.proof, applied_);
  if (heartbeat.reach && currency_.was_given(heartbeat.reach->after_moment))
    quarantine_.heed_reach(heartbeat.reach->last);
  send(from,
       HeartbeatReply{heartbeat.round, verified_,
                      currency_.moment_of_answer(now_, config_.heartbeat / 4), quarantine_.is_on(),
                      awaits_state_, installing_.has_value(), room_.is_short});
  // An acknowledgement may have been lost, and without a further append nothing would repeat it.
  const LogIndex match = std::min(verified_, log_.persisted());
  if (match > commit) send(from, Appended{match});
}

void Raft::set_commit(LogIndex commit) {
  commit_ = std::max(commit_, commit);
  verified_ = std::max(verified_, commit_);
}

void Raft::emit_committed() {
  const LogIndex upto = std::min(commit_, log_.persisted());
  while (!installing_ && !awaits_state_ && emitted_ < upto &&
         applying_bytes_ < config_.apply_bytes_max && !loading_own_) {
    auto entries = log_.entries(emitted_ + 1, upto, config_.apply_bytes_max - applying_bytes_);
    if (!entries) {
      output_.load.push_back({config_.self, emitted_ + 1, upto, config_.append_bytes_max});
      loading_own_ = true;
      return;
    }
    emit(*std::move(entries));
  }
}

void Raft::emit(std::vector<EntryPtr> entries) {
  size_t bytes = 0;
  for (EntryPtr& entry : entries) {
    CHECK(entry->index == emitted_ + 1 && entry->term >= emitted_term_);
    bytes += entry->bytes();
    resolve(*entry);
    emitted_ = entry->index;
    emitted_term_ = entry->term;
    output_.apply.push_back(std::move(entry));
  }
  applying_.emplace_back(emitted_, bytes);
  applying_bytes_ += bytes;
}

void Raft::on_applied(const Applied& applied) {
  CHECK(applied.upto >= applied_ && applied.upto <= emitted_);
  applied_ = applied.upto;
  while (!applying_.empty() && applying_.front().first <= applied_) {
    applying_bytes_ -= applying_.front().second;
    applying_.pop_front();
  }
  membership_.applied(applied_);
  durable_ = std::max(durable_, applied.durable);
  log_.shrink_window(applied_, config_.window_bytes_max);
  currency_.note_applied(applied_);
  const auto end = confirmed_reads_.upper_bound(applied_);
  for (auto read = confirmed_reads_.begin(); read != end; ++read)
    output_.readable.push_back(read->second.request);
  confirmed_reads_.erase(confirmed_reads_.begin(), end);
}

void Raft::on_persisted(const Persisted& persisted) {
  log_.on_persisted(persisted.ticket);
  traces_.persist(log_.persisted(), now_);
  while (!unanswered_writes_.empty() && unanswered_writes_.front().first <= persisted.ticket)
    unanswered_writes_.pop_front();
  watch_disk();
  log_.shrink_window(applied_, config_.window_bytes_max);
  // A leader refuses proposals while its state machine is behind. A follower has no such say: what
  // it cannot apply soon it reads back from its disk.
  if (!is_leader())
    log_.shrink_window(log_.persisted(), config_.proposals_bytes_max + config_.window_bytes_max);
  while (!held_.empty() && held_.front().first <= persisted.ticket) {
    // A promise of an earlier term is owed to nobody any more.
    if (held_.front().second.term == hard_state_.term)
      output_.send.push_back(std::move(held_.front().second));
    held_.pop_front();
  }
  if (std::holds_alternative<CandidateRole>(role_)) count_votes();
}

}  // namespace holdfast::raft
