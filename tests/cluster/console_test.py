#!/usr/bin/env python3
"""The console in a browser, before three real nodes: what it shows of them, keys that are put, read, scanned, watched
and deleted through it, the API's own words for what is refused, a change of leader, and a node that ends. On a
telephone nothing is to be scrolled to the side. Without Chromium nothing is looked at, and the end is 77."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
from cluster import PATIENCE_S, Cluster, wait_for  # noqa: E402

CHROMIUM = shutil.which("chromium")
PHONE, SCREEN = 375, 1280
SKIPPED = 77
MARKUP = "<img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script>"


class Browser:
    """Chromium, spoken to through a pair of pipes: each message is JSON, with a zero behind it."""

    def __init__(self, folder):
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "bash", CHROMIUM, "--headless", "--no-sandbox",
             "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={folder}/profile", "about:blank"],
            pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self._rest = b""
        self._count = 0
        self._session = None
        self.said = []  # to its console
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for part in ("Runtime", "Log", "Page"):
            self.ask(f"{part}.enable")

    def close(self):
        """It ends by itself, and its own processes before it: where it is killed, they still write to the folder."""
        os.close(self._to)
        os.close(self._from)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(PATIENCE_S)

    def ask(self, method, **params):
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            heard = self._hear()
            if heard.get("method") == "Runtime.exceptionThrown":
                self.said.append(json.dumps(heard["params"]["exceptionDetails"]))
            if heard.get("method") == "Log.entryAdded":
                self.said.append(" ".join(heard["params"]["entry"].get(part, "") for part in ("text", "url")))
            if heard.get("id") == self._count:
                assert "error" not in heard, heard
                return heard["result"]

    def _hear(self):
        while b"\0" not in self._rest:
            more = os.read(self._from, 1 << 16)
            assert more, "the browser has ended"
            self._rest += more
        text, self._rest = self._rest.split(b"\0", 1)
        return json.loads(text)

    def run(self, script):
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def open(self, url, width):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width == PHONE)
        self.ask("Page.navigate", url=url)
        wait_for("the page is live", lambda: self.text("pulse") == "live")

    def text(self, place):
        return self.run(f"document.getElementById({json.dumps(place)})?.textContent ?? ''")

    def fill(self, place, text):
        self.run(f"document.getElementById({json.dumps(place)}).value = {json.dumps(text)}")

    def press(self, selector):
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def says(self, place, words):
        wait_for(f"'{words}' in {place}", lambda: words in self.text(place))

    def act(self, button, words):
        """What is done with a key, and what is said of it; what was said of the one before is no answer."""
        self.run("document.getElementById('said').replaceChildren()")
        self.press(button)
        self.says("said", words)

    def answer(self, question, button):
        """The dialog that asks whether one is sure."""
        wait_for(f"the question {question}", lambda: self.run(
            f"document.getElementById('sure').open && {json.dumps(question)} === document.getElementById('sure-what').textContent"))
        self.press(button)


def keys(browser, node):
    browser.fill("key", "shop/äpfel")
    browser.fill("value", MARKUP)
    browser.act("[name=put]", "created at revision")
    status, value = node.ask("GET", "/v1/kv/shop/%C3%A4pfel")
    assert (status, value.decode()) == (200, MARKUP)
    browser.fill("value", "")
    browser.act("[name=get]", MARKUP)
    assert browser.run("document.getElementById('value').value") == MARKUP
    # Only if it is as it was read; it is not.
    assert node.ask("PUT", "/v1/kv/shop/%C3%A4pfel", b"by somebody else")[0] == 200
    browser.fill("condition", "same")
    browser.act("[name=put]", "412 precondition_failed")
    browser.fill("condition", "new")
    browser.act("[name=put]", "412 precondition_failed")
    assert node.ask("GET", "/v1/kv/shop/%C3%A4pfel")[1] == b"by somebody else"
    browser.fill("condition", "")
    browser.fill("key", "nothing")
    browser.act("[name=get]", "404 key_not_found")
    assert node.ask("PUT", "/v1/kv/bytes", b"\xff\x00")[0] == 201
    browser.fill("key", "bytes")
    browser.act("[name=get]", "no text, so it is not shown")


def scans(browser, node):
    for number in range(120):
        assert node.ask("PUT", f"/v1/kv/many/{number:03}", MARKUP.encode())[0] == 201
    browser.fill("prefix", "many/")
    browser.press("#scan button")
    browser.says("scanned", "100 keys, and more")
    browser.press("#more")
    browser.says("scanned", "120 keys, all as of revision")
    browser.press("#items td button")
    browser.says("said", f"{len(MARKUP)} bytes")
    assert browser.run("document.getElementById('key').value") == "many/000"


def watches(browser, node):
    browser.fill("watched", "seen/")
    browser.press("#watch button")
    browser.says("watching", "nothing is missed from revision")
    assert node.ask("PUT", "/v1/kv/seen/a", MARKUP.encode())[0] == 201
    assert node.ask("PUT", "/v1/kv/unseen", b"x")[0] == 201
    browser.says("changes", f"put seen/a = {MARKUP}")
    browser.fill("key", "seen/a")
    browser.press("[name=delete]")
    browser.answer("Delete seen/a?", "#sure-yes")
    browser.says("said", "deleted at revision")
    browser.says("changes", "delete seen/a")
    assert "unseen" not in browser.text("changes")


def hands_over(browser, cluster):
    old = cluster.leader()
    asked = browser.run("document.querySelector('.node button').dataset.member")
    button = f".node button[data-member={asked}]"
    question = f"Hand the leadership over from {old.name} to {asked}?"
    browser.press(button)
    browser.answer(question, "#sure button[value='']")
    assert cluster.leader() is old, "who says no changes nothing"
    # Asked again before the page has heard of the answer: no is the answer to the first question only.
    browser.run(f"for (const one of [{json.dumps(button)}, \"#sure button[value='']\", {json.dumps(button)}]) "
                "document.querySelector(one).click()")
    browser.answer(question, "#sure-yes")
    wait_for(f"{asked} leads", lambda: cluster.leader().name == asked)
    wait_for("the page shows it", lambda: browser.run("document.querySelector('.node.leader h3')?.textContent") == asked)
    browser.says("events", f"of {asked}" if browser.text("where").split()[0] != asked else "leader in term")


def ends(browser, cluster, node):
    """Another node, then the one that is asked: it says so, and goes on when it is back."""
    other = next(one for one in cluster.nodes if one is not node)
    node_leads = cluster.leader() is node
    other.end(signal.SIGKILL)
    if node_leads:
        wait_for("it is shown as silent", lambda: browser.run("document.querySelector('.node.bad h3')?.textContent") == other.name)
    other.start()
    node.end(signal.SIGTERM)
    browser.says("pulse", "this node does not answer")
    node.start()
    cluster.wait_ready()
    browser.says("pulse", "live")
    assert node.ask("PUT", "/v1/kv/seen/again", b"x")[0] == 201
    browser.says("changes", "put seen/again")


def main():
    if CHROMIUM is None:
        print("no Chromium here: the console was not looked at")
        sys.exit(SKIPPED)
    with Cluster(3) as cluster, tempfile.TemporaryDirectory() as folder:
        browser = Browser(pathlib.Path(folder))
        try:
            node = cluster.leader()
            url = f"http://127.0.0.1:{node.port}/"
            browser.open(url, SCREEN)
            names = browser.run("[...document.querySelectorAll('.node h3')].map(one => one.textContent)")
            assert names == ["n1", "n2", "n3"], names
            keys(browser, node)
            scans(browser, node)
            watches(browser, node)
            browser.ask("Emulation.setDeviceMetricsOverride", width=PHONE, height=800, deviceScaleFactor=1, mobile=True)
            wide = browser.run("document.documentElement.scrollWidth")
            assert wide <= PHONE, f"{wide} pixels on a telephone of {PHONE}"
            hands_over(browser, cluster)
            assert browser.run("document.images.length + document.scripts.length") == 1, "markup was not taken as text"
            assert "taken over" not in browser.run("document.title")
            # What is refused on purpose is all that the browser has to say.
            told = [line for line in browser.said if "status of 404" not in line and "status of 412" not in line]
            assert not told, told
            ends(browser, cluster, node)
        finally:
            browser.close()
    print("the console shows and does what it says")


if __name__ == "__main__":
    main()
