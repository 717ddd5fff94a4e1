// The console is served as it is, and by rules that let it do no more than it must.

#include "server/api/console.h"

#include <fmt/format.h>

#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct Part {
  std::string path;
  std::string_view text;
  std::string type;
};

class Console : public ApiTest {
 protected:
  const std::vector<Part> parts_ = {
      {"/", console_page_text(), "text/html; charset=utf-8"},
      {"/console.css", console_style_text(), "text/css; charset=utf-8"},
      {"/console.js", console_script_text(), "text/javascript; charset=utf-8"}};
};

TEST_F(Console, IsServedAsItIsAndNotTwice) {
  for (const Part& part : parts_) {
    const http::Response answer = call("GET", part.path);
    EXPECT_EQ(answer.status, 200) << part.path;
    EXPECT_EQ(answer.content_type, part.type);
    EXPECT_EQ(answer.body, part.text);
    const std::string tag(answer.header("ETag").value());
    EXPECT_EQ(call("GET", part.path, "", {{"If-None-Match", tag}}).status, 304);
    EXPECT_EQ(call("GET", part.path, "", {{"If-None-Match", "\"x\""}}).status, 200);
    EXPECT_EQ(call("GET", part.path + "?x=1").status, 400);
    EXPECT_EQ(call("PUT", part.path).status, 405);
  }
}

TEST_F(Console, IsServedWhileTheNodeBelongsToNoCluster) {
  services.gate = nullptr;
  for (const Part& part : parts_) EXPECT_EQ(call("GET", part.path).status, 200);
}

TEST_F(Console, RunsItsOwnScriptAndNothingElseInNobodysFrame) {
  for (const Part& part : parts_) {
    const http::Response answer = call("GET", part.path);
    EXPECT_THAT(std::string(answer.header("Content-Security-Policy").value()),
                AllOf(HasSubstr("default-src 'none'"), HasSubstr("script-src 'self';"),
                      HasSubstr("connect-src 'self'"), HasSubstr("frame-ancestors 'none'"),
                      Not(HasSubstr("unsafe"))));
    EXPECT_EQ(answer.header("X-Frame-Options"), "DENY");
    EXPECT_EQ(answer.header("X-Content-Type-Options"), "nosniff");
  }
}

// By those rules a browser would leave such things out.
TEST_F(Console, NeedsNothingFromElsewhereAndNoScriptWithinThePage) {
  const std::string page(console_page_text());
  EXPECT_THAT(page, Not(HasSubstr("<style")));
  EXPECT_THAT(page, Not(HasSubstr(" style=")));
  EXPECT_THAT(page, Not(testing::ContainsRegex(" on[a-z]+="))) << "an attribute that is script";
  EXPECT_THAT(page, AllOf(HasSubstr("href=\"/console.css\""), HasSubstr("src=\"/console.js\"")));
  size_t scripts = 0;
  for (size_t at = page.find("<script"); at != std::string::npos; at = page.find("<script", at + 1))
    ++scripts;
  EXPECT_EQ(scripts, 1u);
  for (const Part& part : parts_)
    for (const char* elsewhere : {"src=\"http", "href=\"http", "url(", "@import", "fetch(\"http"})
      EXPECT_THAT(std::string(part.text), Not(HasSubstr(elsewhere))) << part.path;
  // What is stored is text to it.
  for (const char* markup :
       {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("})
    EXPECT_THAT(std::string(console_script_text()), Not(HasSubstr(markup)));
}

}  // namespace
}  // namespace holdfast
