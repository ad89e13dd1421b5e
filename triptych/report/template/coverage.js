// What happened to the videos on the way: problems first, then every stage with its reasons.
const STATES = ["ok", "absent", "failed", "refused"];

function problems(section) {
  if (!DATA.problem_count) {
    section.append(el("p", null, "No video failed and none was refused." + (DATA.warned ? ` ${plural(DATA.warned, "video")} can be used with a warning.` : "")));
    return;
  }
  const columns = [
    { head: "video", heading: true, cell: (row) => (INDEX.has(row[0]) ? el("a", { href: "#videos", onclick: () => openVideo(row[0]) }, row[0]) : row[0]) },
    { head: "stage", cell: (row) => row[1] },
    { head: "", cell: (row) => el("span", { class: `state ${row[2]}` }, row[2]) },
    { head: "reason", cell: (row) => el("code", null, row[3]) },
    { head: "what is wrong", class: "message", cell: (row) => row[4] },
  ];
  section.append(el("p", null, `${plural(DATA.problem_count, "video")} failed or ${DATA.problem_count === 1 ? "was" : "were"} refused; each is named at the stage where it went wrong first. ` +
    (DATA.warned ? `${plural(DATA.warned, "video")} can be used with a warning. ` : "") + "All is in status.tsv."),
  table(DATA.problem_count > DATA.problems.length ? `The first ${DATA.problems.length} of ${count(DATA.problem_count)}` : "Failed and refused videos", columns, DATA.problems));
}

function stageBar(stage) {
  const total = stage.counts.reduce((sum, value) => sum + value, 0);
  const told = STATES.map((state, index) => (stage.counts[index] ? `${count(stage.counts[index])} ${state}` : null)).filter(Boolean).join(", ");
  let left = 0;
  const parts = STATES.map((state, index) => {
    const width = total ? (100 * stage.counts[index]) / total : 0, x = left;
    left += width;
    return width ? svg("rect", { class: `f-${state}`, x, y: 0, width, height: 10 }, svg("title", null, `${stage.counts[index]} ${state}`)) : null;
  });
  const why = stage.reasons.map(([state, reason, n]) => `${count(n)} ${state}: ${reason.replaceAll("_", " ")}`).join(" · ");
  return [el("div", null, stage.stage),
    svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": `${stage.stage}: ${told}` }, parts),
    el("p", { class: "why" }, `${count(stage.counts[0])} of ${count(total)} ok`, why ? ` · ${why}` : "")];
}

function coverage(section) {
  section.append(el("p", null, `Each of the ${plural(DATA.corpus.rows, "row")} of the table ends ok, absent (there is no such thing, as in a video without sound), failed or refused at every stage.`),
    el("ul", { class: "legend" }, STATES.map((state) => el("li", null, el("span", { class: `swatch f-${state}` }), state))),
    el("div", { class: "bars" }, DATA.coverage.map(stageBar)));
}
