"use strict";
// Draws the figures in the colours of the page's theme, links the matrices, sorts and filters the tables.

const figures = JSON.parse(document.getElementById("figures").textContent);
const plots = [...document.querySelectorAll(".plot")];
const root = document.documentElement;
const touch = matchMedia("(pointer: coarse)").matches;
const config = {
  displaylogo: false, displayModeBar: !touch, responsive: true,
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
};
const rates = JSON.parse(document.getElementById("figures").dataset.rates);

const style = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();

// A scale whose colours stand at the given rates, evenly spaced to the eye.
const rateScale = () => rates.map((rate, i) => [rate, style(`rate-${i}`)]);
const differenceScale = () => ["less-2", "less-1", "same", "more-1", "more-2"].map((name, i) => [i / 4, style(name)]);

function themed(figure) {
  const [text, soft, grid, page] = ["text", "soft", "grid", "page"].map(style);
  const axis = {
    gridcolor: grid, zerolinecolor: soft, linecolor: soft, zeroline: false, ticklabelstandoff: 4,
  };
  const template = {
    layout: {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: text, family: getComputedStyle(document.body).fontFamily, size: 12 },
      xaxis: axis, yaxis: axis,
      hoverlabel: { bgcolor: page, bordercolor: soft, font: { color: text } },
      shapedefaults: { line: { color: soft } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: text },
    },
  };
  const layout = { ...figure.layout, template, dragmode: touch ? false : "zoom" };
  if (layout.coloraxis) {
    const colorscale = layout.coloraxis.cmin < 0 ? differenceScale() : rateScale();
    layout.coloraxis = { ...layout.coloraxis, colorscale };
  }
  return layout;
}

// On paper nothing is measured anew: a figure gets the size that the page has for it now.
const sized = (plot) =>
  root.classList.contains("printing") ? { width: plot.clientWidth, height: plot.clientHeight } : {};
const drawOne = (plot) =>
  Plotly.react(plot, figures[plot.id].data, { ...themed(figures[plot.id]), ...sized(plot) }, config);
const draw = () => Promise.all(plots.map(drawOne));

// The chosen cell is shown in every matrix, and said in words below them.
function link(matrices) {
  if (!matrices.length) return;
  let busy = false;
  let chosen = [0, 0];
  const readout = document.getElementById("readout");
  const [names, size] = [matrices[0].data[0].x, matrices[0].data[0].x.length];

  const say = () => {
    const [row, column] = chosen;
    const parts = matrices.filter((plot) => plot.layout.meta.arm).map((plot) => {
      const { z, customdata } = figures[plot.id].data[0];
      return `${plot.layout.meta.arm} ${(100 * z[row][column]).toFixed(2)} % (${customdata[row][column].toLocaleString("en")} frames)`;
    });
    const what = row === column ? `${names[row]} right` : `${names[row]} taken for ${names[column]}`;
    readout.textContent = `${what}: ${parts.join(", ")}`;
  };
  const show = (row, column, but) => {
    if (busy) return;
    busy = true;
    chosen = [row, column];
    for (const plot of matrices) if (plot !== but) Plotly.Fx.hover(plot, { xval: column, yval: row }, "xy");
    say();
    busy = false;
  };
  const hide = (but) => {
    if (busy) return;
    busy = true;
    for (const plot of matrices) if (plot !== but) Plotly.Fx.unhover(plot);
    busy = false;
  };
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  for (const plot of matrices) {
    plot.on("plotly_hover", ({ points: [cell] }) => show(...(cell.pointIndex ?? cell.pointNumber), plot));
    plot.on("plotly_unhover", () => hide(plot));
    plot.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault(); // the page stays where it is
      const next = chosen.map((at, i) => Math.min(size - 1, Math.max(0, at + step[i])));
      show(...next);
    });
    plot.addEventListener("blur", () => hide());
  }
}

const keyOf = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;

function sort(table, column, down) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((other) => other.removeAttribute("aria-sort"));
  headings[column].setAttribute("aria-sort", down ? "descending" : "ascending");
  const numeric = headings[column].matches(".number");
  const order = (a, b) =>
    numeric ? keyOf(a, column) - keyOf(b, column) : keyOf(a, column).localeCompare(keyOf(b, column));
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort((a, b) => (down ? order(b, a) : order(a, b))));
}

function sortable(table) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const was = heading.getAttribute("aria-sort");
      sort(table, column, was === "ascending" || (was !== "descending" && heading.matches(".number")));
      follow(table);
    });
  });
}

// Words are phonemes, or beginnings of classes.
function filterable(input) {
  const table = document.getElementById(input.getAttribute("aria-controls"));
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of table.tBodies[0].rows) {
      const [name, broad] = [...row.cells].map((cell) => cell.textContent.toLowerCase());
      row.hidden = words.length > 0 && !words.some((w) => w === name || (w.length > 2 && broad.startsWith(w)));
    }
    follow(table);
  });
}

