#include "client/cli/digest.h"

#include <array>
#include <map>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "client/cli/record.h"
#include "storage/base/check.h"

namespace holdfast::cli {

struct Digest::Hash {
  Hash() : context(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    CHECK(context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  }

  void add_with_length(std::string_view bytes) const {
    std::array<unsigned char, 8> length{};
    for (size_t i = 0; i < length.size(); ++i) {
      length[i] = static_cast<unsigned char>(uint64_t{bytes.size()} >> (56 - 8 * i));
    }
    CHECK(EVP_DigestUpdate(context.get(), length.data(), length.size()) == 1);
    CHECK(EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1);
  }

  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context;
};

Digest::Digest() : hash_(std::make_unique<Hash>()) {}
Digest::~Digest() = default;

void Digest::add(std::string_view key, std::string_view value) {
  CHECK(count_ == 0 || last_key_ < key, "keys are not in order");
  last_key_ = key;
  ++count_;
  hash_->add_with_length(key);
  hash_->add_with_length(value);
}

std::string Digest::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  CHECK(EVP_DigestFinal_ex(hash_->context.get(), bytes.data(), &size) == 1);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex += fmt::format("{:02x}", bytes[i]);
  return hex;
}

Result<FileDigest> digest_of_records(Input& in) {
  std::map<std::string, std::string> records;
  std::string line;
  for (uint64_t number = 1;; ++number) {
    HOLDFAST_ASSIGN(const bool is_there, in.next_line(line));
    if (!is_there) break;
    if (line.empty()) continue;
    Result<Record> record = parse_record(line);
    if (!record) {
      return fail(record.error().code, fmt::format("line {}: {}", number, record.error().message));
    }
    records.insert_or_assign(std::move(record->key), std::move(record->value));
  }
  Digest digest;
  for (const auto& [key, value] : records) digest.add(key, value);
  return FileDigest{.sha256 = digest.finish(), .count = digest.count()};
}

}  // namespace holdfast::cli
