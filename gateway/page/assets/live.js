// What is live on the pages of whoever is logged in. A page that nobody sees asks for
// nothing, and one whose log-in is over is loaded again, which leads to the log-in.
"use strict";

document.addEventListener("htmx:beforeRequest", (e) => {
  const polls = e.detail.requestConfig.triggeringEvent === undefined && e.detail.requestConfig.verb === "get";
  if (polls && document.hidden) e.preventDefault();
});

// What has not changed is not read out again, and what somebody has unfolded stays so.
const shown = new WeakMap();
let unfolded = [];
document.addEventListener("htmx:beforeSwap", (e) => {
  if (e.detail.isError) return;
  if (shown.get(e.detail.target) === e.detail.serverResponse) e.detail.shouldSwap = false;
  shown.set(e.detail.target, e.detail.serverResponse);
  unfolded = [...e.detail.target.querySelectorAll("details[open][id]")].map((d) => d.id);
});
document.addEventListener("htmx:afterSwap", () => {
  for (const id of unfolded) {
    const details = document.getElementById(id);
    if (details) details.open = true;
  }
});

document.addEventListener("htmx:responseError", (e) => {
  if (e.detail.xhr.status === 403) location.reload();
});

// The plot of what goes between the box and the Tor network.
const rates = document.getElementById("rates");
let plot = null;

const language = document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang;
const figure = (n, digits) => n.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
const words = (rate) => (rate >= 1e6 ? figure(rate / 1e6, 1) + " MB/s" : figure(rate / 1e3, 0) + " kB/s");
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString(language);

function draw(data) {
  const box = rates.querySelector(".plot");
  rates.hidden = false;
  rates.querySelector("p").textContent = data.text;
  const all = [data.at, data.down, data.up];
  if (plot) return plot.setData(all);
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const line = (label, name) => ({ label, stroke: colour(name), width: 2, value: (_, v) => (v === null ? "" : words(v)) });
  plot = new uPlot({
    width: box.clientWidth, height: 200, cursor: { drag: { x: false, y: false } },
    series: [{ value: (_, v) => (v === null ? "" : clock(v)) },
      line(rates.dataset.down, "--accent"), line(rates.dataset.up, "--good")],
    axes: [{ ...axis, values: (_, list) => list.map(clock) },
      { ...axis, size: 80, values: (_, list) => list.map(words) }],
    scales: { y: { range: (_, low, high) => [0, Math.max(high || 0, 10000)] } },
  }, all, box);
  addEventListener("resize", () => plot.setSize({ width: box.clientWidth, height: 200 }));
}

async function beat() {
  try {
    const answer = document.hidden ? null : await fetch("/live/rates");
    if (answer && answer.status === 403) return location.reload();
    if (answer && answer.ok) draw(await answer.json());
  } catch {
    // the box is away for a moment, or this page is
  }
  setTimeout(beat, 2000);
}

if (rates && window.uPlot) beat();
