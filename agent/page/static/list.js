// The table of all canaries. A thousand rows: those out of sight are not laid out, and an update touches what differs.

import { ago, mark, say } from "./dom.js";

const MOODS = { trouble: 0, waiting: 1, running: 2, idle: 3 };
const WORDS = { trouble: "needs attention", waiting: "waits", running: "runs", idle: "at rest" };
const AT_ONCE_MS = 12;
// Rows that are laid out together once one of them comes into sight. The browser looks after each group, not each row.
const GROUP = 50;

const ORDERS = {
  name: (row) => "",
  state: (row) => String(MOODS[row.mood] ?? 9),
  weight: (row) => String(1000 - row.weight).padStart(4, "0"),
  failed: (row) => String(100000 - row.failed).padStart(6, "0"),
  since: (row) => String(4e12 - (Date.parse(row.since) || 0)).padStart(14, "0"),
};

export class List {
  constructor() {
    this.table = document.getElementById("canaries");
    this.group = this.table.tBodies[0].cloneNode();
    this.template = document.getElementById("row").content.firstElementChild;
    this.words = document.getElementById("words");
    this.mood = document.getElementById("mood");
    this.entries = new Map();
    this.dirty = new Set();
    this.sort = "state";
    this.isDescending = false;
    this.isPlaced = true;
    this.isDue = false;
    this.isComplete = false;
    this.generation = 0;
    this.words.addEventListener("input", () => this.place());
    this.mood.addEventListener("change", () => this.place());
    document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
    for (const head of this.table.tHead.rows[0].cells) {
      if (head.dataset.sort) head.firstElementChild.addEventListener("click", () => this.sortBy(head));
    }
    setInterval(() => this.tick(), 20000);
  }

  get(key) {
    return this.entries.get(key)?.row;
  }

  // All rows come anew: what is not among them at the end is gone. Rows that are there keep their place and focus.
  begin() {
    this.generation += 1;
  }

  end() {
    for (const [key, entry] of this.entries) if (entry.generation !== this.generation) this.drop(key);
    this.isComplete = true;
    this.place();
  }

  apply(rows, gone) {
    for (const row of rows) {
      const key = `${row.namespace}/${row.name}`;
      const entry = this.entries.get(key) ?? this.enter(key);
      entry.row = row;
      entry.generation = this.generation;
      entry.text = [key, row.phase, row.reason, row.change, row.by, row.target, row.revision].join(" ").toLowerCase();
      this.dirty.add(entry);
    }
    for (const key of gone) this.drop(key);
    this.schedule();
  }

  enter(key) {
    const entry = { key, element: null, order: null, row: null, text: "", generation: this.generation };
    this.entries.set(key, entry);
    return entry;
  }

  drop(key) {
    const entry = this.entries.get(key);
    if (!entry) return;
    this.entries.delete(key);
    this.dirty.delete(entry);
    if (entry.element?.contains(document.activeElement)) document.getElementById("list-heading").focus();
    entry.element?.remove();
    this.isPlaced = false;
    this.schedule();
  }

  place() {
    for (const entry of this.entries.values()) entry.order = this.orderOf(entry);
    this.isPlaced = false;
    this.schedule();
  }

  orderOf(entry) {
    const order = ORDERS[this.sort](entry.row);
    return `${order} ${entry.row.name}/${entry.row.namespace}`;
  }

  sortBy(head) {
    this.isDescending = this.sort === head.dataset.sort ? !this.isDescending : false;
    this.sort = head.dataset.sort;
    for (const other of this.table.tHead.rows[0].cells) mark(other, "aria-sort", "");
    mark(head, "aria-sort", this.isDescending ? "descending" : "ascending");
    this.place();
  }

  schedule() {
    if (this.isDue) return;
    this.isDue = true;
    const run = () => {
      this.isDue = false;
      this.update();
    };
    // A page in the background gets no frames.
    if (document.hidden) setTimeout(run, 0);
    else requestAnimationFrame(run);
  }

  update() {
    const until = performance.now() + AT_ONCE_MS;
    for (const entry of this.dirty) {
      this.dirty.delete(entry);
      this.show(entry);
      if (performance.now() > until) break;
    }
    if (!this.isPlaced) this.arrange();
    if (this.dirty.size) this.schedule();
  }

