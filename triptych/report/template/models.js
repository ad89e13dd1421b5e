// The models of a task: a table that is sorted, grouped and filtered, and a picture of all scores.
const PANELS = [["heard", "heard"], ["said", "said"], ["seen", "seen"], ["fusion", "several modalities or models"], ["choice", "choice among models"], ["baseline", "baseline"]];
const panelOf = (row) => (row.kind === "baseline" || row.kind === "choice" ? row.kind : row.kind === "single" && ["heard", "said", "seen"].includes(row.modalities) ? row.modalities : "fusion");
const between = (low, high) => (absentNumber(low) || absentNumber(high) ? "" : ` ${share(low)}–${share(high)}`);
const isReference = (row) => row.model === row.vs;
const bestRow = (task) => task.rows.reduce((best, row) => ((row[task.primary] ?? -1) > (best[task.primary] ?? -1) ? row : best));
const bestBaseline = (task) => task.rows.filter((row) => row.kind === "baseline").reduce((best, row) => (!best || row[task.primary] > best[task.primary] ? row : best), null);
// Groups in the order of the legend, the best model of each first.
const byKind = (task) => [...task.rows].sort((a, b) => PANELS.findIndex(([key]) => key === panelOf(a)) - PANELS.findIndex(([key]) => key === panelOf(b)) || (b[task.primary] ?? -1) - (a[task.primary] ?? -1));
const byScore = (task) => [...task.rows].sort((a, b) => (b[task.primary] ?? -1) - (a[task.primary] ?? -1));
const kindMark = (row) => el("span", { class: `kind ${panelOf(row)}`, "aria-hidden": "true" });

function whisker(value, low, high, panel, guides) {
  const at = (one) => 6 + 228 * Math.min(1, Math.max(0, one));
  const label = `${share(value)} percent` + (absentNumber(low) ? "" : `, interval ${share(low)} to ${share(high)}`);
  return svg("svg", { viewBox: "0 0 240 32", preserveAspectRatio: "none", role: "img", "aria-label": label },
    [0, 0.25, 0.5, 0.75, 1].map((tick) => svg("line", { class: "axis", x1: at(tick), x2: at(tick), y1: 0, y2: 32 })),
    guides.filter((guide) => !absentNumber(guide)).map((guide) => svg("line", { class: "guide", x1: at(guide), x2: at(guide), y1: 0, y2: 32 })),
    absentNumber(low) ? null : svg("line", { class: `whisker s-${panel}`, x1: at(low), x2: at(high), y1: 16, y2: 16 }),
    absentNumber(value) ? null : svg("rect", { class: `s-${panel}`, x: at(value) - 3.5, y: 11, width: 7, height: 10, rx: 1.5 }));
}

function modelColumns(task) {
  const metric = task.primary, reference = task.rows.find(isReference);
  const word = (head, of, title) => ({ head, title, cell: (row) => of(row) || "–", sort: of });
  const score = (name) => ({ head: `${METRICS[name]} %`, number: true, sort: (row) => row[name], cell: (row) => [share(row[name]), el("span", { class: "interval" }, between(row[`${name}_low`], row[`${name}_high`]))] });
  const second = task.multi ? ["macro_f1", "map"] : ["balanced_accuracy", "macro_f1"];
  const wrong = new Set(task.few_seeds);
  const seeds = (row) => [count(row.seeds || 1), absentNumber(row.sd_seeds) ? null : el("span", { class: "interval" }, ` sd ${share(row.sd_seeds)}`)];
  const uses = (name) => task.rows.some((row) => row[name] && row[name] !== "none");
  return [
    { head: "model", heading: true, sort: (row) => row.model, cell: (row) => [kindMark(row), breakable(row.model), isReference(row) ? el("span", { class: "badge" }, "best single") : null,
      wrong.has(row.model) ? el("span", { class: "badge warn", title: "a network's score depends on the numbers it starts from; it should rest on five seeds at least" }, "few seeds") : null,
      row.label_source ? el("small", null, el("b", null, "label source: "), row.label_source) : null] },
    { ...score(metric), head: `${METRICS[metric]} %, 95 % interval` },
    { head: "from 0 to 100 %", class: "forest", cell: (row) => whisker(row[metric], row[`${metric}_low`], row[`${metric}_high`], panelOf(row), [reference && reference[metric]]) },
    { head: "p, Holm", number: true, sort: (row) => row.p_holm, title: "two-sided paired test against the best single modality, corrected for all comparisons of this table", cell: (row) => (isReference(row) ? "reference" : pValue(row.p_holm)) },
    { ...word("reads", (row) => row.inputs.replaceAll("+", " + "), "features and texts, or members"), class: "reads" },
    word("labels", (row) => row.label_set, "where the labels come from"),
    { ...word("embedding", (row) => row.embedding, "arrays of encoders and their pooling, also of members"), class: "parts", cell: (row) => (row.embedding ? row.embedding.split(" + ").map((one) => el("div", null, one)) : "–") },
    word("classifier", (row) => row.classifier),
    uses("fusion") ? word("fusion", (row) => row.fusion) : null,
    uses("balance") ? word("balance", (row) => (row.balance === "none" ? "" : row.balance)) : null,
    { head: "compute", number: true, title: "seconds of the jobs' last runs, all stages; stages that models share count for each", sort: (row) => row.seconds, cell: (row) => (absentNumber(row.seconds) ? "–" : duration(row.seconds)) },
    { head: "seeds", number: true, title: "fits with different seeds, and the standard deviation of the score over them", sort: (row) => row.seeds || 1, cell: seeds },
    ...second.map(score),
    { head: "on covered videos %", number: true, title: "videos that have the model's input", sort: (row) => row[`${metric}_covered`], cell: (row) => [share(row[`${metric}_covered`]), el("span", { class: "interval" }, `n = ${count(row.n_covered)}`)] },
  ].filter(Boolean);
}

