// One canary: its steps, traffic, checks, runs, messages, and what to type. Updated in place, so that focus stays.

import { chart, figure, spark } from "./chart.js";
import { ago, dated, make, mark, repeat, rounded, say } from "./dom.js";
import { podsOf, stateOf, whyOf } from "./list.js";

const TRAFFIC_EVERY_MS = 15000;
const LEAST_PAUSE_MS = 1000;
const SPAN_S = 1800;

export class Detail {
  constructor(announce) {
    this.element = document.getElementById("detail");
    this.announce = announce;
    this.key = null;
    this.isAsking = false;
    this.isStale = false;
    setInterval(() => this.key && !document.hidden && this.refreshTraffic(), TRAFFIC_EVERY_MS);
    document.addEventListener("visibilitychange", () => this.key && !document.hidden && this.refresh());
  }

  open(key) {
    if (this.key === key) return;
    this.key = key;
    this.checks = [];
    this.build(key);
    this.element.hidden = false;
    this.heading.focus();
    this.refresh();
    this.refreshTraffic();
  }

  close() {
    this.key = null;
    this.element.hidden = true;
    this.element.replaceChildren();
  }

  build(key) {
    this.heading = make("h1", { id: "detail-heading", tabindex: "-1" }, key);
    this.badge = make("span", { class: "badge" });
    this.problem = make("p", { class: "problem", hidden: "" });
    this.facts = make("dl", { class: "facts" });
    this.steps = make("ol", { class: "steps" });
    this.more = make("p", { class: "quiet", hidden: "" }, "and more");
    this.weight = figure();
    this.success = figure();
    this.duration = figure();
    this.without = make("p", { class: "quiet" }, "Asking Prometheus");
    this.checkRows = make("tbody");
    this.commands = make("ul", { class: "commands" });
    this.runs = make("tbody");
    this.messages = make("ul", { class: "messages" });
    this.element.replaceChildren(
      make("nav", { "aria-label": "Back" }, make("a", { href: "#/" }, "← All canaries")),
      make("div", { class: "head" }, this.heading, this.badge),
      this.problem,
      make("div", { class: "panels" },
        make("div", {},
          panel("Now", this.facts),
          panel("Steps and weight", this.steps, this.more, this.weight.element),
          panel("Checks", table(["Check", "Allowed", "Last", "Samples", "Last halt"], this.checkRows)),
        ),
        make("div", {},
          panel("What to type", this.commands),
          panel("Primary against canary", this.without, this.success.element, this.duration.element),
        ),
      ),
      panel("Last runs", table(["Revision", "Outcome", "Started", "Took", "What changed, by whom", "Why"], this.runs)),
      panel("Messages seen by this agent", this.messages),
    );
    this.success.element.hidden = this.duration.element.hidden = true;
  }

  path(suffix = "") {
    return `/api/canaries/${this.key.split("/").map(encodeURIComponent).join("/")}${suffix}`;
  }

  // One question at a time; what changes meanwhile is asked for after it.
  async refresh() {
    if (this.isAsking) {
      this.isStale = true;
      return;
    }
    this.isAsking = true;
    const key = this.key;
    try {
      const answer = await fetch(this.path());
      if (key === this.key) {
        if (answer.ok) this.show(await answer.json());
        else this.showProblem(`${answer.status}: ${(await answer.text()).trim()}`);
      }
    } catch {
      // The stream says that the agent can't be reached.
    }
    setTimeout(() => {
      this.isAsking = false;
      const isAnother = this.key !== key;
      if (this.key && (this.isStale || isAnother)) {
        this.isStale = false;
        this.refresh();
      }
    }, this.key === key ? LEAST_PAUSE_MS : 0);
  }

  async refreshTraffic() {
    const key = this.key;
    try {
      const answer = await fetch(this.path("/traffic"));
      if (key !== this.key) return;
      if (answer.ok) this.showTraffic(await answer.json());
      else this.showNoTraffic((await answer.text()).trim());
    } catch {
      // As above.
    }
  }

