// Small charts as SVG. Each has its last values in words for those who don't see it, and its numbers as a table.

import { clock, draw, make, repeat, rounded, say } from "./dom.js";

const WIDTH = 600, HEIGHT = 170, LEFT = 46, RIGHT = 10, TOP = 8, BOTTOM = 22;

// series: [{name, kind, points: [[seconds, value]], isStepped}]; bounds: [{name, value}]; gapS: a longer one is shown as such.
export function chart({ title, unit, series, bounds = [], from, to, least, most, gapS = Infinity }) {
  const values = series.flatMap((one) => one.points.map((point) => point[1])).concat(bounds.map((bound) => bound.value));
  const [low, high] = range(values, least, most);
  const x = (seconds) => LEFT + ((seconds - from) / Math.max(to - from, 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": inWords(title, unit, series) });
  for (const value of ticks(low, high)) {
    svg.append(draw("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }));
    svg.append(draw("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, `${rounded(value)}`));
  }
  for (const part of [0, 0.5, 1]) {
    const at = from + part * (to - from);
    const anchor = part === 0 ? "start" : part === 1 ? "end" : "middle";
    svg.append(draw("text", { x: x(at), y: HEIGHT - 5, "text-anchor": anchor }, clock(at * 1000)));
  }
  for (const bound of bounds) {
    svg.append(draw("line", { class: "bound", x1: LEFT, x2: WIDTH - RIGHT, y1: y(bound.value), y2: y(bound.value) }));
  }
  for (const one of series) {
    for (const run of runs(one.points, gapS)) {
      svg.append(draw("path", { class: `line ${one.kind}`, d: path(run, x, y, one.isStepped ? to : null) }));
    }
  }
  const keys = series.map((one) => make("span", { class: `key ${one.kind}` }, one.name))
    .concat(bounds.map((bound) => make("span", { class: "key bound" }, `${bound.name} ${rounded(bound.value)} ${unit}`)));
  const caption = make("figcaption", {}, make("strong", {}, `${title} (${unit})`), ...(keys.length > 1 ? keys : []));
  return { nodes: [caption, svg], series };
}

// A figure keeps its table open from one update to the next.
export function figure() {
  const body = make("tbody"), head = make("tr");
  const table = make("table", {}, make("thead", {}, head), body);
  const numbers = make("details", {}, make("summary", {}, "Numbers"), make("div", { class: "scroll" }, table));
  const drawn = make("div");
  const element = make("figure", {}, drawn, numbers);
  let shown = null;
  const tell = () => {
    if (numbers.open && shown) fillTable(head, body, shown);
  };
  numbers.addEventListener("toggle", tell);
  return {
    element,
    show(made) {
      shown = made.series;
      drawn.replaceChildren(...made.nodes);
      tell();
    },
  };
}

function fillTable(head, body, series) {
  const moments = new Map();
  series.forEach((one, position) => {
    for (const [at, value] of one.points) {
      if (!moments.has(at)) moments.set(at, []);
      moments.get(at)[position] = value;
    }
  });
  repeat(head, ["Time", ...series.map((one) => one.name)], () => make("th", { scope: "col" }), say);
  const rows = [...moments.entries()].sort((one, other) => other[0] - one[0]);
  repeat(body, rows, () => make("tr", {}, make("th", { scope: "row" }), ...series.map(() => make("td"))), (row, [at, values]) => {
    say(row.children[0], clock(at * 1000));
    series.forEach((_, position) => say(row.children[position + 1], rounded(values[position])));
  });
}

// A line of few points with its bound, for a table's cell.
export function spark(samples, minimum, maximum) {
  const width = 110, height = 26;
  const known = samples.filter((sample) => sample.value !== null);
  const bounds = [minimum, maximum].filter((bound) => bound !== null);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, class: "spark", "aria-hidden": "true" });
  if (!known.length) return svg;
  const [low, high] = range(known.map((sample) => sample.value).concat(bounds));
  const x = (position) => 4 + (position / Math.max(samples.length - 1, 1)) * (width - 8);
  const y = (value) => 4 + (1 - (value - low) / (high - low)) * (height - 8);
  for (const bound of bounds) svg.append(draw("line", { class: "bound", x1: 0, x2: width, y1: y(bound), y2: y(bound) }));
  const points = samples.map((sample, position) => [position, sample.value, sample.verdict]).filter((point) => point[1] !== null);
  svg.append(draw("path", { class: "line canary", d: path(points, x, y, null) }));
  for (const [position, value, verdict] of points) {
    svg.append(draw("circle", { class: `dot ${verdict === "fail" ? "fail" : ""}`, cx: x(position), cy: y(value), r: 2.6 }));
  }
  return svg;
}

function path(points, x, y, steppedTo) {
  let text = "";
  points.forEach(([at, value], position) => {
    if (position === 0) text = `M${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    else text += steppedTo === null ? `L${x(at).toFixed(1)} ${y(value).toFixed(1)}` : `H${x(at).toFixed(1)}V${y(value).toFixed(1)}`;
  });
  if (steppedTo !== null && points.length) return `${text}H${x(steppedTo).toFixed(1)}`;
  return points.length === 1 ? `${text}h2` : text;
}

function* runs(points, gapS) {
  let run = [];
  for (const point of points) {
    if (run.length && point[0] - run[run.length - 1][0] > gapS) {
      yield run;
      run = [];
    }
    run.push(point);
  }
  if (run.length) yield run;
}

function range(values, least, most) {
  let low = Math.min(...values, least ?? Infinity), high = Math.max(...values, most ?? -Infinity);
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [least ?? 0, most ?? 1];
  const margin = (high - low) * 0.08 || Math.max(Math.abs(high) * 0.05, 0.5);
  low = least !== undefined && low >= least ? Math.max(least, low - margin) : low - margin;
  high = most !== undefined && high <= most ? Math.min(most, high + margin) : high + margin;
  return low < high ? [low, high] : [low - 1, high + 1];
}

function ticks(low, high) {
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) found.push(value);
  return found;
}

function inWords(title, unit, series) {
  const parts = series.map(({ name, points }) => {
    if (!points.length) return `${name}: no data`;
    return `${name}: ${rounded(points[points.length - 1][1])} ${unit} now`;
  });
  return `${title}. ${parts.join(", ")}`;
}
