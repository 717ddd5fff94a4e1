#!/usr/bin/env python3
"""Clients that others have written: curl, Python's requests and aiohttp, Node's fetch. Each puts, gets,
deletes, scans, makes a transaction, watches and sends a bulk stream, in a process of its own."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster  # noqa: E402

# Debian's, which has Debian's packages.
PYTHON = "/usr/bin/python3"
LINES = 10_000

CURL = r"""
set -euo pipefail
url=$1 lines=$2
curl() { command curl -sS --max-time 15 "$@"; }
test "$(curl -o /dev/null -w '%{http_code}' -X PUT --data-binary one "$url/v1/kv/curl/a%20b")" = 201
test "$(curl "$url/v1/kv/curl/a%20b")" = one
test "$(curl -o /dev/null -w '%{http_code}' -X PUT -H 'If-None-Match: *' -d two "$url/v1/kv/curl/a%20b")" = 412
curl -I "$url/v1/kv/curl/a%20b" | grep -qi '^etag: "'
revision=$(curl -X POST -d '{"then":[{"put":{"key":"curl/t","value":"x"}},{"delete":{"key":"curl/a b"}}]}' \
    "$url/v1/txn" | sed 's/.*"revision":\([0-9]*\).*/\1/')
test "$(curl "$url/v1/kv?prefix=curl/&keys_only=true" | grep -o '"key"' | wc -l)" = 1
test "$(curl -X DELETE "$url/v1/kv/curl/t" | grep -c '"deleted":1')" = 1
test "$(curl -w '%{http_code}' -o /dev/null "$url/v1/kv/curl/t")" = 404
{ curl -N "$url/v1/watch?prefix=curl/&from=$revision" || true; } | sed -n '/^event: change/{p;q}' | grep -q change
for ((i = 0; i < lines; ++i)); do echo '{"put":{"key":"curl/bulk/'$i'","value":"v"}}'; done > "$3/curl.ndjson"
# A file whose length is known (curl asks for leave: Expect), and one that comes in chunks.
test "$(curl -X POST -T "$3/curl.ndjson" "$url/v1/bulk" | grep -c '"created":true')" = "$lines"
test "$(curl -X POST -T - "$url/v1/bulk" < "$3/curl.ndjson" | grep -c '"created":false')" = "$lines"
test "$(curl --http1.0 -X POST --data-binary "@$3/curl.ndjson" "$url/v1/bulk" | grep -c '"created":false')" = "$lines"
"""

REQUESTS = r"""
import json, sys, requests
url, lines = sys.argv[1], int(sys.argv[2])
session = requests.Session()
assert session.put(url + "/v1/kv/req/a", data=b"\0one").status_code == 201
got = session.get(url + "/v1/kv/req/a")
assert got.content == b"\0one" and got.headers["ETag"].startswith('"'), got.content
assert session.put(url + "/v1/kv/req/a", data=b"x", headers={"If-Match": '"1"'}).status_code == 412
done = session.post(url + "/v1/txn", json={"then": [{"put": {"key": "req/t", "value": "x"}}]}).json()
assert done["succeeded"], done
assert session.get(url + "/v1/kv", params={"prefix": "req/"}).json()["count"] == 2
scanned = session.get(url + "/v1/kv?prefix=req/", headers={"Accept": "application/x-ndjson"}, stream=True)
assert json.loads(list(scanned.iter_lines())[-1])["count"] == 2
assert session.delete(url + "/v1/kv/req/a").json()["deleted"] == 1
assert session.get(url + "/v1/kv/req/a").json()["code"] == "key_not_found"
with session.get(url + "/v1/watch", params={"key": "req/t", "from": done["revision"]}, stream=True) as watch:
    assert "event: change" in (line.decode() for line in watch.iter_lines(chunk_size=1))
# It takes nothing before it has sent everything.
body = "".join('{"put":{"key":"req/bulk/%d","value":"v"}}\n' % i for i in range(lines))
def parts():
    for i in range(0, len(body), 100_000):
        yield body[i:i + 100_000].encode()
for data in (body.encode(), parts()):
    answers = session.post(url + "/v1/bulk", data=data).text.splitlines()
    assert len(answers) == lines and all("put" in json.loads(line) for line in answers)
"""

AIOHTTP = r"""
import asyncio, json, sys, aiohttp
url, lines = sys.argv[1], int(sys.argv[2])
async def parts():
    for i in range(0, lines, 100):
        yield "".join('{"put":{"key":"aio/bulk/%d","value":"v"}}\n' % j for j in range(i, i + 100)).encode()