  showProblem(text) {
    this.problem.hidden = !text;
    say(this.problem, text);
  }

  show(detail) {
    const { row } = detail;
    mark(this.badge, "data-mood", row.mood);
    say(this.badge, stateOf(row));
    this.showProblem(row.ready === "False" ? `${row.reason}: ${row.message}` : "");
    this.showFacts(detail);
    repeat(this.steps, detail.steps, () => make("li"), (item, step) => {
      say(item, step.text);
      mark(item, "data-state", step.state);
      mark(item, "aria-current", step.state === "now" ? "step" : "");
    });
    this.steps.hidden = !detail.steps.length;
    this.more.hidden = !detail.has_more_steps;
    this.showWeights(detail);
    this.checks = detail.checks;
    repeat(this.checkRows, detail.checks, () => cells(5), showCheck);
    repeat(this.runs, detail.runs, () => cells(6), showRun);
    repeat(this.messages, detail.messages, () => make("li", {}, make("time"), make("span")), (item, said) => {
      say(item.children[0], dated(said.at * 1000));
      say(item.children[1], said.text);
      mark(item.children[1], "class", said.warning ? "warning" : "");
    });
    repeat(this.commands, detail.commands.filter((command) => command.useful), (command) => this.command(), (item, command) => {
      say(item.children[0], command.text);
      say(item.children[1], command.does);
      mark(item.children[2], "aria-label", `Copy: ${command.text}`);
    });
  }

  showFacts({ row, began, interval, next_check: next, lasts_until: until, asked }) {
    const facts = [
      ["State", [stateOf(row), whyOf(row)].filter(Boolean).join(", ")],
      ["Traffic to canary", row.mirror ? `${row.weight} %, and ${row.mirror} % mirrored` : `${row.weight} %`],
      ["Failed checks", `${row.failed} of ${row.threshold}`],
      ["What changed", row.change || "nobody marked it"],
      ["By", row.by || "unknown"],
      ["Revision", row.revision],
      ["Run began", began ? `${dated(Date.parse(began))} (${ago(Date.parse(began))})` : ""],
      ["State since", row.since ? `${dated(Date.parse(row.since))} (${ago(Date.parse(row.since))})` : ""],
      ["Target", row.target],
      ["Pods", `primary ${podsOf(row.primary)}, canary ${podsOf(row.canary)}`],
      ["Strategy", [row.strategy, interval && `checked every ${interval}`].filter(Boolean).join(", ")],
      ["This step lasts until", until ? dated(until * 1000) : ""],
      ["Next check", next ? dated(next * 1000) : ""],
      ["Last request", asked],
    ].filter(([, text]) => text);
    repeat(this.facts, facts, () => make("div", {}, make("dt"), make("dd")), (group, [name, text]) => {
      say(group.children[0], name);
      say(group.children[1], text);
    });
  }

  showWeights({ row, weights }) {
    const now = Date.now() / 1000;
    const from = Math.max(weights.length ? weights[0][0] : now - SPAN_S, now - 24 * 3600);
    const before = weights.filter(([at]) => at < from).pop();
    const points = weights.filter(([at]) => at >= from);
    if (before) points.unshift([from, before[1]]);
    this.weight.show(chart({
      title: "Weight of the canary", unit: "%", least: 0, most: 100, from: Math.min(from, now - 60), to: now,
      series: [{ name: "canary", kind: "canary", points, isStepped: true }],
    }));
  }

  showTraffic({ start, end, primary, canary, error }) {
    const has = [primary, canary].some((side) => side.success.length || side.duration.length);
    if (error || !has) {
      this.showNoTraffic(error || "No requests in the last half an hour.");
      return;
    }
    this.without.hidden = true;
    for (const [shown, title, unit, of, name] of [
      [this.success, "Successful requests", "%", "success", "request-success-rate"],
      [this.duration, "99th percentile of durations", "ms", "duration", "request-duration"],
    ]) {
      const check = this.checks.find((one) => one.name === name);
      const bounds = check ? [["min", check.min], ["max", check.max]].filter(([, value]) => value !== null) : [];
      shown.element.hidden = false;
      shown.show(chart({
        title, unit, from: start, to: end, gapS: 90,
        least: unit === "%" ? undefined : 0, most: unit === "%" ? 100 : undefined,
        bounds: bounds.map(([name, value]) => ({ name, value })),
        series: [
          { name: "primary", kind: "primary", points: primary[of] },
          { name: "canary", kind: "canary", points: canary[of] },
        ],
      }));
    }
  }

