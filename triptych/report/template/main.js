// The page from its data.
function summary(section) {
  const corpus = DATA.corpus, hours = corpus.seconds / 3600;
  const length = hours >= 1 ? `${hours.toFixed(1)} h` : `${(corpus.seconds / 60).toFixed(1)} min`;
  const tile = (term, value, ...more) => el("div", { class: "tile" }, el("dt", null, term), el("dd", null, value), more.map((one) => el("dd", null, one)));
  const kinds = Object.entries(corpus.kinds).map(([kind, n]) => `${count(n)} ${kind}`).join(", ");
  section.append(el("dl", { class: "tiles" },
    tile("rows of the table", count(corpus.rows), kinds),
    tile("playing time", length, [corpus.files && plural(corpus.files, "local file"), corpus.urls && plural(corpus.urls, "download"), corpus.without_source && `${count(corpus.without_source)} without media`].filter(Boolean).join(", ")),
    tile("problems", count(DATA.problem_count), DATA.problem_count ? "failed or refused" : "none failed, none refused"),
    DATA.tasks.flatMap((task) => {
      const best = bestRow(task), single = task.rows.find((row) => row.model === row.vs), metric = task.primary;
      const score = (row) => [`${METRICS[metric]}${between(row[`${metric}_low`], row[`${metric}_high`])}`];
      const tiles = [tile(`${task.name}: best model`, `${share(best[metric])} %`, el("b", null, best.model), score(best))];
      if (single && single !== best) tiles.push(tile(`${task.name}: best single modality`, `${share(single[metric])} %`, el("b", null, single.model), score(single)));
      return tiles;
    })));
}

function about(section) {
  section.append(el("p", null, `Study `, el("code", null, DATA.study), `, table `, el("code", null, DATA.corpus.path), `, configuration `, el("code", { title: DATA.config }, DATA.config.slice(0, 12)),
    ". The merged configuration is in config.yaml beside the results."));
  if (DATA.features.length) section.append(table("Features", [
    { head: "feature", heading: true, cell: (row) => row.name }, { head: "from", cell: (row) => el("code", null, row.from) }, { head: "pooling", cell: (row) => row.pool },
    { head: "numbers a video", number: true, cell: (row) => count(row.width) }, { head: "videos that have it", number: true, cell: (row) => `${count(row.videos)} of ${count(row.rows)}` }], DATA.features));
  if (DATA.encoders.length) section.append(el("h3", null, "Encoders"), table("Encoders", [
    { head: "encoder", heading: true, cell: (row) => row.name }, { head: "uses", cell: (row) => row.use }, { head: "reads", cell: (row) => row.modality || "–" },
    { head: "model", cell: (row) => row.model || "–" },
    { head: "revision", cell: (row) => (row.revision || "–").slice(0, 20) }, { head: "licence", cell: (row) => row.licence || "–" }], DATA.encoders));
  if (DATA.runs.length > 1) section.append(el("h3", null, "Earlier runs"), table("Best model of each run, newest first", [
    { head: "run", heading: true, cell: (row) => row.number }, { head: "configuration", cell: (row) => el("code", null, row.config) },
    { head: "best", cell: (row) => row.best.map((one) => `${one.task}: ${one.model} ${share(one.value)} % (n = ${count(one.n)})`).join(" · ") }], DATA.runs));
  section.append(el("details", null, el("summary", null, "Settings and versions"), table("Study file", [
    { head: "key", heading: true, cell: (row) => row[0] }, { head: "value", cell: (row) => el("code", null, row[1]) }], DATA.settings),
  el("h3", null, "Versions"), table("Software", [{ head: "package", heading: true, cell: (row) => row[0] }, { head: "version", cell: (row) => row[1] }], DATA.software)));
}

byId("lead").textContent = `${plural(DATA.corpus.rows, "row")} of ${DATA.corpus.path} · study ${DATA.study} · configuration ${DATA.config.slice(0, 12)}`;
if (DATA.note) byId("banners").append(el("p", { class: "banner", role: "note" }, DATA.note));
const bare = DATA.tasks.filter((task) => !task.grouped).map((task) => task.name);
if (bare.length) byId("banners").append(el("p", { class: "banner", role: "note" }, `Not grouped (group: none): ${bare.join(", ")}. Scores may be too high.`));
summary(byId("summary"));
problems(byId("problems"));
byId("tasks").append(...DATA.tasks.map(taskSection), ...DATA.relabels.map(relabelSection));
coverage(byId("coverage"));
videos(byId("videos"));
about(byId("about"));
const others = [...document.querySelectorAll("#others > section[id]")].map((one) => [one.id, (one.querySelector("h2") || one).textContent]);
byId("nav").append(...[["summary", "At a glance"], ["problems", ["Problems ", DATA.problem_count ? el("b", null, count(DATA.problem_count)) : ""]],
  ...DATA.tasks.map((task) => [`task-${task.name}`, `Results: ${task.name}`]), ...DATA.relabels.map((made) => [`relabel-${made.name}`, `Zero-shot: ${made.name}`]), ...others, ["coverage", "Coverage"], ["videos", "Videos"], ["about", "What was run"]]
  .map(([id, text]) => el("a", { href: `#${id}` }, text)));
