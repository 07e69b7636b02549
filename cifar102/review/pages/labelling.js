// The labelling page: one keyword's candidates beside CIFAR-10's own images, judged by keyboard or mouse.

const MARKS = { yes: "✓", no: "✕", unsure: "?", exact: "e", near: "n", similar: "s", different: "d" };
const VERDICT_OF_KEY = { y: "yes", n: "no", "?": "unsure" };
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function instruction(className) {
  const article = /^[aeiou]/.test(className) ? "an" : "a";
  const line = (...parts) => make("li", {}, ...parts);
  return make(
    "ol",
    { class: "instruction" },
    line("Ask of each image: would a person who sees it, and nothing else, come to call its main subject ", make("b", {}, `${article} ${className}`), "?"),
    line(make("b", {}, "Yes"), ` if a ${className} is the subject: photograph, drawing, toy or part of it alike, as long as it is recognised.`),
    line(make("b", {}, "No"), ` if it shows something else, several classes at once, or a ${className} only at the edge; and where you would call it by another of the ten classes.`),
    line(make("b", {}, "Unsure"), " if you cannot tell. Do not guess: an unsure image is not taken."),
    line("Look at CIFAR-10's own images of the keyword for how wide the class is. Images may repeat; judge each as if it were the only one."),
    line("Do not talk with the other rater about images before both of you are done.")
  );
}

class Labelling extends Judging {
  constructor(desk) {
    super(desk, "labelling");
    this.keywords = [];
    this.cells = [];
    this.open = null;
    this.brush = "";
    this.build();
  }

  build() {
    this.classChoice = make("select", { "aria-label": "Class", onchange: () => this.listKeywords() });
    this.classChoice.append(make("option", { value: "" }, "all classes"), ...this.desk.classes.map((name) => make("option", { value: name }, name)));
    this.search = make("input", { type: "search", placeholder: "find a keyword", "aria-label": "Find a keyword", oninput: () => this.listKeywords() });
    this.list = make("div", { class: "keywords", role: "list", "aria-label": "Keywords, those that still need most first" });
    this.overall = make("div", { class: "overall" });
    this.question = make("h2", {}, "Choose a keyword");
    this.help = make("details", { open: localStorage.getItem("cifar102.instruction") !== "closed" }, make("summary", {}, "Instruction"));
    this.help.addEventListener("toggle", () => localStorage.setItem("cifar102.instruction", this.help.open ? "open" : "closed"));
    this.ownTitle = make("h3", {});
    this.own = make("div", { class: "own sheet", tabindex: 0, "aria-label": "CIFAR-10's own images" });
    this.grid = make("div", { class: "grid sheet", role: "listbox", "aria-label": "Candidates" });
    this.grid.addEventListener("click", (event) => this.clicked(event));
    this.grid.addEventListener("dblclick", () => this.zoom(true));
    this.partChoice = make("select", { "aria-label": "Part of the candidates", onchange: () => this.show(this.open.className, this.open.keyword, Number(this.partChoice.value)) });
    this.progress = make("div", { class: "progress", "aria-live": "off" });
    this.zoomed = make("div", { class: "zoom", hidden: true, role: "dialog", "aria-label": "Enlarged image" });
    this.element = make(
      "div",
      { class: "labelling" },
      make("aside", {}, make("div", { class: "choices" }, this.classChoice, this.search), this.list, this.overall),
      make("main", {}, make("div", { class: "question" }, this.question, this.help), this.ownTitle, this.own, this.toolbar(), this.grid, this.progress),
      this.zoomed
    );
  }

