// The console: what this node says of its cluster, its keys and its events, through the same API that every client
// uses. Whatever comes from there is put into the page as text, never as markup.

"use strict";

const LOOK_EVERY_MS = 1000;
const AGAIN_AFTER_MS = 1000;  // a stream that broke off
const PATIENCE_MS = 4000;     // with a look at the cluster
const ROWS_MAX = 200;         // of a feed
const PAGE_ITEMS = 100;
const SHOWN_CHARACTERS = 200;  // of a value in a list
const RATE_SECONDS = 60;

const at = id => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter(child => child !== null));
  return element;
}

// --- Asking ---

// What the API says is wrong, in its own words.
class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? `HTTP status ${status}`);
    this.heading = `${status} ${body.code ?? ""}`.trim();
    this.outcome = body.outcome === "unknown" ? " It may or may not have happened." : "";
  }
}

async function problem_of(answer) {
  return new Problem(answer.status, await answer.json().catch(() => ({})));
}

async function ask(method, target, body, headers = {}, signal = undefined) {
  const answer = await fetch(target, {method, body, headers, signal, cache: "no-store"});
  if (!answer.ok) throw await problem_of(answer);
  return answer;
}

function say(place, words, kind = "") {
  place.className = `said ${kind}`;
  place.hidden = false;
  place.replaceChildren(...[words].flat());
}

function say_problem(place, problem) {
  if (problem instanceof Problem)
    return say(place, [make("strong", {}, problem.heading), ` ${problem.message}.${problem.outcome}`], "bad");
  say(place, `This node does not answer (${problem.message}).`, "bad");
}

// A key has one segment of a path, so that no browser takes dots in it for folders.
function path_of(key) {
  if (key === "." || key === "..")
    throw new Error(`browsers take '${key}' for a folder; holdfast get, put and delete do not`);
  return `/v1/kv/${encodeURIComponent(key)}`;
}

// Bytes that are no text come in base64, under another name.
function text_of(item, name) {
  if (item[name] !== undefined) return item[name];
  const bytes = item[`${name}_base64`];
  return bytes === undefined ? "" : `base64:${bytes}`;
}

function shortened(text) {
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}

// Server-Sent Events until `signal`, again and again from where they broke off. Who asks is told what the API refuses,
// which EventSource does not say.
async function follow(target, signal, {told, broke}) {
  let last = null;
  while (!signal.aborted) {
    try {
      const headers = {Accept: "text/event-stream", ...(last === null ? {} : {"Last-Event-ID": last})};
      const answer = await ask("GET", target, undefined, headers, signal);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const {value, done} = await reader.read();
        if (done) throw new Error("the stream has ended");
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) {
          const event = Object.fromEntries(block.split("\n").map(line => line.split(/: ?(.*)/s, 2)));
          if (event.id !== undefined) last = event.id;
          if (event.data !== undefined) told(event.event ?? "message", JSON.parse(event.data));
        }
      }
    } catch (problem) {
      if (signal.aborted) return;
      broke(problem);
      if (problem instanceof Problem && problem.heading.startsWith("410")) last = null;
    }
    await new Promise(done => setTimeout(done, AGAIN_AFTER_MS));
  }
}

function add_row(list, row) {
  list.prepend(row);
  while (list.children.length > ROWS_MAX) list.lastChild.remove();
}

// --- The cluster ---

function bytes_text(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) { bytes /= 1024; ++unit; }
  return `${bytes.toFixed(bytes < 10 && unit > 0 ? 1 : 0)} ${units[unit]}`;
}

const number_text = number => number.toLocaleString("en");

function rows_of(pairs) {
  return pairs.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
}

function badge(text, kind = "") {
  return make("span", {class: `badge ${kind}`}, text);
}

function health_of(member) {
  if (member.state_agrees === false) return badge("another state", "bad");
  if (member.healthy === null) return null;
  return member.healthy ? badge("well", "good") : badge("silent", "bad");
}