function comparisonTable(task) {
  const rows = byKind(task), total = rows.length, panelName = Object.fromEntries(PANELS);
  const caption = (shown) => `Models for ${task.name}: ${shown === total ? plural(total, "row") : `${count(shown)} of ${plural(total, "row")}`}, labels from ${task.zero_shot ? task.label : `column ${task.label}`}, n = ${count(task.n)}, ${plural(task.groups, "group")}, all on the same videos and folds`;
  const words = (row) => [row.model, row.inputs, row.embedding, row.classifier, row.fusion, row.balance, row.modalities].join(" ").toLowerCase();
  const found = sortedTable(caption, modelColumns(task), rows, {
    group: (row) => panelName[panelOf(row)],
    rowClass: (row) => (isReference(row) ? "reference" : row.kind === "baseline" ? "baseline" : null),
  });
  if (total < 9) return found.node;
  const filter = { text: "", panel: "" };
  const again = () => found.show((row) => (!filter.panel || panelOf(row) === filter.panel) && filter.text.toLowerCase().split(/\s+/).every((word) => words(row).includes(word)));
  const search = el("input", { type: "search", placeholder: "model, feature, classifier", oninput: () => { filter.text = search.value; again(); } });
  return [el("div", { class: "controls" }, el("label", null, "Find models", search),
    chooser("That read", [["", "anything"], ...PANELS.filter(([key]) => rows.some((row) => panelOf(row) === key))], "", (value) => { filter.panel = value; again(); })), found.node];
}

// All scores in one picture, the best first, with the best single modality and the best baseline as lines.
function scorePicture(task) {
  const metric = task.primary, rows = byScore(task), high = 21, left = 232, wide = 800, top = 30, reference = rows.find(isReference), base = bestBaseline(task);
  const at = (value) => left + (wide - left - 46) * Math.min(1, Math.max(0, value)), bottom = top + high * rows.length + 4;
  const short = (name) => (name.length > 32 ? `${name.slice(0, 31)}…` : name);
  const guide = (row, text, kind) => row && [svg("line", { class: kind, x1: at(row[metric]), x2: at(row[metric]), y1: top - 8, y2: bottom }), svg("text", { x: at(row[metric]), y: top - 13, "text-anchor": "middle" }, text)];
  const label = `${METRICS[metric]} of ${plural(rows.length, "model")}, the best first: ${rows.slice(0, 5).map((row) => `${row.model} ${share(row[metric])}`).join(", ")}`;
  const near = reference && base && Math.abs(at(reference[metric]) - at(base[metric])) < 130;
  return el("details", { open: rows.length > 8 }, el("summary", null, "All models by score"),
    el("div", { class: "scroll plot", tabindex: "0", role: "region", "aria-label": "Picture of all scores" },
      svg("svg", { class: "dots", viewBox: `0 0 ${wide} ${bottom + 38}`, role: "img", "aria-label": label },
        [0, 0.25, 0.5, 0.75, 1].map((tick) => [svg("line", { class: "axis", x1: at(tick), x2: at(tick), y1: top, y2: bottom }), svg("text", { x: at(tick), y: bottom + 15, "text-anchor": "middle" }, `${100 * tick}`)]),
        guide(base, near ? "baseline" : "best baseline", "guide dotted"), guide(reference, near ? "" : "best single modality", "guide"),
        rows.map((row, place) => {
          const y = top + high * (place + 0.5), panel = panelOf(row), low = row[`${metric}_low`], up = row[`${metric}_high`];
          return [svg("text", { class: isReference(row) ? "strong" : null, x: left - 10, y: y + 4, "text-anchor": "end" }, short(row.model), svg("title", null, `${row.model}: ${row.inputs}`)),
            absentNumber(low) ? null : svg("line", { class: `whisker s-${panel}`, x1: at(low), x2: at(up), y1: y, y2: y }),
            absentNumber(row[metric]) ? null : svg("circle", { class: `s-${panel}`, cx: at(row[metric]), cy: y, r: 4 }),
            svg("text", { x: wide - 4, y: y + 4, "text-anchor": "end" }, share(row[metric]))];
        }),
        svg("text", { x: (left + wide - 46) / 2, y: bottom + 32, "text-anchor": "middle" }, `${METRICS[metric]} in %, 95 % intervals; dashed: best single modality, dotted: best baseline`))));
}