  toolbar() {
    const button = (text, key, act) => make("button", { type: "button", onclick: () => (act(), this.focusCell()) }, text, make("kbd", {}, key));
    const brush = make("select", { "aria-label": "What a click on an image does", onchange: () => (this.brush = brush.value) });
    brush.append(...[["", "selects it"], ["yes", "says yes"], ["no", "says no"], ["unsure", "says unsure"]].map(([value, text]) => make("option", { value }, text)));
    const size = make("select", { "aria-label": "Size of the images", onchange: () => this.resize(size.value) });
    const kept = localStorage.getItem("cifar102.size") || "96";
    size.append(...["64", "96", "128", "160"].map((value) => make("option", { value, selected: value === kept }, `${value / 32} x`)));
    this.resize(kept);
    return make(
      "div",
      { class: "toolbar", role: "toolbar", "aria-label": "Verdicts" },
      button("Yes ", "y", () => this.judge("yes")),
      button("No ", "n", () => this.judge("no")),
      button("Unsure ", "?", () => this.judge("unsure")),
      button("Undo ", "u", () => this.undo()),
      button("Yes to the rest on screen ", "shift+y", () => this.acceptRest()),
      button("Zoom ", "z", () => this.zoom()),
      make("label", {}, "A click ", brush),
      make("label", {}, "Size ", size),
      this.partChoice
    );
  }

  resize(value) {
    localStorage.setItem("cifar102.size", value);
    this.grid.style.setProperty("--size", `${value}px`);
  }

  async start() {
    await this.reload();
    const place = this.desk.place("labelling");
    const wished = this.keywords.find((row) => row.className === place.className && row.keyword === place.keyword);
    const row = wished || this.sorted()[0];
    if (row) await this.show(row.className, row.keyword, wished ? place.part || 0 : 0);
  }

  async reload() {
    const reply = await this.desk.ask("labelling.keywords", { rater: this.desk.rater });
    this.keywords = reply.keywords.map(([className, keyword, candidates, judged, yes, quota]) => ({ className, keyword, candidates, judged, yes, quota }));
    this.listKeywords();
  }

  // What still needs most comes first; then what has enough, then what is judged to the end.
  sorted() {
    const rank = (row) => (row.judged >= row.candidates ? 2 : needed(row) ? 0 : 1);
    const order = (a, b) => rank(a) - rank(b) || needed(b) - needed(a) || (a.keyword < b.keyword ? -1 : a.keyword > b.keyword ? 1 : 0);
    return [...this.keywords].sort(order);
  }

  listKeywords() {
    const word = this.search.value.trim().toLowerCase();
    const fits = (row) => (!this.classChoice.value || row.className === this.classChoice.value) && row.keyword.includes(word);
    this.list.replaceChildren(...this.sorted().filter(fits).map((row) => this.keywordEntry(row)));
    this.tellProgress();
  }

  keywordEntry(row) {
    const isOpen = this.open && row.keyword === this.open.keyword && row.className === this.open.className;
    row.text = make("span", { class: "numbers" });
    row.bar = make("progress", { max: row.candidates, "aria-hidden": "true" });
    this.tellKeyword(row);
    const act = () => this.show(row.className, row.keyword).then(() => this.focusCell());
    const button = make("button", { type: "button", "aria-current": isOpen ? "true" : null, onclick: act }, make("span", { class: "name" }, row.keyword), make("span", { class: "of" }, row.className), row.text, row.bar);
    return make("div", { role: "listitem" }, button);
  }

  tellKeyword(row) {
    if (!row.text) return;
    const need = needed(row);
    const state = row.judged >= row.candidates ? "all judged" : need ? `needs ${count(need)} more yes` : row.quota ? "enough yes" : "no quota";
    row.text.textContent = `${state} · ${count(row.judged)} of ${count(row.candidates)}`;
    row.bar.value = row.judged;
  }

  async show(className, keyword, part = 0) {
    this.grid.removeAttribute("data-ready");
    const data = { rater: this.desk.rater, class_name: className, keyword, part };
    const reply = await this.desk.ask("labelling.sheet", data, 60000);
    this.sheets?.forEach((sheet) => sheet.forget());
    this.open = { className, keyword, part };
    this.desk.keepPlace("labelling", this.open);
    this.steps = [];
    this.items = reply.items.map(([index, verdict, time]) => ({ index, verdict, time, saved: true }));
    this.takePending();
    this.sheets = reply.pictures.map((buffer, place) => new Sheet(buffer, reply.columns, place ? reply.own_shown : this.items.length));
    this.ask(className, keyword, reply);
    this.cells = this.items.map((item, place) => this.cell(item, place));
    this.grid.replaceChildren(...this.cells);
    this.own.replaceChildren(...Array.from({ length: reply.own_shown }, (_, place) => this.sheets[1].tile(place)));
    const unjudged = this.items.findIndex((item) => !item.verdict);
    this.move(unjudged < 0 ? 0 : unjudged, false);
    this.listKeywords();
    await Promise.all([this.sheets[0].lay(this.grid), this.sheets[1].lay(this.own)]);
    this.grid.dataset.ready = `${className}/${keyword}`;
  }

