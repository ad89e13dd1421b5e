// The videos: filters, sorting, pages; contact sheet, transcript and predictions of a video when it is opened.
const PAGE = 25;
const INDEX = new Map(DATA.videos.map((video) => [video.slug, video]));
const view = { text: "", task: DATA.tasks.length ? DATA.tasks[0].name : "", model: "", state: "all", label: "", order: "table", page: 0, open: new Set() };
const taskOf = () => DATA.tasks.find((task) => task.name === view.task);
const HAYSTACK = new Map();

function haystack(video) {
  if (!HAYSTACK.has(video.slug)) {
    const words = [video.slug, video.id, video.title, video.source, ...(video.text ? video.text.segments.map((segment) => segment[1]) : []), ...video.status.flat(), ...video.notes.flatMap((note) => note[2].map((line) => line[0]))];
    HAYSTACK.set(video.slug, words.join("\n").toLowerCase());
  }
  return HAYSTACK.get(video.slug);
}
function predictionOf(video) {
  const task = taskOf(), one = task && video.tasks[task.name];
  return one ? one.models[Math.max(0, task.models.indexOf(view.model))] : null;
}
const truthOf = (video) => (taskOf() && video.tasks[view.task] ? video.tasks[view.task].truth : null);
const FILTERS = {
  all: () => true,
  right: (video) => { const one = predictionOf(video); return one && one[2] === 1; },
  wrong: (video) => { const one = predictionOf(video); return one && one[2] !== null && one[2] < 1; },
  unlabelled: (video) => taskOf() && !truthOf(video),
  uncovered: (video) => { const one = predictionOf(video); return one && !one[3]; },
  problem: (video) => video.status.some((line) => line[1] === "failed" || line[1] === "refused"),
  warning: (video) => video.status.some((line) => line[4]),
};
function chosen() {
  const words = view.text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = DATA.videos.filter((video) => FILTERS[view.state](video)
    && (view.label === "" || (truthOf(video) || []).includes(Number(view.label)))
    && words.every((word) => haystack(video).includes(word)));
  const sure = (video) => { const one = predictionOf(video); return one ? one[1] : -1; };
  if (view.order === "sure") found.sort((a, b) => sure(b) - sure(a));
  if (view.order === "unsure") found.sort((a, b) => sure(a) - sure(b));
  if (view.order === "title") found.sort((a, b) => a.title.localeCompare(b.title));
  return found;
}
const namesOf = (task, indices) => indices.map((index) => task.classes[index]).join(", ") || "none";

const isBaseline = (task, model) => task.rows.some((row) => row.model === model && row.kind === "baseline");

function verdict(task, model, one) {
  const right = one[2] === null ? null : one[2] === 1;
  const mark = right === null ? "" : right ? "✓ " : one[2] > 0 ? "◐ " : "✗ ";
  return el("span", { class: `verdict ${right === null ? "" : right ? "right" : "wrong"}`, title: `${model}: ${namesOf(task, one[0])}` },
    mark + model, el("span", { class: "sr" }, right === null ? "" : right ? " right" : " wrong"));
}

