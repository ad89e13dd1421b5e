// Elements from data. Text goes in as text nodes only; nothing in this page parses mark-up.
const DATA = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";

function put(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}
const el = (tag, attributes, ...children) => put(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => put(document.createElementNS(SVG, tag), attributes, children);
const byId = (id) => document.getElementById(id);

// Addresses come from the table: only these may be followed.
const safeLink = (address) => (/^https?:\/\//i.test(address) ? address : null);
const safePicture = (address) => (/^(data:image\/(jpeg|svg\+xml);base64,|\.{0,2}\/?[\w%][\w%./~-]*$|\.\.\/)/.test(address) ? address : null);

const absentNumber = (value) => value === null || value === undefined;
const number = (value, digits = 3) => (absentNumber(value) ? "–" : value.toFixed(digits).replace("-", "−"));
const share = (value) => (absentNumber(value) ? "–" : (100 * value).toFixed(1));
const count = (value) => value.toLocaleString("en");
const plural = (value, word, words) => `${count(value)} ${value === 1 ? word : words || word + "s"}`;
const pValue = (value) => (absentNumber(value) ? "–" : value < 0.001 ? "< .001" : value.toFixed(3).replace(/^0/, ""));
function clock(seconds) {
  const whole = Math.floor(seconds), two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return (hours ? `${hours}:${two(minutes)}` : String(minutes)) + ":" + two(whole % 60);
}
const METRICS = {
  accuracy: "accuracy", balanced_accuracy: "balanced accuracy", macro_f1: "macro-F1", weighted_f1: "weighted F1",
  roc_auc: "ROC-AUC", ece: "ECE", brier: "Brier", log_loss: "log-loss", micro_f1: "micro-F1", samples_f1: "F1 per video",
  map: "mAP", subset_accuracy: "subset accuracy", hamming_loss: "Hamming loss",
};

const duration = (seconds) => (seconds < 100 ? `${seconds.toFixed(seconds < 10 ? 1 : 0)} s` : seconds < 6000 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`);

// A name that may be parted after `_` and `-`.
const breakable = (name) => name.split(/(?<=[_-])/).map((part) => [part, el("wbr")]);
const headText = (column) => (typeof column.head === "function" ? column.head() : column.head);
const headOf = (column, child) => el("th", { scope: "col", class: column.number ? "number" : column.class, title: column.title }, child || headText(column));
const lineOf = (columns, row, rowClass) => el("tr", { class: rowClass ? rowClass(row) : null }, columns.map((column) =>
  column.heading ? el("th", { scope: "row" }, column.cell(row)) : el("td", { class: column.class || (column.number ? "number" : null) }, column.cell(row))));
const framed = (caption, title, head, body, kind) => el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
  el("table", { class: kind }, el("caption", null, title), el("thead", null, el("tr", null, head)), body));

// A table: columns are {head (or a function that makes it), cell(row), number, head cell of its row}; `rowClass` names a row's class.
function table(caption, columns, rows, rowClass) {
  return framed(caption, el("span", null, caption), columns.map((column) => headOf(column)), el("tbody", null, rows.map((row) => lineOf(columns, row, rowClass))));
}
// A table sorted by a click on the head of a column with `sort(row)`; before that in its own order, in groups. `show` filters it.
function sortedTable(caption, columns, rows, { group, rowClass } = {}) {
  const state = { column: null, down: true, fits: () => true }, body = el("tbody"), title = el("span");
  const heads = columns.map((column) => headOf(column, column.sort && el("button", { type: "button", class: "sort", onclick: () => {
    const numeric = rows.some((row) => typeof column.sort(row) === "number");
    if (state.column !== column) Object.assign(state, { column, down: numeric });
    else if (state.down === numeric) state.down = !numeric;
    else state.column = null;
    show();
  } }, headText(column))));
  function compare(a, b) {
    const [x, y] = [a, b].map((row) => state.column.sort(row)), [none, other] = [x, y].map((one) => one === null || one === undefined || one === "");
    if (none || other) return none - other;
    return (typeof x === "number" ? x - y : String(x).localeCompare(String(y))) * (state.down ? -1 : 1);
  }
  function show() {
    const found = rows.filter(state.fits), parts = [];
    if (state.column) found.sort(compare);
    let last = null;
    for (const row of found) {
      const own = group && !state.column ? group(row) : null;
      if (own !== last) parts.push(el("tr", { class: "group" }, el("th", { colspan: columns.length, scope: "rowgroup" }, el("span", null, own))));
      last = own;
      parts.push(lineOf(columns, row, rowClass));
    }
    if (!found.length) parts.push(el("tr", null, el("td", { colspan: columns.length, class: "empty" }, "Nothing fits.")));
    body.replaceChildren(...parts);
    title.textContent = caption(found.length);
    heads.forEach((head, place) => columns[place].sort && head.setAttribute("aria-sort", state.column !== columns[place] ? "none" : state.down ? "descending" : "ascending"));
  }
  show();
  return { node: framed(caption(rows.length), title, heads, body, "sorted"), show: (fits) => { state.fits = fits; show(); } };
}
function chooser(label, options, chosen, change) {
  const select = el("select", { onchange: () => change(select.value) },
    options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
  return el("label", null, label, select);
}