function moreNumbers(task) {
  const names = task.multi ? ["weighted_f1", "samples_f1", "subset_accuracy", "hamming_loss", "roc_auc", "ece"] : ["weighted_f1", "roc_auc", "log_loss", "brier", "ece"];
  const seconds = (stage, head) => ({ head, number: true, sort: (row) => row[stage], cell: (row) => (absentNumber(row[stage]) ? "–" : row[stage].toFixed(1)) });
  const columns = [
    { head: "model", heading: true, sort: (row) => row.model, cell: (row) => [kindMark(row), breakable(row.model)] },
    ...names.map((name) => ({ head: METRICS[name], number: true, sort: (row) => row[name], cell: (row) => number(row[name]) })),
    { head: "difference to best single", number: true, sort: (row) => row.difference, cell: (row) => (absentNumber(row.difference) ? "–" : `${row.difference > 0 ? "+" : ""}${number(row.difference)}`) },
    { head: "p", number: true, title: "not corrected", sort: (row) => row.p, cell: (row) => pValue(row.p) },
    { head: "p where both have input", number: true, sort: (row) => row.p_covered, cell: (row) => pValue(row.p_covered) },
    ...[["media", "media s"], ["transcribe", "text s"], ["embed", "encoders s"], ["train", "training s"]].map(([stage, head]) => seconds(`seconds_${stage}`, head)),
    seconds("seconds", "all s"),
  ];
  if (task.multi) columns.push({ head: "decision", class: "words", cell: (row) => task.decided[row.model] || "–" });
  return el("details", null, el("summary", null, "More numbers, and compute seconds by stage"),
    sortedTable(() => "Seconds are those of the jobs' last runs; a stage that models share counts for each of them", columns, byKind(task)).node);
}

function howToRead(task) {
  const reference = (task.rows.find((row) => row.vs) || {}).vs, unit = task.grouped ? "groups" : "videos";
  const test = task.grouped ? `${count(task.permutations)} sign flips of whole groups (exact where there are few)` : "exact McNemar test";
  return el("p", { class: "soft small" },
    `Out-of-fold predictions${task.repeats > 1 ? `, mean of ${task.repeats} repeats` : ""}. Intervals: ${count(task.bootstrap)} bootstrap resamples of ${unit}. `,
    reference ? `Each model is tested against ${reference}, the best model that reads one modality only (${test}; Holm's correction over the table). ` +
      `That reference was chosen on the videos it is tested on, which favours it slightly. Its score is the dashed line.`
      : "No model reads one modality only, so there is no reference to test against.",
    task.few_seeds.length ? [` Few seeds: the score of a network depends on the numbers that training starts from (${task.few_seeds.join(", ")}); set `, el("code", null, "seeds: 5"), " or more."] : "");
}

function legend(task) {
  return el("ul", { class: "legend" }, PANELS.filter(([key]) => task.rows.some((row) => panelOf(row) === key)).map(([key, text]) => el("li", null, el("span", { class: `kind ${key === "fusion" ? "" : key}` }), text)));
}

// Scores by what the videos have: a row a model, a column for each of the most frequent patterns.
const PATTERNS = 6;
function availability(task) {
  if (task.availability.length < 2) return null;
  const shown = task.availability.slice(0, PATTERNS), left = task.availability.slice(PATTERNS);
  const columns = [
    { head: "model", heading: true, sort: (row) => row.model, cell: (row) => [kindMark(row), breakable(row.model)] },
    ...shown.flatMap((pattern) => {
      const name = pattern.has.join(" + ") || "none of the inputs", range = (row) => pattern.between[row.model] || [null, null];
      return [
        { head: () => [name, el("small", null, `n = ${count(pattern.n)}, ${plural(pattern.groups, "group")}`)], number: true, sort: (row) => pattern.scores[row.model], cell: (row) => [share(pattern.scores[row.model]), el("span", { class: "interval" }, between(...range(row)))] },
        { head: () => el("span", { class: "sr" }, `${name}, picture`), class: "forest thin", cell: (row) => whisker(pattern.scores[row.model], ...range(row), panelOf(row), []) }];
    }),
  ];
  const table = (rows) => sortedTable(() => `${task.multi ? "F1 per video" : "Accuracy"} in percent and 95 % intervals, by the inputs that a video has.${others}`, columns, rows, { rowClass: (row) => (row.kind === "baseline" ? "baseline" : null) }).node;
  const others = left.length ? ` ${plural(left.reduce((sum, one) => sum + one.n, 0), "video")} with ${plural(left.length, "rarer pattern")} are left out.` : "";
  const rows = byKind(task), first = PANELS.flatMap(([key]) => rows.filter((row) => panelOf(row) === key).slice(0, key === "fusion" ? 6 : 2));
  return [el("h3", null, "By what the videos have"), table(first),
    first.length < rows.length ? el("details", null, el("summary", null, `All ${count(rows.length)} models by what the videos have`), table(rows)) : null];
}