  ask(className, keyword, reply) {
    const article = /^[aeiou]/.test(className) ? "an" : "a";
    this.question.textContent = `Is it ${article} ${className}? Found under “${keyword}”`;
    this.help.replaceChildren(this.help.firstChild, instruction(className));
    const shown = reply.own_shown < reply.own_images ? `, ${count(reply.own_shown)} of them here` : "";
    this.ownTitle.textContent = reply.own_images ? `CIFAR-10's own images of “${keyword}” (${count(reply.own_images)}${shown})` : `CIFAR-10 has no image of “${keyword}”`;
    this.partChoice.hidden = reply.parts < 2;
    this.partChoice.replaceChildren(...Array.from({ length: reply.parts }, (_, part) => make("option", { value: part, selected: part === reply.part }, `part ${part + 1} of ${reply.parts}`)));
  }

  cell(item, place) {
    const mark = make("span", { class: "mark", "aria-hidden": "true" });
    const cell = this.sheets[0].tile(place, { role: "option", tabindex: -1, id: `candidate-${item.index}` }, mark);
    cell.place = place;
    this.paint(item, cell);
    return cell;
  }

  paint(item, cell) {
    cell.dataset.verdict = item.verdict || "";
    cell.dataset.saved = item.saved;
    cell.firstChild.textContent = item.verdict ? MARKS[item.verdict] + (item.saved ? "" : " …") : item.saved ? "" : "…";
    cell.setAttribute("aria-label", `image ${cell.place + 1} of ${this.items.length}: ${saidOf(item)}`);
  }

  move(place, focus = true) {
    if (!this.cells.length) return;
    this.cells[this.cursor]?.setAttribute("tabindex", -1);
    this.cells[this.cursor]?.removeAttribute("aria-selected");
    this.cursor = Math.max(0, Math.min(place, this.cells.length - 1));
    const cell = this.cells[this.cursor];
    cell.setAttribute("tabindex", 0);
    cell.setAttribute("aria-selected", "true");
    if (!this.zoomed.hidden) this.drawZoom();
    else if (focus) cell.focus({ preventScroll: true });
    cell.scrollIntoView({ block: "nearest" });
  }

  focusCell() {
    this.move(this.cursor);
  }

  columns() {
    const top = this.cells[0].offsetTop;
    const next = this.cells.findIndex((cell) => cell.offsetTop !== top);
    return next < 0 ? this.cells.length : next;
  }

