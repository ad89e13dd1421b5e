// One section for each task: comparison with intervals, availability, confusion matrices, per-class numbers, balance.
const panelOf = (row) => (row.kind === "baseline" ? "baseline" : row.kind === "single" && ["heard", "said", "seen"].includes(row.modalities) ? row.modalities : "fusion");
const between = (low, high) => (absentNumber(low) || absentNumber(high) ? "" : ` ${share(low)}–${share(high)}`);

function forest(row, metric, reference, panel) {
  const at = (value) => 6 + 228 * Math.min(1, Math.max(0, value));
  const value = row[metric], low = row[`${metric}_low`], high = row[`${metric}_high`];
  const label = `${share(value)} percent` + (absentNumber(low) ? "" : `, interval ${share(low)} to ${share(high)}`);
  return svg("svg", { viewBox: "0 0 240 32", preserveAspectRatio: "none", role: "img", "aria-label": label },
    [0, 0.25, 0.5, 0.75, 1].map((tick) => svg("line", { class: "axis", x1: at(tick), x2: at(tick), y1: 0, y2: 32 })),
    reference && svg("line", { class: "guide", x1: at(reference[metric]), x2: at(reference[metric]), y1: 0, y2: 32 }),
    absentNumber(low) ? null : svg("line", { class: `whisker s-${panel}`, x1: at(low), x2: at(high), y1: 16, y2: 16 }),
    absentNumber(value) ? null : svg("rect", { class: `s-${panel}`, x: at(value) - 3.5, y: 11, width: 7, height: 10, rx: 1.5 }));
}

function comparisonTable(task) {
  const metric = task.primary, reference = task.rows.find((row) => row.model === row.vs);
  const withInterval = (name) => (row) => [share(row[name]), el("span", { class: "interval" }, between(row[`${name}_low`], row[`${name}_high`]))];
  const plain = (name) => ({ head: METRICS[name], number: true, cell: (row) => number(row[name]) });
  const second = task.multi ? ["macro_f1", "map"] : ["balanced_accuracy", "macro_f1"];
  const covered = (row) => [share(row[`${metric}_covered`]), el("span", { class: "interval" }, `n = ${count(row.n_covered)}`)];
  const made = (row) => [row.inputs, `${row.classifier}${row.fusion && `, ${row.fusion} fusion`}`, row.balance !== "none" && row.balance].filter(Boolean).join(" · ");
  const columns = [
    { head: "model", heading: true, cell: (row) => [el("span", { class: `kind ${panelOf(row)}`, "aria-hidden": "true" }), row.model, el("small", null, made(row)),
      row.label_source ? el("small", null, el("b", null, "label source: "), row.label_source) : null] },
    { head: `${METRICS[metric]} %, 95 % interval`, number: true, cell: withInterval(metric) },
    { head: "from 0 to 100 %", class: "forest", cell: (row) => forest(row, metric, reference, panelOf(row)) },
    { head: "p", number: true, title: "paired test against the best single modality, two-sided", cell: (row) => (row === reference ? "reference" : pValue(row.p)) },
    { head: "p, Holm", number: true, title: "corrected for all comparisons of this table", cell: (row) => (row === reference ? "" : pValue(row.p_holm)) },
    ...second.map((name) => ({ head: `${METRICS[name]} %`, number: true, cell: withInterval(name) })),
    { head: "on covered videos %", number: true, title: "videos that have the model's input", cell: covered },
  ];
  const kind = (row) => (row === reference ? "reference" : row.kind === "baseline" ? "baseline" : null);
  return table(`Models for ${task.name}: n = ${count(task.n)}, ${plural(task.groups, "group")}, all rows on the same videos and folds`, columns, task.rows, kind);
}

function moreNumbers(task) {
  const names = task.multi ? ["weighted_f1", "samples_f1", "subset_accuracy", "hamming_loss", "roc_auc", "log_loss", "brier", "ece"] : ["weighted_f1", "roc_auc", "log_loss", "brier", "ece"];
  const seconds = (stage, head) => ({ head, number: true, cell: (row) => (absentNumber(row[stage]) ? "–" : row[stage].toFixed(1)) });
  const columns = [
    { head: "model", heading: true, cell: (row) => row.model },
    ...names.map((name) => ({ head: METRICS[name], number: true, cell: (row) => number(row[name]) })),
    { head: "difference to best single", number: true, cell: (row) => (absentNumber(row.difference) ? "–" : `${row.difference > 0 ? "+" : ""}${number(row.difference)}`) },
    { head: "p where both have input", number: true, cell: (row) => pValue(row.p_covered) },
    ...[["media", "media s"], ["transcribe", "text s"], ["embed", "encoders s"], ["train", "training s"]].map(([stage, head]) => seconds(`seconds_${stage}`, head)),
    seconds("seconds", "all s"),
  ];
  return el("details", null, el("summary", null, "More numbers, and compute seconds by stage"),
    table("Seconds are those of the jobs' last runs; a stage that models share counts for each of them", columns, task.rows));
}