  show(entry) {
    entry.element ??= this.template.cloneNode(true);
    const order = this.orderOf(entry);
    if (order !== entry.order || !entry.element.isConnected) this.isPlaced = false;
    entry.order = order;
    fillRow(entry.element, entry.row);
  }

  matches(entry, words) {
    return entry.element && (!this.mood.value || entry.row.mood === this.mood.value) && words.every((word) => entry.text.includes(word));
  }

  arrange() {
    this.isPlaced = true;
    const words = this.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = [];
    for (const entry of this.entries.values()) {
      if (this.matches(entry, words)) shown.push(entry);
      else if (entry.element?.isConnected) entry.element.remove();
    }
    const sign = this.isDescending ? -1 : 1;
    shown.sort((one, other) => (one.order < other.order ? -sign : one.order > other.order ? sign : 0));
    const focused = this.table.contains(document.activeElement) ? document.activeElement : null;
    const groups = this.table.tBodies;
    const wanted = Math.max(1, Math.ceil(shown.length / GROUP));
    while (groups.length < wanted) this.table.append(this.group.cloneNode());
    for (let at = 0; at < wanted; at += 1) fillGroup(groups[at], shown.slice(at * GROUP, (at + 1) * GROUP));
    while (groups.length > wanted) groups[groups.length - 1].remove();
    if (focused && focused !== document.activeElement) focused.focus({ preventScroll: true });
    this.count(shown.length);
  }

  count(shown) {
    const total = this.entries.size;
    say(document.getElementById("count"), shown === total ? `${total} canaries` : `${shown} of ${total} canaries`);
    const nothing = document.getElementById("nothing");
    nothing.hidden = shown > 0 || !this.isComplete;
    say(nothing, total ? "No canary matches." : "There is no canary, or none that you may see.");
  }

  tick() {
    for (const entry of this.entries.values()) if (entry.element) fillSince(entry.element, entry.row);
  }
}

// Only rows whose place is another are moved. What is left over belongs to a later group, which takes it.
function fillGroup(group, entries) {
  let next = group.firstElementChild;
  for (const { element } of entries) {
    if (element === next) next = next.nextElementSibling;
    else if (next && next.nextElementSibling === element) next = element.nextElementSibling;
    else group.insertBefore(element, next);
  }
}

function fillRow(element, row) {
  const [name, state, traffic, pods, failed, change] = element.children;
  const link = name.firstElementChild;
  mark(link, "href", `#/${row.namespace}/${row.name}`);
  say(link.children[0], row.name);
  say(link.children[1], row.namespace);
  mark(state.children[0], "data-mood", row.mood);
  say(state.children[0], stateOf(row));
  say(state.children[1], whyOf(row));
  mark(state.children[1], "title", row.message);
  traffic.firstElementChild.firstElementChild.style.width = `${Math.min(row.weight, 100)}%`;
  say(traffic.children[1], row.mirror ? `${row.weight} %, mirrors ${row.mirror} %` : `${row.weight} %`);
  say(pods, `${podsOf(row.primary)}, ${podsOf(row.canary)}`);
  say(failed, `${row.failed} of ${row.threshold}`);
  say(change.children[0], row.change);
  mark(change.children[0], "title", row.change);
  say(change.children[1], row.by ? `by ${row.by}` : "");
  fillSince(element, row);
}

function fillSince(element, row) {
  const time = element.children[6].firstElementChild;
  const moment = Date.parse(row.since);
  mark(time, "datetime", row.since);
  say(time, Number.isNaN(moment) || moment <= 0 ? "" : ago(moment));
}

export function stateOf(row) {
  if (row.ready === "False") return "Not ready";
  if (row.paused) return `${row.phase}, paused`;
  return row.phase || "New";
}

export function whyOf(row) {
  const isReady = row.ready !== "False";
  const parts = isReady ? [] : [row.reason, row.phase, row.paused ? "paused" : ""];
  if (row.waiting.length) parts.push(`waits for ${row.waiting.map(gateInWords).join(", ")}`);
  if (row.queue) parts.push(`waits for its turn, ${row.queue} in the queue`);
  return parts.filter(Boolean).join(", ");
}

function gateInWords(gate) {
  const step = /^pause\/(\d+)$/.exec(gate);
  return step ? `somebody to resume step ${step[1]}` : gate;
}

export function moodInWords(row) {
  return WORDS[row.mood] ?? row.mood;
}

export function podsOf(pods) {
  return pods ? `${pods.available}/${pods.wanted}` : "none";
}