  clicked(event) {
    const cell = event.target.closest(".tile");
    if (!cell) return;
    this.move(cell.place);
    if (this.brush) this.give([cell.place], this.brush);
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.open) return false;
    const [right, down] = MOVES[event.key] || [0, 0];
    if (right || down) this.move(this.cursor + right + down * this.columns());
    else if (event.key === "Home") this.move(0);
    else if (event.key === "End") this.move(this.cells.length - 1);
    else if (event.key === "Y" && event.shiftKey) this.acceptRest();
    else if (VERDICT_OF_KEY[event.key]) this.judge(VERDICT_OF_KEY[event.key]);
    else if (event.key === "u") this.undo();
    else if (event.key === "z") this.zoom();
    else if (event.key === "Escape" && !this.zoomed.hidden) this.zoom(false);
    else return false;
    return true;
  }

  judge(verdict) {
    if (!this.cells.length) return;
    this.give([this.cursor], verdict);
    const next = this.nextOpen(this.cursor);
    if (next >= 0) this.move(next);
    else this.desk.say(this.items.every((item) => item.verdict) ? "Every image of this sheet is judged." : "No image is left after this one; some before it are.");
  }

  acceptRest() {
    const view = this.grid.getBoundingClientRect();
    const isSeen = (cell) => {
      const box = cell.getBoundingClientRect();
      return box.top >= view.top - 1 && box.bottom <= view.bottom + 1;
    };
    const rest = this.cells.filter((cell) => !this.items[cell.place].verdict && isSeen(cell)).map((cell) => cell.place);
    this.give(rest, "yes");
    this.desk.say(`Yes to ${count(rest.length)} images; u takes them all back.`);
    const next = this.items.findIndex((item) => !item.verdict);
    if (next < 0) return;
    this.move(next);
    this.cells[next].scrollIntoView({ block: "start" });
  }

  row(item) {
    return { tiny_index: item.index, keyword: this.open.keyword, class: this.open.className };
  }

  key(row) {
    return `${row.tiny_index}/${row.class}`;
  }

  changed(place, before) {
    const item = this.items[place];
    if (before !== item.verdict) this.countChange(before, item.verdict);
    this.paint(item, this.cells[place]);
    if (!this.zoomed.hidden && place === this.cursor) this.drawZoom();
  }

  countChange(before, after) {
    const row = this.keywords.find((entry) => entry.keyword === this.open.keyword && entry.className === this.open.className);
    row.judged += (after ? 1 : 0) - (before ? 1 : 0);
    row.yes += (after === "yes" ? 1 : 0) - (before === "yes" ? 1 : 0);
    this.tellKeyword(row);
    this.tellProgress();
  }

  // Another tab may have judged in the meantime.
  async refresh() {
    if (!this.open) return;
    const { className, keyword } = this.open;
    const reply = await this.desk.ask("labelling.verdicts", { rater: this.desk.rater, class_name: className, keyword });
    if (this.open.keyword !== keyword || this.open.className !== className) return;
    const said = new Map(reply.items.map(([index, verdict, time]) => [index, { verdict, time }]));
    this.items.forEach((item, place) => {
      const now = said.get(item.index);
      if (!now || !item.saved || (item.time && Date.parse(now.time) <= Date.parse(item.time))) return;
      Object.assign(item, now);
      this.paint(item, this.cells[place]);
    });
    await this.reload();
  }

  tellProgress() {
    const part = (rows) => rows.reduce((sum, row) => ({ judged: sum.judged + row.judged, candidates: sum.candidates + row.candidates, yes: sum.yes + Math.min(row.yes, row.quota), quota: sum.quota + row.quota }), { judged: 0, candidates: 0, yes: 0, quota: 0 });
    const line = (name, sum) => make("div", { class: "line" }, make("b", {}, name), make("progress", { max: Math.max(1, sum.quota), value: sum.yes, "aria-label": `${name}: yes of quota` }), ` ${count(sum.yes)} yes of ${count(sum.quota)} wanted · ${count(sum.judged)} of ${count(sum.candidates)} judged`);
    this.overall.replaceChildren(line("All classes", part(this.keywords)));
    if (!this.open) return;
    const ofClass = this.keywords.filter((row) => row.className === this.open.className);
    const own = ofClass.filter((row) => row.keyword === this.open.keyword);
    this.progress.replaceChildren(line(this.open.keyword, part(own)), line(this.open.className, part(ofClass)));
  }

  zoom(wished = this.zoomed.hidden) {
    this.zoomed.hidden = !wished;
    if (wished) this.drawZoom();
    else this.focusCell();
  }

  drawZoom() {
    const item = this.items[this.cursor];
    const close = make("button", { type: "button", onclick: () => this.zoom(false) }, "Close ", make("kbd", {}, "z"));
    const said = saidOf(item);
    const frame = make("div", { class: "sheet" }, this.sheets[0].tile(this.cursor));
    frame.style.cssText = this.grid.style.cssText;
    frame.style.setProperty("--size", "448px");
    this.zoomed.replaceChildren(make("div", {}, make("p", {}, `Image ${this.cursor + 1} of ${this.items.length}: ${said}`), frame, make("p", {}, "y, n, ? judge; arrows move; u undoes. "), close));
    close.focus({ preventScroll: true });
  }
}

function needed(row) {
  return Math.max(0, Math.min(row.quota, row.candidates) - row.yes);
}
