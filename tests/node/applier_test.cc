// What the apply thread says when it cannot go on.

#include "replication/node/applier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/kv/kv_state_machine.h"
#include "storage/kv/memory_engine.h"
#include "storage/kv/state_format.h"
#include "storage/kv/stored_bytes.h"

namespace holdfast {
namespace {

constexpr NodeId kApplying{1};

class ApplierDeathTest : public testing::Test {
 protected:
  void install(const std::string& source) {
    Applier applier(*machine_, kApplying, {});
    applier.submit(raft::InstallOrder{source, {{1}, {9}}});
  }

  MemoryEngine engine_;
  std::unique_ptr<KvStateMachine> machine_ = KvStateMachine::open(engine_).value();
};

TEST_F(ApplierDeathTest, AStateOfANewerFormatIsNoMatterOfTheDisk) {
  EngineBatch batch;
  batch.meta.emplace_back("format", encode_number(kStateFormat + 1));
  engine_.write(batch);
  ASSERT_TRUE(engine_.checkpoint("newer"));
  EXPECT_DEATH(install("newer"), testing::AllOf(testing::HasSubstr("start the newer program"),
                                                testing::Not(testing::HasSubstr("sent anew"))));
}

TEST_F(ApplierDeathTest, AStateThatCannotBeReadIsSentAnew) {
  EXPECT_DEATH(install("nowhere"),
               testing::HasSubstr("Check the disk, then start this process again"));
}

}  // namespace
}  // namespace holdfast