  showNoTraffic(text) {
    this.without.hidden = false;
    this.success.element.hidden = this.duration.element.hidden = true;
    say(this.without, text);
  }

  command() {
    const code = make("code"), button = make("button", { type: "button" }, "Copy");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        this.announce(`Copied: ${code.textContent}`);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      } catch {
        getSelection().selectAllChildren(code);
        this.announce("Selected: copy it with the keyboard");
      }
    });
    return make("li", {}, code, make("span", { class: "quiet" }), button);
  }
}

function panel(title, ...children) {
  const id = `panel-${title.toLowerCase().replaceAll(" ", "-")}`;
  return make("section", { class: "panel", "aria-labelledby": id }, make("h2", { id }, title), ...children);
}

function table(heads, body) {
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
  return make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), body));
}

function cells(count) {
  return make("tr", {}, make("th", { scope: "row" }), ...Array.from({ length: count - 1 }, () => make("td")));
}

const VERDICTS = { pass: "passed", fail: "failed", noData: "no data", error: "error", undecided: "not decided" };

function evidenceBar(evidence) {
  const mark = make("i");
  mark.style.left = `${Math.round((evidence.bar + 1) * 50)}%`;
  const bar = make("span", { class: "evidence", role: "img", "aria-label": `evidence: ${evidence.answer}`, title: evidence.text }, mark);
  return make("div", { class: "between" }, make("span", {}, "well"), bar, make("span", {}, "harm"));
}

function showCheck(row, check) {
  const last = check.samples[check.samples.length - 1];
  const limits = [[check.min, "≥"], [check.max, "≤"]].filter(([bound]) => bound !== null);
  say(row.children[0], check.name);
  const bounds = limits.map(([bound, sign]) => `${sign} ${rounded(bound)} ${check.unit}`.trim()).join(" and ");
  const counting = [check.needs > 1 && `${check.needs} in a row`, check.dry && "dry run"].filter(Boolean);
  say(row.children[1], [bounds, ...counting].filter(Boolean).join(", "));
  const value = last && last.value !== null ? `${rounded(last.value)} ${check.unit}`.trim() : "";
  say(row.children[2], last ? [value, VERDICTS[last.verdict] ?? last.verdict].filter(Boolean).join(", ") : "none yet");
  mark(row.children[2], "class", last ? `verdict-${last.verdict}` : "");
  row.children[3].replaceChildren(
    spark(check.samples, check.min, check.max),
    make("span", { class: "unseen" }, check.samples.map((one) => one.value === null ? VERDICTS[one.verdict] ?? "" : rounded(one.value)).join(", ")),
  );
  if (check.evidence) row.children[3].append(evidenceBar(check.evidence));
  say(row.children[4], check.evidence ? check.evidence.text : check.reason);
}

const OUTCOMES = { promoted: "promoted", rolledBack: "rolled back", superseded: "superseded" };

function showRun(row, run) {
  const started = Date.parse(run.started), ended = Date.parse(run.ended);
  say(row.children[0], run.revision);
  say(row.children[1], OUTCOMES[run.outcome] ?? run.outcome);
  mark(row.children[1], "class", run.outcome === "rolledBack" ? "verdict-fail" : "");
  say(row.children[2], dated(started));
  say(row.children[3], ended >= started ? took((ended - started) / 1000) : "");
  say(row.children[4], [run.change, run.by && `by ${run.by}`].filter(Boolean).join(", "));
  say(row.children[5], run.reason);
}

function took(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
