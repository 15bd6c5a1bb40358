// The page: which view is shown, and the stream that keeps it live.

import { Detail } from "./detail.js";
import { List, moodInWords, stateOf } from "./list.js";
import { clock, say } from "./dom.js";

const SILENT_MS = 45000;
const AGAIN_MS = 5000;
const SAID_EVERY_MS = 4000;
const MOST_SAID = 3;

const connection = document.getElementById("connection");
const said = document.getElementById("said");
const unsaid = [];

function announce(text) {
  unsaid.push(text);
}

setInterval(() => {
  if (!unsaid.length) return;
  const texts = unsaid.splice(0);
  said.textContent = texts.length > MOST_SAID ? `${texts.length} changes, the last one: ${texts[texts.length - 1]}` : texts.join(". ");
}, SAID_EVERY_MS);

const list = new List();
const detail = new Detail(announce);
let heardAt = Date.now();
let isWhole = false;
let stream = null;

function route() {
  const found = /^#\/([^/]+)\/([^/]+)$/.exec(location.hash);
  if (!found && location.hash && location.hash !== "#/") return;
  const section = document.getElementById("list");
  if (found) {
    section.hidden = true;
    detail.open(`${decodeURIComponent(found[1])}/${decodeURIComponent(found[2])}`);
    document.title = `${detail.key} - Serin`;
  } else {
    const key = detail.key;
    detail.close();
    section.hidden = false;
    document.title = "Canaries - Serin";
    if (key) (list.entries.get(key)?.element?.querySelector("a") ?? document.getElementById("list-heading")).focus();
  }
}

function showState(state, text) {
  connection.dataset.state = state;
  say(connection, text);
}

function heard() {
  heardAt = Date.now();
  showState("live", "Live");
}

function listen(name, take) {
  stream.addEventListener(name, (event) => {
    heard();
    take(JSON.parse(event.data));
  });
}

function connect() {
  stream = new EventSource("/api/stream");
  listen("begin", () => {
    isWhole = true;
    list.begin();
  });
  listen("rows", ({ rows, gone }) => {
    if (!isWhole) for (const row of rows) announceChange(row);
    list.apply(rows, gone);
    if (detail.key && (rows.some((row) => `${row.namespace}/${row.name}` === detail.key) || gone.includes(detail.key))) detail.refresh();
  });
  listen("end", () => {
    isWhole = false;
    list.end();
  });
  listen("alive", ({ version, host, leader, shards, stale, login }) => {
    document.getElementById("leave").hidden = !login;
    say(document.getElementById("server"), `Serin ${version}, agent ${host}, which ${leader ? "leads" : "does not lead"}${shards ? ` ${shards}` : ""}`);
    const banner = document.getElementById("stale");
    banner.hidden = !stale;
    say(banner, stale ? `This may be old: ${stale}` : "");
  });
  stream.onerror = () => {
    showState("lost", `Connection lost, last news at ${clock(heardAt)}`);
    if (stream.readyState === EventSource.CLOSED) setTimeout(ask, AGAIN_MS);
  };
}

function announceChange(row) {
  const before = list.get(`${row.namespace}/${row.name}`);
  if (!before) announce(`New canary ${row.name} in ${row.namespace}`);
  else if (before.phase !== row.phase || before.mood !== row.mood) {
    announce(`${row.name} in ${row.namespace}: ${stateOf(row)}, ${moodInWords(row)}`);
  }
}

// A refused stream says nothing to its script: ask why.
async function ask() {
  const abort = new AbortController();
  try {
    const answer = await fetch("/api/stream", { signal: abort.signal });
    if (answer.status === 401) {
      location.assign("/login");
      return;
    }
    if (answer.ok) {
      abort.abort();
      connect();
      return;
    }
    showState("lost", (await answer.text()).trim());
  } catch {
    showState("lost", `The agent can't be reached, last news at ${clock(heardAt)}`);
  }
  setTimeout(ask, AGAIN_MS);
}

setInterval(() => {
  if (stream.readyState === EventSource.OPEN && Date.now() - heardAt > SILENT_MS) {
    stream.close();
    showState("lost", `No news since ${clock(heardAt)}`);
    ask();
  }
}, AGAIN_MS);

addEventListener("hashchange", route);
connect();
route();
