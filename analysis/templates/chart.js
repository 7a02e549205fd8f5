"use strict";
// Runs of a chart tell what they are: to the pointer, and to the keyboard (one tab stop, arrows from run to run).
const told = document.getElementById("told");
function show(run) {
  told.textContent = run.getAttribute("aria-label");
  told.hidden = false;
  const mark = run.getBoundingClientRect(), box = told.getBoundingClientRect();
  const left = Math.min(Math.max(mark.left + mark.width / 2 - box.width / 2, 8), innerWidth - box.width - 8);
  const above = mark.top - box.height - 8;
  told.style.left = `${Math.max(left, 8)}px`;
  told.style.top = `${above < 8 ? mark.bottom + 8 : above}px`;
}
function hide() { told.hidden = true; }
for (const chart of document.querySelectorAll("svg.chart")) {
  const runs = [...chart.querySelectorAll("a.run")];
  const stop = run => runs.forEach(each => each.setAttribute("tabindex", each === run ? "0" : "-1"));
  stop(runs[0]);
  runs.forEach(run => {
    run.addEventListener("pointerenter", () => show(run));
    run.addEventListener("pointerleave", hide);
    run.addEventListener("focus", () => { stop(run); show(run); });
    run.addEventListener("blur", hide);
  });
  chart.addEventListener("keydown", event => {
    const here = runs.indexOf(document.activeElement), last = runs.length - 1;
    const next = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: last }[event.key];
    if (event.key === "Escape") hide();
    if (next === undefined || here < 0) return;
    event.preventDefault();
    runs[Math.min(Math.max(next, 0), last)].focus();
  });
}
function unfold() {
  const place = document.getElementById(location.hash.slice(1));
  const folded = place && place.closest("details");
  if (folded) { folded.open = true; place.scrollIntoView({ block: "center" }); }
}
addEventListener("hashchange", unfold);
addEventListener("scroll", hide, { passive: true });
unfold();
