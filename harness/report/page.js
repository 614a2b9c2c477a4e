"use strict";
// Draws the figures in the colours of the page's theme, links the matrices, sorts and filters the tables.

const figures = JSON.parse(document.getElementById("figures").textContent);
const plots = [...document.querySelectorAll(".plot")];
const touch = matchMedia("(pointer: coarse)").matches;
const config = {
  displaylogo: false, displayModeBar: !touch, responsive: true,
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
};
const rates = JSON.parse(document.getElementById("figures").dataset.rates);

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// A scale whose colours stand at the given rates, evenly spaced to the eye.
const rateScale = () => rates.map((rate, i) => [rate, style(`rate-${i}`)]);
const differenceScale = () => ["less-2", "less-1", "same", "more-1", "more-2"].map((name, i) => [i / 4, style(name)]);

function themed(figure) {
  const [text, soft, grid, page] = ["text", "soft", "grid", "page"].map(style);
  const axis = {
    gridcolor: grid, zerolinecolor: soft, linecolor: soft, dividercolor: soft, zeroline: false,
    ticklabelstandoff: 4,
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

const draw = () => plots.map((plot) => Plotly.react(plot, figures[plot.id].data, themed(figures[plot.id]), config));

// The cell under the pointer is shown in every matrix.
function link(matrices) {
  let following = false;
  const others = (plot, act) => {
    if (following) return;
    following = true;
    matrices.filter((other) => other !== plot).forEach(act);
    following = false;
  };
  for (const plot of matrices) {
    plot.on("plotly_hover", ({ points: [cell] }) => {
      const [yval, xval] = cell.pointIndex ?? cell.pointNumber;
      others(plot, (other) => Plotly.Fx.hover(other, { xval, yval }, "xy"));
    });
    plot.on("plotly_unhover", () => others(plot, (other) => Plotly.Fx.unhover(other)));
  }
}

function sortable(table) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const key = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  headings.forEach((heading, column) => {
    heading.querySelector("button")?.addEventListener("click", () => {
      const down = heading.ariaSort === "ascending" || (heading.ariaSort !== "descending" && heading.matches(".number"));
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.ariaSort = down ? "descending" : "ascending";
      const numeric = heading.matches(".number");
      const order = (a, b) => (numeric ? key(a, column) - key(b, column) : key(a, column).localeCompare(key(b, column)));
      body.append(...[...body.rows].sort((a, b) => (down ? order(b, a) : order(a, b))));
    });
  });
}

// Words are phonemes, or beginnings of classes.
function filterable(input) {
  const rows = [...document.getElementById(input.getAttribute("aria-controls")).tBodies[0].rows];
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const [name, broad] = [...row.cells].map((cell) => cell.textContent.toLowerCase());
      row.hidden = words.length > 0 && !words.some((w) => w === name || (w.length > 2 && broad.startsWith(w)));
    }
  });
}

document.querySelectorAll("table.sortable").forEach(sortable);
document.querySelectorAll(".filter input").forEach(filterable);
Promise.all(draw()).then(() => {
  link(plots.filter((plot) => plot.closest(".matrix")));
  document.documentElement.dataset.drawn = plots.length;
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
addEventListener("beforeprint", draw);
addEventListener("afterprint", draw);
