/* Hover over the chart: it is drawn anew from the table below it. Without this the picture is there as it came. */
"use strict";
(() => {
  const colour = (css) => {
    const probe = document.createElement("i");
    probe.className = css;
    document.body.append(probe);
    const found = getComputedStyle(probe).backgroundColor;
    probe.remove();
    return found;
  };
  const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const number = (cell) => (cell.textContent === "" ? 0 : Number(cell.textContent));

  function draw(figure) {
    const table = figure.querySelector("table.data");
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 2) return;
    const heads = [...table.tHead.rows[0].cells].slice(1, -1);
    const at = rows.map((row) => Number(row.dataset.s));
    const parts = heads.map((_, n) => rows.map((row) => number(row.cells[n + 1])));
    const exact = heads.map((_, n) => rows.map((row) => row.cells[n + 1].textContent));
    let sum = rows.map(() => 0);
    const stacked = parts.map((part) => (sum = sum.map((one, n) => one + part[n])));
    const zone = figure.dataset.zone;
    const bars = uPlot.paths.bars({ size: [0.72, 64] });
    const series = heads.map((head, n) => ({
      label: head.textContent,
      fill: colour(head.dataset.css),
      stroke: colour(head.dataset.css),
      width: 0,
      paths: bars,
      points: { show: false },
      value: (_, __, ___, index) => (index === null ? "" : exact[n][index] || "0"),
    }));
    const axis = { stroke: ink("--soft"), grid: { stroke: ink("--rule"), width: 1 }, ticks: { show: false } };
    const gap = at[1] - at[0];
    const target = Number(figure.dataset.target || 0);
    const place = figure.querySelector(".drawn");
    place.classList.add("hover");
    const plot = new uPlot(
      {
        width: place.clientWidth - 20,
        height: 280,
        tzDate: (s) => uPlot.tzDate(new Date(s * 1000), zone),
        scales: { x: { range: (_, low, high) => [low - gap / 2, high + gap / 2] }, y: { range: (_, low, high) => [Math.min(0, low), Math.max(high, target) * 1.05 || 1] } },
        hooks: { draw: [(u) => {
          if (!target) return;
          const y = Math.round(u.valToPos(target, "y", true));
          u.ctx.save();
          u.ctx.strokeStyle = ink("--ink");
          u.ctx.setLineDash([8, 8]);
          u.ctx.beginPath();
          u.ctx.moveTo(u.bbox.left, y);
          u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
          u.ctx.stroke();
          u.ctx.restore();
        }] },
        axes: [axis, { ...axis, size: 70 }],
        series: [{ label: figure.dataset.unit, value: (_, __, ___, index) =>
          index === null ? "" : rows[index].querySelector("time").getAttribute("datetime") },
          ...series.reverse()],
      },
      [at, ...stacked.reverse()],
      place,
    );
    new ResizeObserver(() => plot.setSize({ width: place.clientWidth - 20, height: 280 })).observe(place);
  }

  function all() {
    if (window.uPlot) document.querySelectorAll("figure.chart").forEach(draw);
  }
  all();
  document.addEventListener("figures", all);
})();
