// One section for each task: its models, then one model in detail, learning curves, labels in doubt, balance.
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

// What a choice among models took in each training fold.
function selected(task, model) {
  const told = task.selected[model];
  if (!told) return null;
  const taken = new Map();
  told.folds.forEach((fold) => taken.set(fold.chosen, (taken.get(fold.chosen) || 0) + 1));
  const often = [...taken].sort((a, b) => b[1] - a[1]).map(([name, times]) => `${name} in ${count(times)}`).join(", ");
  const candidates = [...new Set(told.folds.flatMap((fold) => Object.keys(fold.scores)))];
  const columns = [
    { head: "fold", heading: true, cell: (fold) => (task.repeats > 1 ? `${fold.repeat}.${fold.fold}` : fold.fold) },
    { head: "seed", number: true, cell: (fold) => fold.seed },
    { head: "taken", cell: (fold) => el("b", null, fold.chosen) },
    ...candidates.map((name) => ({ head: name, number: true, cell: (fold) => number(fold.scores[name]) })),
  ];
  return [el("p", null, `Taken by inner validation, of ${plural(told.folds.length, "training fold")}: ${often}. The test folds had no say. Unlabelled videos: ${told.new}.`),
    el("details", null, el("summary", null, "What was taken in which fold, and why"), table(`Scores on inner folds (${METRICS[told.by] || told.by})`, columns, told.folds))];
}

// The confusion matrix, drawn from its counts: colour tells the share of the true class.
function confusion(task, model, large) {
  const size = task.classes.length, cell = large ? 13 : size > 8 ? 30 : 44, font = large ? 9 : 11, short = (name) => (name.length > 24 ? `${name.slice(0, 23)}…` : name);
  const left = 34 + font * 0.58 * Math.max(...task.classes.map((name) => short(name).length)), top = left - 2, wide = left + cell * size + 8;
  const cells = task.confusion[model].map(([row, column, n]) => {
    const part = n / Math.max(1, task.support[row]), x = left + cell * column, y = top + cell * row;
    return [svg("rect", { class: "s-cell", "fill-opacity": Math.max(0.04, Math.min(1, part)), x: x + 0.5, y: y + 0.5, width: cell - 1, height: cell - 1 },
      svg("title", null, `${task.classes[row]} as ${task.classes[column]}: ${+n.toFixed(2)} (${share(part)} %)`)),
    large ? null : svg("text", { class: part > 0.55 ? "on" : "strong", x: x + cell / 2, y: y + cell / 2 + 4, "text-anchor": "middle" }, +n.toPrecision(3))];
  });
  const named = (name, place) => [
    svg("text", { x: left - 6, y: top + cell * (place + 0.5) + font / 3, "text-anchor": "end" }, short(name), svg("title", null, name)),
    svg("text", { transform: `translate(${left + cell * (place + 0.5) + font / 3} ${top - 6}) rotate(-90)` }, short(name), svg("title", null, name))];
  return el("figure", { class: "picture drawn", tabindex: large ? "0" : null },
    svg("svg", { class: large ? "matrix small" : "matrix", viewBox: `0 0 ${wide} ${top + cell * size + 8}`, width: wide, role: "img", "aria-label": `Confusion matrix of ${model} for ${task.name}; the same numbers are in confusion/${task.name}/${model}.csv` },
      svg("rect", { class: "wash", x: left, y: top, width: cell * size, height: cell * size }), cells, task.classes.map(named),
      svg("text", { transform: `translate(12 ${top + (cell * size) / 2}) rotate(-90)`, "text-anchor": "middle" }, "true"), svg("text", { x: left + (cell * size) / 2, y: 12, "text-anchor": "middle" }, "predicted")),
    el("figcaption", null, "Colour: share of the true class." + (large ? " Scroll to see all of it." : " Numbers: videos" + (task.repeats > 1 ? ", mean over repeats." : "."))));
}

function detail(task, model, place) {
  const large = task.classes.length > 20, where = `reliability/${task.name}/${model}.svg`;
  place.replaceChildren(
    el("div", { class: large ? null : "pair" }, confusion(task, model, large),
      picture(task.reliability[model], `Reliability curve of ${model} for ${task.name}, also in ${where}`,
        "Reliability: on the dashed line, predictions of 80 % come true in 80 of 100 cases. ECE: mean distance from it.")),
    el("div", { class: "after" }, task.multi ? el("p", { class: "soft small" }, `Decisions: ${task.decided[model]}.`) : null, selected(task, model), perClass(task, model), perFold(task, model)));
}

function curves(task) {
  if (!task.curves.length) return null;
  return [el("h3", null, "Learning curves"),
    el("p", { class: "soft small" }, "Models fitted again on shares of the groups of each training fold, tested on the whole test folds. A curve that still rises at its end says that more videos would help."),
    el("div", { class: "pair" }, task.curves.map((one) => picture(one.picture, `Learning curve of ${one.model}: ` + one.points.map((point) => `${share(point[one.primary].value)} % with ${Math.round(point.n_train)} videos`).join(", "),
      `${one.model}; numbers in curves/${task.name}/${one.model}.json`)))];
}

// Labels that are probably wrong, with the videos' pictures.
function hints(task) {
  const told = task.hints;
  if (!told) return null;
  if (!told.count) return [el("h3", null, "Labels in doubt"), el("p", { class: "soft" }, "No label is doubted by most of the models.")];
  const thumb = (video) => { const sheet = video && video.sheet && safePicture(video.sheet); return sheet ? el("img", { class: "thumb", src: sheet, alt: "", loading: "lazy" }) : el("span", { class: "thumb" }); };
  const columns = [
    { head: "video", heading: true, cell: (row) => { const video = INDEX.get(row.video); return el("div", { class: "doubted" }, thumb(video), video ? el("a", { href: "#videos", onclick: () => openVideo(row.video) }, video.title) : row.video); } },
    { head: "label", cell: (row) => row.given }, { head: "perhaps", cell: (row) => el("b", null, row.suggested) },
    { head: "quality of the label", number: true, title: "0 is the strongest doubt; at .5 the label is as probable as the likeliest other one (mean over models)", cell: (row) => number(Number(row.score), 2) },
    { head: "models in doubt", number: true, title: "of those that have the video's input", cell: (row) => row.agree },
  ];
  return [el("h3", null, "Labels in doubt"),
    el("p", null, `${plural(told.count, "label")} that most models doubt, from predictions by models that had not seen the video (confident learning). These are hints, not corrections: a hard or unusual video looks the same. ` +
      `Nothing was changed by them; look at the video before you change the table.`),
    table(`Labels of ${task.name} in doubt, the strongest doubt first` + (told.count > told.rows.length ? `: the first ${told.rows.length} of ${count(told.count)}; all are in hints/${task.name}.csv` : `, also in hints/${task.name}.csv`), columns, told.rows)];
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
    zeroShot(task), comparisonTable(task), legend(task), howToRead(task), scorePicture(task), moreNumbers(task), availability(task),
    el("h3", null, "One model in detail"),
    el("div", { class: "controls" }, chooser("Model", byScore(task).map((row) => [row.model, `${row.model} (${share(row[task.primary])} %)`]), best, (model) => detail(task, model, place))), place,
    curves(task), hints(task),
    task.balance.length ? el("details", null, el("summary", null, "Label distribution in training folds"), el("div", { class: "pair" },
      task.balance.map((one) => picture(one.picture, `Label distribution before and after balancing (${one.balance})`, `balance: ${one.balance}, of ${one.models[0]}` + (one.models.length > 1 ? `; ${plural(one.models.length - 1, "other model")} do the same to the videos that have their input` : ""))))) : null);
}