function inside(video) {
  const parts = [], sheet = video.sheet && safePicture(video.sheet);
  if (video.status.length) parts.push(table("What happened on the way", [
    { head: "stage", heading: true, cell: (line) => line[0] },
    { head: "", cell: (line) => (line[1] === "ok" ? "ok, with a warning" : el("span", { class: `state ${line[1]}` }, line[1])) },
    { head: "reason", cell: (line) => line[2] || "–" },
    { head: "message", class: "message", cell: (line) => [line[3], line[4]].filter(Boolean).join(" · ") || "–" }], video.status));
  if (sheet) parts.push(el("img", { src: sheet, alt: `Keyframes of ${video.title}, in time order`, loading: "lazy" }));
  const boxes = video.boxes && safePicture(video.boxes);
  if (boxes) parts.push(el("img", { src: boxes, alt: `Frames of ${video.title} with boxes around objects`, loading: "lazy" }));
  for (const [encoder, heading, lines] of video.notes) parts.push(el("p", { class: "small noted" }, el("b", null, heading), el("span", { class: "soft" }, ` (${encoder}): `),
    lines.map(([text, value]) => (absentNumber(value) ? text : `${text} ${value.toFixed(2).replace(/^0\./, ".")}`)).join(" · ")));
  const audio = video.audio && safePicture(video.audio);
  if (audio) parts.push(el("p", null, el("audio", { controls: true, preload: "none", src: audio, "aria-label": `Sound of ${video.title}` })));
  for (const task of DATA.tasks) {
    const one = video.tasks[task.name];
    if (!one) continue;
    const columns = [
      { head: "model", heading: true, cell: ([model]) => model },
      { head: "predicted", cell: ([, p]) => el("span", { class: p[2] === null ? null : p[2] === 1 ? "right-text" : "wrong-text" }, (p[2] === null ? "" : p[2] === 1 ? "✓ " : "✗ ") + namesOf(task, p[0])) },
      { head: "most probable", class: "message", cell: ([, p]) => p[4].map(([index, value]) => `${task.classes[index]} ${(100 * value).toFixed(0)} %`).join(" · ") },
      { head: "rests on", cell: ([model, p]) => (isBaseline(task, model) ? "class shares alone" : p[3] ? "its input" : "class shares: the video lacks the input") }];
    const truth = one.truth ? `true: ${namesOf(task, one.truth)}` : "unlabelled: predicted by models fitted on all labelled videos";
    parts.push(el("h4", null, `${task.name} – ${truth}`, one.group ? el("span", { class: "soft small" }, ` · group ${one.group}`) : "", absentNumber(one.fold) ? "" : el("span", { class: "soft small" }, ` · tested in fold ${one.fold}`)),
      table(`Predictions for ${task.name}`, columns, task.models.map((model, index) => [model, one.models[index]]).filter(([, p]) => p)));
  }
  if (video.text) parts.push(el("h4", null, "Transcript ", el("span", { class: "soft small" }, [video.text.source, video.text.language].filter(Boolean).join(", "))),
    el("div", { class: "said-text", tabindex: "0", role: "region", "aria-label": "Transcript" }, video.text.segments.map(([start, text]) => el("p", null, el("time", null, clock(start)), text)), video.text.cut && el("p", { class: "soft" }, "… the rest is in transcripts/text/")));
  const link = video.link && safeLink(video.link);
  parts.push(el("p", { class: "soft small" }, "id ", el("code", null, video.id), video.slug !== video.id && [" · file name ", el("code", null, video.slug)],
    video.source && [" · source ", link ? el("a", { href: link, rel: "noopener noreferrer nofollow", target: "_blank" }, video.source) : el("code", null, video.source)]));
  return parts;
}

// Of many models one line tells how many are right, unless one is chosen.
const MARKED = 8;
function tally(task, one) {
  const asked = one.models.filter((model, index) => model && !isBaseline(task, task.models[index]));
  if (view.model !== "" || asked.length <= MARKED || !one.truth) return null;
  const right = asked.filter((model) => model[2] === 1).length;
  return el("span", { class: `verdict ${right === asked.length ? "right" : right ? "" : "wrong"}` }, `${count(right)} of ${count(asked.length)} models right`);
}

function card(video) {
  const task = taskOf(), one = task && video.tasks[task.name], sheet = video.sheet && safePicture(video.sheet);
  const body = el("div", { class: "inside", id: `inside-${video.slug}`, hidden: true });
  const bad = video.status.find((line) => line[1] === "failed" || line[1] === "refused");
  const toggle = () => {
    const open = body.hidden;
    if (open && !body.childNodes.length) body.append(...inside(video));
    body.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open) view.open.add(video.slug); else view.open.delete(video.slug);
  };
  const button = el("button", { type: "button", "aria-expanded": "false", "aria-controls": `inside-${video.slug}`, onclick: toggle },
    sheet ? el("img", { class: "thumb", src: sheet, alt: "", loading: "lazy" }) : el("span", { class: "thumb" }),
    el("span", { class: "name" }, video.title, el("small", null, bad ? [el("span", { class: `state ${bad[1]}` }, bad[1]), ` ${bad[0]}: ${(bad[2] || "").replaceAll("_", " ")}`]
      : one ? (one.truth ? namesOf(task, one.truth) : "unlabelled") : "no prediction")),
    el("span", { class: "marks" }, one ? tally(task, one) || task.models.map((model, index) => one.models[index] && (view.model === model || (view.model === "" && !isBaseline(task, model))) && verdict(task, model, one.models[index])) : null));
  const article = el("article", { class: "video", id: `video-${video.slug}` }, el("h3", null, button), body);
  if (view.open.has(video.slug)) toggle();
  return article;
}