function howToRead(task) {
  const reference = (task.rows.find((row) => row.vs) || {}).vs, unit = task.grouped ? "groups" : "videos";
  const test = task.grouped ? `${count(task.permutations)} sign flips of whole groups (exact where there are few)` : "exact McNemar test";
  return el("p", { class: "soft small" },
    `Out-of-fold predictions${task.repeats > 1 ? `, mean of ${task.repeats} repeats` : ""}. Intervals: ${count(task.bootstrap)} bootstrap resamples of ${unit}. `,
    reference ? `Each model is tested against ${reference}, the best model that reads one modality only (${test}; Holm's correction over the table). ` +
      `That reference was chosen on the videos it is tested on, which favours it slightly. Its score is the dashed line.`
      : "No model reads one modality only, so there is no reference to test against.");
}

function legend() {
  const names = [["heard", "heard"], ["said", "said"], ["seen", "seen"], ["fusion", "several modalities"], ["baseline", "baseline"]];
  return el("ul", { class: "legend" }, names.map(([key, text]) => el("li", null, el("span", { class: `kind ${key === "fusion" ? "" : key}` }), text)));
}

function availability(task) {
  if (task.availability.length < 2) return null;
  const columns = [
    { head: "videos that have", heading: true, cell: (row) => row.has.join(" + ") || "none of the inputs" },
    { head: "n", number: true, cell: (row) => count(row.n) },
    ...task.models.map((model) => ({ head: model, number: true, cell: (row) => share(row.scores[model]) })),
  ];
  return [el("h3", null, "By what the videos have"),
    table(`${task.multi ? "F1 per video" : "Accuracy"} in percent, by the inputs that a video has`, columns, task.availability)];
}

function perClass(task, model) {
  const columns = [
    { head: "class", heading: true, cell: (row) => row.class },
    { head: "videos", number: true, cell: (row) => count(row.support) },
    ...["precision", "recall", "f1"].map((name) => ({ head: name === "f1" ? "F1" : name, number: true, cell: (row) => number(row[name]) })),
    { head: "ROC-AUC", number: true, cell: (row) => number(row.auc) },
  ];
  if (task.multi) columns.push({ head: "average precision", number: true, cell: (row) => number(row.average_precision) });
  return table(`Classes by ${model}`, columns, task.metrics[model].per_class);
}

function perFold(task, model) {
  const names = task.multi ? ["micro_f1", "macro_f1", "subset_accuracy"] : ["accuracy", "balanced_accuracy", "macro_f1"];
  const columns = [
    { head: "fold", heading: true, cell: (row) => (task.repeats > 1 ? `${row.repeat}.${row.fold}` : row.fold) },
    { head: "n", number: true, cell: (row) => count(row.n) },
    ...names.map((name) => ({ head: METRICS[name], number: true, cell: (row) => number(row[name]) })),
  ];
  return el("details", null, el("summary", null, "Fold by fold"), table(`Folds of ${model}`, columns, task.metrics[model].per_fold));
}

function picture(address, alt, caption, large) {
  const source = address && safePicture(address);
  return source ? el("figure", { class: "picture", tabindex: large ? "0" : null }, el("img", { src: source, alt, class: large ? "large" : null, loading: "lazy" }),
    caption && el("figcaption", null, caption)) : null;
}

function detail(task, model, place) {
  const large = task.classes.length > 20;
  place.replaceChildren(el("div", { class: large ? null : "pair" },
    picture(task.confusion[model], `Confusion matrix of ${model} for ${task.name}; the same numbers are in confusion/${task.name}/${model}.csv`,
      "Colour: share of the true class." + (large ? " Scroll to see all of it." : " Numbers: videos" + (task.repeats > 1 ? ", mean over repeats." : ".")), large),
    el("div", null, perClass(task, model), perFold(task, model))));
}