async def main():
    async with aiohttp.ClientSession(url) as session:
        async with session.put("/v1/kv/aio/a", data=b"one") as put:
            assert put.status == 201
        async with session.get("/v1/kv/aio/a") as got:
            assert await got.read() == b"one"
        async with session.post("/v1/txn", json={"then": [{"put": {"key": "aio/t", "value": "x"}}]}) as txn:
            revision = (await txn.json())["revision"]
        async with session.get("/v1/kv?prefix=aio/") as scan:
            assert (await scan.json())["count"] == 2
        async with session.delete("/v1/kv/aio/a") as gone:
            assert (await gone.json())["deleted"] == 1
        async with session.get(f"/v1/watch?key=aio/t&from={revision}") as watch:
            async for line in watch.content:
                if line == b"event: change\n":
                    break
        # It takes the answers while it sends.
        async with session.post("/v1/bulk", data=parts()) as bulk:
            answers = [json.loads(line) async for line in bulk.content]
        assert len(answers) == lines and all("put" in line for line in answers)
        # Many at once over one session.
        async def one(i):
            async with session.put(f"/v1/kv/aio/many/{i}", data=str(i)) as put:
                return put.status
        assert set(await asyncio.gather(*(one(i) for i in range(200)))) == {201}
asyncio.run(main())
"""

NODE = r"""
const assert = require('assert');
const [url, lines] = [process.argv[2], Number(process.argv[3])];
async function* events(response) {  // Server-Sent Events: name and data
  let text = '';
  for await (const bytes of response.body) {
    text += Buffer.from(bytes).toString();
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      const event = {};
      for (const line of text.slice(0, end).split('\n')) event[line.split(': ')[0]] = line.slice(line.indexOf(': ') + 2);
      yield event;
    }
  }
}
async function main() {
  assert.equal((await fetch(url + '/v1/kv/node/a', {method: 'PUT', body: 'one'})).status, 201);
  assert.equal(await (await fetch(url + '/v1/kv/node/a')).text(), 'one');
  const txn = {method: 'POST', body: JSON.stringify({then: [{put: {key: 'node/t', value: 'x'}}]})};
  const {revision} = await (await fetch(url + '/v1/txn', txn)).json();
  assert.equal((await (await fetch(url + '/v1/kv?prefix=node/')).json()).count, 2);
  assert.equal((await (await fetch(url + '/v1/kv/node/a', {method: 'DELETE'})).json()).deleted, 1);
  const problem = await (await fetch(url + '/v1/kv/node/a')).json();
  assert.equal(problem.code, 'key_not_found');
  const stop = new AbortController();
  for await (const event of events(await fetch(`${url}/v1/watch?key=node/t&from=${revision}`, {signal: stop.signal}))) {
    if (event.event !== 'change') continue;
    assert.equal(JSON.parse(event.data).events[0].value, 'x');
    break;
  }
  stop.abort();
  const line = (i) => JSON.stringify({put: {key: `node/bulk/${i}`, value: 'v'}}) + '\n';
  const all = Array.from({length: lines}, (_, i) => line(i));
  async function* parts() { for (let i = 0; i < lines; i += 500) yield Buffer.from(all.slice(i, i + 500).join('')); }
  for (const body of [all.join(''), parts()]) {
    const answer = await fetch(url + '/v1/bulk', {method: 'POST', body, duplex: 'half'});
    const answers = (await answer.text()).trim().split('\n').map((text) => JSON.parse(text));
    assert.equal(answers.length, lines);
    assert(answers.every((one) => 'put' in one));
  }
}
main().catch((error) => { console.error(error); process.exit(1); });
"""


def main():
    with Cluster(3) as cluster:
        directory = cluster.directory
        urls = [f"http://127.0.0.1:{node.port}" for node in cluster.nodes]
        clients = {"curl": ["bash", "-c", CURL, "curl"], "requests": [PYTHON, "-c", REQUESTS],
                   "aiohttp": [PYTHON, "-c", AIOHTTP], "node": ["node", "-e", NODE, "--", "node"]}
        running = {name: subprocess.Popen([*command, urls[i % 3], str(LINES), str(directory)], text=True,
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                   for i, (name, command) in enumerate(clients.items())}
        failed = []
        for name, process in running.items():
            try:
                said, _ = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                said, _ = process.communicate()
                said += "it did not end within 60 s\n"
            if process.returncode != 0:
                failed.append(f"{name} ended with {process.returncode}:\n{said}")
        assert not failed, "\n".join(failed)
        for prefix in ("curl", "req", "aio", "node"):
            status, body = cluster.nodes[0].ask("GET", f"/v1/kv?prefix={prefix}/bulk/&count_only=true")
            assert status == 200 and f'"count":{LINES}' in body.decode(), (prefix, status, body)
        print(f"{', '.join(clients)}: all well")


if __name__ == "__main__":
    main()