// The first order of the rows, class by class, or that of a column.
function orderable(select) {
  const table = document.getElementById(select.dataset.table);
  const first = [...table.tBodies[0].rows];
  select.addEventListener("change", () => {
    if (select.value === "class") {
      [...table.tHead.rows[0].cells].forEach((heading) => heading.removeAttribute("aria-sort"));
      table.tBodies[0].append(...first);
    } else {
      const column = Number(select.value);
      sort(table, column, table.tHead.rows[0].cells[column].matches(".number"));
    }
    follow(table);
  });
}

// The figures of phonemes have the rows of the table, in its order; classes that stand together are named once.
function follow(table) {
  if (table.id !== "phoneme-table") return;
  const names = [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[0].textContent);
  for (const plot of plots) {
    if (!plot.closest(".phonemes")) continue;
    arrange(figures[plot.id], names);
    plot.style.height = `${figures[plot.id].layout.height}px`;
    drawOne(plot);
  }
}

function arrange(figure, order) {
  const { classes, row } = figure.layout.meta;
  const names = order.filter((name) => name in classes);
  const starts = names.map((name, i) => i === 0 || classes[name] !== classes[names[i - 1]]);
  const together = starts.filter(Boolean).length <= new Set(names.map((name) => classes[name])).size;
  const head = (name) => `<span style="font-size:11px;opacity:.75">${classes[name]}</span>  ${name}`;
  const lines = names.map((_, i) => i).filter((i) => i && together && starts[i]);
  const full = Object.keys(classes).length;
  figure.layout = {
    ...figure.layout,
    height: figure.layout.height + row * (names.length - (figure.rows ?? full)),
    yaxis: {
      ...figure.layout.yaxis, categoryarray: names, range: [names.length - 0.5, -0.5],
      tickmode: "array", tickvals: names,
      ticktext: names.map((name, i) => (together && starts[i] && classes[name] ? head(name) : name)),
    },
    shapes: lines.map((i) => (
      { type: "line", xref: "paper", x0: 0, x1: 1, y0: i - 0.5, y1: i - 0.5, line: { width: 0.75 }, opacity: 0.6 }
    )),
  };
  figure.rows = names.length;
}

// As the system has it, light, dark; remembered where the browser allows it.
function themes(button) {
  const names = ["auto", "light", "dark"];
  const said = { auto: "same as the system", light: "light", dark: "dark" };
  const stored = { get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
    set: (name) => { try { localStorage.setItem("theme", name); } catch { /* private, or not allowed for files */ } } };
  const apply = (name) => {
    if (name === "auto") delete root.dataset.theme;
    else root.dataset.theme = name;
    button.textContent = name[0].toUpperCase() + name.slice(1);
    button.ariaLabel = button.title = `Colours: ${said[name]}`;
  };
  apply(names.includes(stored.get()) ? stored.get() : "auto");
  button.addEventListener("click", () => {
    const next = names[(names.indexOf(root.dataset.theme ?? "auto") + 1) % names.length];
    stored.set(next);
    apply(next);
    draw();
  });
}

// The link of the section that is read stands out.
function here(links) {
  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      links.forEach((link) => link.removeAttribute("aria-current"));
      const link = links.find((one) => one.hash === `#${target.id}`);
      link.setAttribute("aria-current", "true");
      link.closest("ul").scrollTo({ left: link.offsetLeft - 60 });
    }
  }, { rootMargin: "-20% 0px -75% 0px" });
  document.querySelectorAll("main section").forEach((section) => watch.observe(section));
}

// On paper: light, as wide as a page, everything open.
function printing() {
  let before = null;
  addEventListener("beforeprint", () => {
    before = { theme: root.dataset.theme, closed: [...document.querySelectorAll("details:not([open])")] };
    root.dataset.theme = "light";
    root.classList.add("printing");
    before.closed.forEach((details) => { details.open = true; });
    draw();
  });
  addEventListener("afterprint", () => {
    if (before.theme) root.dataset.theme = before.theme;
    else delete root.dataset.theme;
    root.classList.remove("printing");
    before.closed.forEach((details) => { details.open = false; });
    draw();
    plots.forEach((plot) => Plotly.Plots.resize(plot));
  });
}

themes(document.getElementById("theme"));
document.querySelectorAll("table.sortable").forEach(sortable);
document.querySelectorAll(".filter input").forEach(filterable);
document.querySelectorAll(".filter select").forEach(orderable);
for (const plot of plots) {
  if (plot.closest(".phonemes")) arrange(figures[plot.id], Object.keys(figures[plot.id].layout.meta.classes));
}
draw().then(() => {
  // A figure drawn before its column had its width.
  plots.filter((plot) => Math.abs(plot._fullLayout.width - plot.clientWidth) > 1).forEach((plot) => Plotly.Plots.resize(plot));
  link(plots.filter((plot) => plot.closest(".matrix")));
  here([...document.querySelectorAll("nav a")]);
  root.dataset.drawn = plots.length;
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
printing();