let list, status;
function showVideos() {
  const found = chosen(), pages = Math.max(1, Math.ceil(found.length / PAGE));
  view.page = Math.min(view.page, pages - 1);
  const turn = (step) => () => { view.page += step; showVideos(); byId("videos").scrollIntoView(); };
  status.textContent = `${plural(found.length, "video")}${found.length === DATA.corpus.rows ? "" : ` of ${count(DATA.corpus.rows)}`}`;
  list.replaceChildren(...found.slice(view.page * PAGE, (view.page + 1) * PAGE).map(card),
    found.length ? "" : el("p", { class: "empty" }, "No video fits these filters."),
    pages < 2 ? "" : el("div", { class: "pages" }, el("button", { type: "button", disabled: !view.page, onclick: turn(-1) }, "Previous"),
      `page ${view.page + 1} of ${pages}`, el("button", { type: "button", disabled: view.page + 1 >= pages, onclick: turn(1) }, "Next")));
}
function openVideo(slug) {
  Object.assign(view, { text: "", state: "all", label: "", order: "table" });
  videoControls();
  view.page = Math.floor(DATA.videos.findIndex((video) => video.slug === slug) / PAGE);
  view.open.add(slug);
  showVideos();
  setTimeout(() => { const found = byId(`video-${slug}`); found.scrollIntoView(); found.querySelector("button").focus(); });
}

let controls;
function videoControls() {
  const task = taskOf(), again = (name) => (value) => { view[name] = value; view.page = 0; showVideos(); };
  const search = el("input", { type: "search", value: view.text, placeholder: "title, id, transcript", oninput: () => again("text")(search.value) });
  const model = view.model || "the first model";
  controls.replaceChildren(el("label", null, "Search", search),
    DATA.tasks.length > 1 ? chooser("Task", DATA.tasks.map((one) => [one.name, one.name]), view.task, (value) => { Object.assign(view, { task: value, model: "", label: "", page: 0 }); videoControls(); showVideos(); }) : "",
    task ? chooser("Model", [["", "all models"], ...task.models.map((name) => [name, name])], view.model, (value) => {
      Object.assign(view, { model: value, page: 0 });
      if (!value && ["right", "wrong", "uncovered"].includes(view.state)) view.state = "all";
      if (!value && ["sure", "unsure"].includes(view.order)) view.order = "table";
      videoControls(); showVideos();
    }) : "",
    chooser("Show", [["all", "all videos"], ...(view.model ? [["wrong", `${model} is wrong`], ["right", `${model} is right`], ["uncovered", `lacks the input of ${model}`]] : []),
      ["unlabelled", "unlabelled"], ["problem", "failed or refused"], ["warning", "with warnings"]], view.state, again("state")),
    task ? chooser("True class", [["", "any"], ...task.classes.map((name, index) => [String(index), name])], view.label, again("label")) : "",
    chooser("Order", [["table", "as in the table"], ["title", "by title"], ...(view.model ? [["unsure", `${model} least sure first`], ["sure", `${model} most sure first`]] : [])], view.order, again("order")));
}
function videos(section) {
  controls = el("div", { class: "controls" });
  status = el("p", { class: "soft", role: "status" });
  list = el("div");
  section.append(controls, status, list);
  if (DATA.videos.length < DATA.corpus.rows) section.append(el("p", { class: "soft" }, `The first ${count(DATA.videos.length)} of ${count(DATA.corpus.rows)} videos are listed here; all are in status.tsv and predictions/.`));
  videoControls();
  showVideos();
}