function card_of(member, view) {
  const own = member.id === view.node.id;
  const is_leader = member.role === "leader";
  const link = member.client_url === null || own ? member.name : make("a", {href: member.client_url}, member.name);
  const pairs = member.match_index === null ? [] :
    [["log", number_text(member.match_index)], ["lag", number_text(member.lag_entries)],
     ["last contact", `${number_text(member.last_contact_ms)} ms ago`]];
  if (own) {
    pairs.push(["committed", number_text(view.node.commit_index)], ["applied", number_text(view.node.applied_index)],
               ["durable", number_text(view.node.durable_index)], ["disk", `${bytes_text(view.node.disk_free_bytes)} free`]);
  }
  const card = make("article", {class: `node ${is_leader ? "leader" : ""} ${member.healthy === false ? "bad" : ""}`},
    make("div", {class: "head"}, make("h3", {}, link), badge(member.role, "role"), health_of(member),
      own ? badge("this node") : null, member.short_of_room ? badge("short of room", "warn") : null,
      own && view.node.fenced ? badge("fenced", "bad") : null),
    make("dl", {}, ...rows_of(pairs)));
  if (member.match_index === null) card.append(make("p", {class: "quiet"}, is_leader ? "knows how far all others are" : "how far it is, the leader knows"));
  if (own && view.node.fenced) card.append(make("p", {class: "quiet"}, view.node.fenced));
  if (member.voter && !is_leader && view.leader !== null) {
    const button = make("button", {type: "button", "data-member": member.name}, "Hand over to it");
    button.addEventListener("click", () => hand_over(view.leader, member.name));
    card.append(button);
  }
  return card;
}

let handing_over = null;  // to whom

async function hand_over(from, to) {
  if (!await is_sure(`Hand the leadership over from ${from} to ${to}?`,
                     "What is asked meanwhile waits for the new leader.", "Hand over")) return;
  handing_over = to;
  try {
    await ask("POST", "/v1/cluster/leader", JSON.stringify({to}), {"Content-Type": "application/json"});
    show_warning("");
  } catch (problem) {
    show_warning(`${problem.heading ?? "No answer"}: ${problem.message}`);
  }
  handing_over = null;
  look();
}

let refusal = "";  // of the last thing that was asked of the cluster
function show_warning(own, of_cluster = null) {
  refusal = own ?? refusal;
  const text = [refusal, of_cluster ?? ""].filter(one => one !== "").join(" · ");
  at("warning").textContent = text;
  at("warning").hidden = text === "";
}

const seen = [];  // {when, revision}, of the last minute

function show_rate(revision) {
  const now = performance.now() / 1000;
  if (seen.length > 0 && seen.at(-1).revision > revision) seen.length = 0;
  seen.push({when: now, revision});
  while (seen[0].when < now - RATE_SECONDS - 1) seen.shift();
  const rates = seen.slice(1).map((one, i) => ({when: one.when, rate: (one.revision - seen[i].revision) / (one.when - seen[i].when)}));
  at("rate").textContent = rates.length === 0 ? "0" : number_text(Math.round(rates.at(-1).rate));
  const top = Math.max(1, ...rates.map(one => one.rate));
  const points = rates.map(one => `${(600 - (now - one.when) * 600 / RATE_SECONDS).toFixed(1)},${(46 - one.rate / top * 42).toFixed(1)}`);
  const [area, line] = at("graph").children;
  line.setAttribute("d", points.length === 0 ? "" : `M${points.join("L")}`);
  area.setAttribute("d", points.length === 0 ? "" : `M${points[0].split(",")[0]},48L${points.join("L")}L600,48Z`);
}

let is_pressed = false;  // a button that went away under the finger would not be clicked

function show_members(view) {
  const focused = document.activeElement?.dataset.member;
  const in_order = view.members.toSorted((one, other) => one.name.localeCompare(other.name, "en", {numeric: true}));
  at("nodes").replaceChildren(...in_order.map(member => card_of(member, view)));
  if (focused !== undefined) at("nodes").querySelector(`[data-member="${CSS.escape(focused)}"]`)?.focus();
}