// How zero-shot labels were made, how far people agree with them, and which models read what they were made from.
function zeroShot(task) {
  const made = task.zero_shot;
  if (!made) return null;
  const how = made.use === "nli" ? `natural language inference by ${made.model}` : `similarity to label prompts by encoder ${made.encoder} (${made.model})`;
  const same = made.related.filter((one) => one.kind === "same"), agreed = made.agreement, hand = made.checked;
  const kappa = (value) => (absentNumber(value) ? "not defined" : number(value, 2));
  const facts = [
    `Labels: zero-shot, ${how}, template “${made.template}”, made from ${made.label_source}.` + (task.name ? " The scores below tell how well models find these labels again, not how well they find the truth." : ""),
    agreed ? `Against column ${agreed.against}: Cohen’s kappa ${kappa(agreed.kappa)}, agreement ${share(agreed.agreement)} %, n = ${count(agreed.n)}.` + (agreed.common_classes ? "" : " No class occurs in both: are they named alike?") : "They were not compared with existing labels.",
    hand && hand.n ? `Checked by hand: ${count(hand.right)} of ${count(hand.n)} right (${share(hand.accuracy)} %, 95 % interval${between(hand.low, hand.high)})` +
      (absentNumber(hand.kappa) ? "." : `, kappa ${kappa(hand.kappa)}.`) + (hand.stale ? ` ${plural(hand.stale, "row")} of the sheet no longer fit.` : "")
      : `Not checked by hand yet: the sheet is ${made.sheet}.`,
  ];
  return el("div", null, el("p", { class: "banner", role: "note" }, facts.join(" ")),
    same.length ? el("p", { class: "banner", role: "note" }, "Models that read what the labels were made from learn the labeller, not the topic (allow_label_source): ",
      same.map((one, place) => [place ? "; " : "", el("b", null, one.model), ` ${one.text}`]), ".") : null,
    made.related.filter((one) => one.kind === "related").map((one) => el("p", { class: "soft small" }, el("b", null, one.model), ` ${one.text}.`)),
    made.picture ? el("details", null, el("summary", null, "Zero-shot labels against existing ones"),
      picture(made.picture, `Counts of existing and zero-shot labels; the same numbers are in relabel/${made.name}.agreement.csv`, "Numbers: videos with both labels."),
      table(`Agreement by class, n = ${count(agreed.n)}`, [
        { head: "class", heading: true, cell: (row) => row.class }, { head: "existing", number: true, cell: (row) => count(row.existing) },
        { head: "zero-shot", number: true, cell: (row) => count(row.made) }, { head: "both", number: true, cell: (row) => count(row.both) },
        { head: "kappa", number: true, cell: (row) => number(row.kappa, 2) }], agreed.per_class)) : null);
}

// Zero-shot labels that no task takes.
function relabelSection(made) {
  const id = `relabel-${made.name}`;
  return el("section", { id, "aria-labelledby": `h-${id}` }, el("h2", { id: `h-${id}` }, `Zero-shot labels: ${made.name}`), zeroShot({ zero_shot: made }));
}

function taskSection(task) {
  const id = `task-${task.name}`, place = el("div"), best = bestRow(task).model;
  detail(task, best, place);
  const unlabelled = Object.entries(task.unlabelled).map(([reason, n]) => `${count(n)} ${reason.replaceAll("_", " ")}`).join(", ");
  return el("section", { id, "aria-labelledby": `h-${id}` }, el("h2", { id: `h-${id}` }, `Results: ${task.name}`),
    el("p", null, `${plural(task.n, "labelled video")} of ${plural(task.classes.length, "class", "classes")} (${task.zero_shot ? task.label : `column ${task.label}`}), ` +
      (task.grouped ? `${plural(task.groups, "group")} by ${task.group} that are never split over folds` : "not grouped") +
      `, ${task.folds === "predefined" ? "predefined folds" : plural(task.folds, "fold")}.` + (unlabelled ? ` Unlabelled: ${unlabelled}.` : "")),
    task.grouped ? null : el("p", { class: "banner", role: "note" }, "Not grouped (group: none): videos of one source may lie on both sides of a split, " +
      "and scores may be far too high. Name a column with the source (channel, speaker, film) as group to know."),
    zeroShot(task), comparisonTable(task), legend(), howToRead(task), moreNumbers(task), availability(task),
    el("h3", null, "Confusion and classes"),
    el("div", { class: "controls" }, chooser("Model", task.models.map((name) => [name, name]), best, (model) => detail(task, model, place))), place,
    task.balance.length ? el("details", null, el("summary", null, "Label distribution in training folds"), el("div", { class: "pair" },
      task.balance.map((one) => picture(one.picture, `Label distribution before and after balancing (${one.balance})`, `balance: ${one.balance}; ${one.models.join(", ")}`)))) : null);
}
const bestRow = (task) => task.rows.reduce((best, row) => ((row[task.primary] ?? -1) > (best[task.primary] ?? -1) ? row : best));
