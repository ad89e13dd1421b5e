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

// A table: columns are {head, cell(row), number, head cell of its row}; `rowClass` names a row's class.
function table(caption, columns, rows, rowClass) {
  const head = columns.map((column) => el("th", { scope: "col", class: column.number ? "number" : null, title: column.title }, column.head));
  const body = rows.map((row) => el("tr", { class: rowClass ? rowClass(row) : null }, columns.map((column) =>
    column.heading ? el("th", { scope: "row" }, column.cell(row))
      : el("td", { class: column.class || (column.number ? "number" : null) }, column.cell(row)))));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", null, el("caption", null, el("span", null, caption)), el("thead", null, el("tr", null, head)), el("tbody", null, body)));
}
function chooser(label, options, chosen, change) {
  const select = el("select", { onchange: () => change(select.value) },
    options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
  return el("label", null, label, select);
}