function show(view) {
  const {node} = view;
  document.title = `Holdfast · ${node.name}`;
  at("where").textContent = `${node.name} of cluster ${view.cluster_id}`;
  at("facts").replaceChildren(...[["leader", view.leader ?? "none"], ["term", number_text(view.term)],
    ["quorum", view.quorum ? "yes" : "no"], ["revision", number_text(node.revision)]]
    .map(pair => make("div", {}, ...rows_of([pair]))));
  if (!is_pressed) show_members(view);
  show_rate(node.revision);
  show_warning(null, handing_over === null ? view.warning : `${handing_over} is to take over…`);
  at("pulse").className = `pulse ${view.quorum ? "good" : "bad"}`;
  at("pulse").textContent = view.quorum ? "live" : "no quorum";
}

async function look() {
  try {
    const answer = await ask("GET", "/v1/cluster", undefined, {}, AbortSignal.timeout(PATIENCE_MS));
    show(await answer.json());
  } catch (problem) {
    at("pulse").className = "pulse bad";
    at("pulse").textContent = problem instanceof Problem ? `${problem.heading}: ${problem.message}` : "this node does not answer";
  }
}

async function keep_looking() {
  for (;;) {
    if (!document.hidden) await look();
    await new Promise(done => setTimeout(done, LOOK_EVERY_MS));
  }
}

function show_question(what, why, yes) {
  const dialog = at("sure");
  at("sure-what").textContent = what;
  at("sure-why").textContent = why;
  at("sure-yes").textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise(answer => dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), {once: true}));
}

// One question at a time: the dialog tells of its end later than it closes, and whoever asked in between would take the
// answer to the question before for its own.
let answered = Promise.resolve();
function is_sure(what, why, yes) {
  answered = answered.then(() => show_question(what, why, yes));
  return answered;
}

// --- Keys ---

let read = null;  // {key, tag}: what was seen of a key last

async function get_key(key) {
  const answer = await ask("GET", path_of(key));
  const bytes = await answer.arrayBuffer();
  const tag = answer.headers.get("ETag");
  read = {key, tag};
  let text = null;
  try { text = new TextDecoder("utf-8", {fatal: true}).decode(bytes); } catch { /* no text */ }
  if (text !== null) at("value").value = text;
  const bound = answer.headers.get("Holdfast-Ttl-Ms");
  say(at("said"), [`revision ${tag.replaceAll('"', "")}, version ${answer.headers.get("Holdfast-Version")}, `,
    `created at ${answer.headers.get("Holdfast-Create-Revision")}, ${number_text(bytes.byteLength)} bytes`,
    bound === null ? "" : `, for ${number_text(Number(bound))} ms more`,
    text === null ? ": no text, so it is not shown" : make("pre", {}, text)]);
}

async function put_key(key) {
  const condition = at("condition").value;
  const headers = {"Content-Type": "application/octet-stream"};
  if (condition === "new") headers["If-None-Match"] = "*";
  if (condition === "same") {
    if (read?.key !== key) throw new Error("get the key first, to have what it is compared with");
    headers["If-Match"] = read.tag;
  }
  const answer = await ask("PUT", path_of(key), at("value").value, headers);
  const {revision, created} = await answer.json();
  read = {key, tag: answer.headers.get("ETag")};
  say(at("said"), `${created ? "created" : "replaced"} at revision ${revision}`);
}

async function delete_key(key) {
  if (!await is_sure(`Delete ${key}?`, "Its past can be read for as long as it is kept.", "Delete")) return;
  const answer = await ask("DELETE", path_of(key));
  const {revision, deleted} = await answer.json();
  say(at("said"), deleted === 0 ? `there was no such key, as of revision ${revision}` : `deleted at revision ${revision}`);
}

const ACTS = {get: get_key, put: put_key, delete: delete_key};

