"use strict";
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const make = (tag, name = "", text = "") => Object.assign(document.createElement(tag), { className: name, textContent: text });
  const NS = "http://www.w3.org/2000/svg";

  // Folded parts: a link into one opens it; all are printed.
  const reveal = () => {
    let id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch { return; }
    const target = id && document.getElementById(id);
    if (!target) return;
    let changed = false;
    for (let one = target; one; one = one.parentElement) {
      if (one.tagName === "DETAILS" && !one.open) changed = one.open = true;
    }
    if (changed) target.scrollIntoView();
    if (target.classList.contains("behind")) target.focus();
  };
  addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (link && link.hash === location.hash) reveal();
  });
  reveal();
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details.section:not([open]), details.help:not([open])");
    for (const one of folded) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of folded) one.open = false;
  });

  // Only what scrolls is a stop of the tab key.
  const stops = () => {
    for (const one of all(".scroll")) {
      if (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1) one.tabIndex = 0;
      else one.removeAttribute("tabindex");
    }
  };
  let waiting = 0;
  const later = () => { clearTimeout(waiting); waiting = setTimeout(stops, 100); };
  addEventListener("resize", later);
  document.addEventListener("toggle", later, true);
  stops();

  // Tables: a button in each header; numbers first, missing values last.
  const order = new Intl.Collator("en", { numeric: true });
  const value = (cell) => cell.dataset.sort !== undefined ? Number(cell.dataset.sort) : cell.textContent.trim();
  const compare = (a, b, sign) => {
    const missing = (one) => one === "" || Number.isNaN(one);
    if (missing(a) || missing(b)) return missing(a) - missing(b);
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return sign * (typeof a === "number" ? a - b : order.compare(a, b));
  };
  for (const table of all("table.sortable")) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      const button = make("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const first = head.classList.contains("n") ? "descending" : "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const way = head.getAttribute("aria-sort") === first ? other : first;
        for (const one of heads) one.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", way);
        const sign = way === "ascending" ? 1 : -1;
        const rows = [...table.tBodies[0].rows].map((row) => [value(row.cells[column]), row]);
        rows.sort((a, b) => compare(a[0], b[0], sign));
        table.tBodies[0].append(...rows.map((pair) => pair[1]));
      });
    });
  }

  // Charts: a legend of switches, and values under the pointer or by the arrow keys.
  const numbers = (text) => text ? text.split(" ").map(Number) : [];
  const shown = (number) => Number.isFinite(number) ? number.toLocaleString("en", { maximumSignificantDigits: 5 }) : "–";
  const place = ([low, high, start, end, log], number) => {
    const at = log ? Math.log10 : (same) => same;
    return start + (at(number) - at(low)) / (at(high) - at(low)) * (end - start);
  };
  const read = (plot) => {
    const [across, upright, xLabel, yLabel, names, only] = JSON.parse(plot.dataset.axes);
    const points = [];
    for (const group of all(".series", plot)) {
      const data = group.dataset, x = numbers(data.x), y = numbers(data.y), low = numbers(data.low), high = numbers(data.high);
      const labels = data.labels ? JSON.parse(data.labels) : [];
      x.forEach((one, index) => points.push({
        x: one, y: y[index], low: low[index], high: high[index], group, name: data.name, label: labels[index] || "",
        left: place(across, one), top: place(upright, y[index]),
      }));
    }
    points.sort((a, b) => a.left - b.left || a.top - b.top);
    const title = (x) => names.length ? names[Math.round(x)] ?? "" : `${xLabel} ${shown(x)}`;
    return { points, only, title, xLabel, yLabel, ends: [across, upright] };
  };
  const interactive = (figure) => {
    const hold = figure.querySelector(".hold"), plot = figure.querySelector(".plot");
    let chart = null, at = null;
    const tip = make("div", "tip"), cross = document.createElementNS(NS, "path");
    tip.hidden = true;
    tip.setAttribute("role", "status");
    cross.setAttribute("class", "cross");
    hold.append(tip);
    hold.tabIndex = 0;
    hold.setAttribute("role", "group");
    hold.setAttribute("aria-label", `${plot.querySelector("title").textContent}: read values with the arrow keys`);
    const visible = () => (chart ??= read(plot)).points.filter((one) => !one.group.classList.contains("off"));
    const hide = () => { tip.hidden = true; cross.remove(); at = null; };
    const line = (one) => {
      const row = make("span", one.group.getAttribute("class").replace("series ", "dot "));
      const range = Number.isFinite(one.low) ? ` (${shown(one.low)} to ${shown(one.high)})` : "";
      row.append(make("i", "", chart.only || !one.label ? one.name : `${one.name}, ${one.label}`), make("em", "", shown(one.y) + range));
      return row;
    };
    const show = (found) => {
      at = found;
      const same = chart.only ? [found] : visible().filter((one) => one.x === found.x);
      const head = chart.only && found.label ? found.label : chart.title(found.x);
      tip.replaceChildren(make("b", "", head), ...same.slice(0, 12).map(line));
      if (same.length > 12) tip.append(`and ${same.length - 12} more`);
      if (chart.only && found.label) tip.append(make("span", "", `${chart.xLabel} ${shown(found.x)}`));
      const upright = chart.ends[1];
      const circles = same.map((one) => `M${one.left - 6} ${one.top}a6 6 0 1 0 12 0a6 6 0 1 0-12 0`).join("");
      cross.setAttribute("d", (chart.only ? "" : `M${found.left} ${upright[2]}V${upright[3]}`) + circles);
      plot.append(cross);
      tip.hidden = false;
      const scale = hold.clientWidth / plot.viewBox.baseVal.width;
      const x = found.left * scale, right = x > hold.clientWidth / 2;
      tip.style.left = `${Math.max(0, Math.min(hold.clientWidth - tip.offsetWidth, right ? x - tip.offsetWidth - 12 : x + 12))}px`;
      tip.style.top = `${chart.only ? Math.max(0, found.top * scale - tip.offsetHeight - 10) : 8}px`;
    };
    hold.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect(), scale = plot.viewBox.baseVal.width / box.width;
      const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
      let best = null, least = Infinity;
      for (const one of visible()) {
        const far = chart.only ? Math.hypot(one.left - x, one.top - y) - (one.label ? 1 : 0) : Math.abs(one.left - x) + Math.abs(one.top - y) / 1e4;
        if (far < least) [best, least] = [one, far];
      }
      if (best && (!chart.only || least < 60)) show(best);
      else hide();
    });
    hold.addEventListener("pointerleave", hide);
    hold.addEventListener("blur", hide);
    hold.addEventListener("keydown", (event) => {
      const points = visible();
      const stations = chart.only ? points : points.filter((one, index) => !index || one.x !== points[index - 1].x);
      if (event.key === "Escape") return hide();
      if (!stations.length || !["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
      event.preventDefault();
      const last = stations.length - 1;
      const now = at ? (chart.only ? stations.indexOf(at) : stations.findIndex((one) => one.x === at.x)) : -1;
      const next = { ArrowLeft: now < 0 ? last : now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key];
      show(stations[Math.max(0, Math.min(last, next))]);
    });
    const entries = all(".legend li", figure);
    for (const entry of entries.length > 1 ? entries : []) {
      const button = make("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      button.append(...entry.childNodes);
      entry.append(button);
      button.addEventListener("click", () => {
        const on = button.getAttribute("aria-pressed") === "false";
        button.setAttribute("aria-pressed", String(on));
        for (const one of all(`[data-group="${entry.dataset.group}"]`, plot)) one.classList.toggle("off", !on);
        hide();
      });
    }
    for (const one of all(".marker title", plot)) one.remove();  // the tip says more
  };
  for (const figure of all(".chart")) interactive(figure);
})();