async function with_key(act) {
  try {
    await act(at("key").value);
  } catch (problem) {
    if (problem instanceof TypeError || problem instanceof Problem) return say_problem(at("said"), problem);
    say(at("said"), problem.message, "bad");
  }
}

let pages = null;  // {prefix, cursor} of the scan that is shown

async function scan_on() {
  const query = new URLSearchParams({limit: PAGE_ITEMS});
  if (pages.prefix !== "") query.set("prefix", pages.prefix);
  if (pages.cursor !== null) query.set("cursor", pages.cursor);
  try {
    const page = await (await ask("GET", `/v1/kv?${query}`)).json();
    const rows = at("items").tBodies[0];
    if (pages.cursor === null) rows.replaceChildren();
    for (const item of page.items) rows.append(row_of(item));
    pages.cursor = page.next ?? null;
    const count = rows.children.length;
    say(at("scanned"), `${number_text(count)} key${count === 1 ? "" : "s"}${pages.cursor === null ? "" : ", and more"}, all as of revision ${page.revision}`);
    at("items").hidden = count === 0;
    at("more").hidden = pages.cursor === null;
  } catch (problem) {
    say_problem(at("scanned"), problem);
  }
}

function row_of(item) {
  const key = make("button", {type: "button"}, text_of(item, "key"));
  if (item.key !== undefined) {
    key.addEventListener("click", () => {
      at("key").value = item.key;
      with_key(get_key);
    });
  } else {
    key.disabled = true;
  }
  return make("tr", {}, make("td", {}, key), make("td", {}, shortened(text_of(item, "value"))),
    make("td", {class: "number"}, String(item.mod_revision)), make("td", {class: "number roomy"}, String(item.version)));
}

// --- What happens ---

let watch_ends = null;  // ends the watch that goes on

function change_rows(change) {
  return change.events.map(event => make("li", {class: event.type},
    make("span", {class: "when"}, String(change.revision)),
    make("span", {}, make("code", {}, `${event.type} ${text_of(event, "key")}`),
      event.type === "put" ? ` = ${shortened(text_of(event, "value"))}` : "")));
}

function watch(prefix) {
  watch_ends?.abort();
  watch_ends = new AbortController();
  at("changes").replaceChildren();
  const place = at("watching");
  say(place, "asking…", "wait");
  follow(`/v1/watch?${new URLSearchParams({prefix})}`, watch_ends.signal, {
    told: (kind, data) => {
      if (kind === "progress") say(place, `nothing is missed from revision ${data.revision + 1} on`);
      if (kind === "change") for (const row of change_rows(data)) add_row(at("changes"), row);
      if (kind === "overflow") say(place, "this page was too slow; it goes on where it was", "bad");
    },
    broke: problem => say_problem(place, problem),
  });
}

function event_row(event) {
  const when = new Date(event.time);
  return make("li", {class: event.level},
    make("span", {class: "when", title: `${event.time}, term ${event.term}`}, Number.isNaN(when.valueOf()) ? event.time : when.toLocaleTimeString()),
    make("span", {class: event.level}, make("code", {}, `${event.kind} `), event.text));
}

function follow_events() {
  const place = at("following");
  follow(`/v1/events?last=${PAGE_ITEMS}`, new AbortController().signal, {
    told: (kind, data) => {
      place.hidden = true;
      if (kind === "event") add_row(at("events"), event_row(data));
      if (kind === "reset") say(place, data.reason, "wait");
    },
    broke: problem => say_problem(place, problem),
  });
}

at("one").addEventListener("submit", event => {
  event.preventDefault();
  with_key(ACTS[event.submitter?.name ?? "get"]);
});
at("scan").addEventListener("submit", event => {
  event.preventDefault();
  pages = {prefix: at("prefix").value, cursor: null};
  scan_on();
});
at("more").addEventListener("click", scan_on);
at("watch").addEventListener("submit", event => {
  event.preventDefault();
  watch(at("watched").value);
});
at("nodes").addEventListener("pointerdown", () => { is_pressed = true; });
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { is_pressed = false; });
keep_looking();
follow_events();
