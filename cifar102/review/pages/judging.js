// What the three pages have in common: items with a verdict each, which is written down, saved, taken back and, where it
// could not be saved yet, found again in the outbox. A page says which desk it writes to and how an item becomes a row.

class Judging {
  constructor(desk, name) {
    this.desk = desk;
    this.name = name;
    this.items = [];
    this.cursor = 0;
    this.steps = [];
  }

  // Give one verdict to the items at these places; undo takes them back together.
  give(places, verdict) {
    const changed = places.filter((place) => this.items[place].verdict !== verdict);
    if (!changed.length) return;
    this.steps.push(changed.map((place) => ({ place, verdict: this.items[place].verdict })));
    for (const place of changed) this.write(place, verdict);
    this.desk.outbox.send();
  }

  undo() {
    const step = this.steps.pop();
    if (!step) return this.desk.say("There is nothing to undo since this sheet was opened.");
    for (const { place, verdict } of step) this.write(place, verdict);
    this.desk.outbox.send();
    this.desk.say(`Taken back: ${count(step.length)} ${step.length > 1 ? "verdicts" : "verdict"}.`);
    this.move(step[0].place);
  }

  write(place, verdict) {
    const item = this.items[place];
    const before = item.verdict;
    Object.assign(item, { verdict, time: this.desk.outbox.moment(item.time), saved: false });
    const row = { ...this.row(item), rater: this.desk.rater, verdict: verdict || "withdrawn", time: item.time };
    this.desk.outbox.add(this.name, row);
    this.changed(place, before);
  }

  // The place of the item a row is about, or undefined.
  places() {
    const found = new Map(this.items.map((item, place) => [this.key(this.row(item)), place]));
    return (row) => (isOneRater(row.rater, this.desk.rater) ? found.get(this.key(row)) : undefined);
  }

  saved(entries) {
    const placeOf = this.places();
    for (const { desk, row } of entries) {
      const place = desk === this.name ? placeOf(row) : undefined;
      if (place === undefined || this.items[place].time !== row.time) continue;
      this.items[place].saved = true;
      this.changed(place, this.items[place].verdict);
    }
  }

  // Verdicts that another page load left in the browser's storage are shown before they are saved.
  takePending() {
    const placeOf = this.places();
    for (const { desk, row } of this.desk.outbox.pending()) {
      const item = desk === this.name ? this.items[placeOf(row)] : undefined;
      if (!item || (item.time && Date.parse(row.time) <= Date.parse(item.time))) continue;
      Object.assign(item, { verdict: row.verdict === "withdrawn" ? null : row.verdict, time: row.time, saved: false });
    }
  }

  nextOpen(after) {
    return this.items.findIndex((item, place) => place > after && !item.verdict);
  }
}

function saidOf(item) {
  return item.verdict ? `${item.verdict}${item.saved ? "" : ", not saved yet"}` : "not judged";
}

// A page that shows one item at a time: large, with a strip of all items to choose from.
class Cards extends Judging {
  frame(title, help, tools, verdicts) {
    this.card = make("div", { class: "card", tabindex: -1 });
    this.strip = make("div", { class: "strip sheet", role: "listbox", "aria-label": "All on this sheet" });
    this.strip.addEventListener("click", (event) => {
      const tile = event.target.closest(".tile");
      if (tile) this.move(tile.place);
    });
    const button = (text, key, act) => make("button", { type: "button", onclick: act }, text, make("kbd", {}, key));
    this.verdictButtons = new Map(verdicts.map(([verdict, key]) => [verdict, button(`${verdict} `, key, () => this.judge(verdict))]));
    this.keyOfVerdict = new Map(verdicts.map(([verdict, key]) => [key, verdict]));
    this.telling = make("p", { class: "telling" });
    this.element = make(
      "div",
      { class: "cards" },
      make("div", { class: "question" }, make("h2", {}, title), make("details", {}, make("summary", {}, "Instruction"), help)),
      make("div", { class: "toolbar" }, ...tools, this.telling),
      this.card,
      make("div", { class: "toolbar verdicts", role: "toolbar", "aria-label": "Verdicts" }, ...this.verdictButtons.values(), button("undo ", "u", () => this.undo()), button("before ", "←", () => this.move(this.cursor - 1)), button("next ", "→", () => this.move(this.cursor + 1))),
      this.strip
    );
  }

  // How the strip shows each item: the tile at a place of a sheet.
  async lay(sheet, placeOf) {
    this.steps = [];
    this.takePending();
    this.tiles = this.items.map((item, place) => {
      const tile = sheet.tile(placeOf(place), { role: "option" }, make("span", { class: "mark", "aria-hidden": "true" }));
      tile.place = place;
      return tile;
    });
    this.strip.replaceChildren(...this.tiles);
    this.items.forEach((_, place) => this.paint(place));
    await sheet.lay(this.strip);
    const open = this.nextOpen(-1);
    this.move(open < 0 ? 0 : open);
    this.element.dataset.ready = this.items.length;
  }

  paint(place) {
    const item = this.items[place];
    const tile = this.tiles[place];
    tile.dataset.verdict = item.verdict || "";
    tile.dataset.saved = item.saved;
    tile.firstChild.textContent = item.verdict ? (MARKS[item.verdict] || "✓") + (item.saved ? "" : " …") : item.saved ? "" : "…";
    tile.setAttribute("aria-label", `${place + 1} of ${this.items.length}: ${saidOf(item)}`);
  }

  changed(place) {
    this.paint(place);
    if (place === this.cursor) this.show();
    this.tell();
  }

  move(place) {
    if (!this.items.length) return this.show();
    this.tiles[this.cursor]?.removeAttribute("aria-selected");
    this.cursor = Math.max(0, Math.min(place, this.items.length - 1));
    this.tiles[this.cursor].setAttribute("aria-selected", "true");
    this.tiles[this.cursor].scrollIntoView({ block: "nearest" });
    this.show();
  }

  show() {
    const item = this.items[this.cursor];
    for (const [verdict, button] of this.verdictButtons) {
      button.disabled = !item;
      button.setAttribute("aria-pressed", String(item?.verdict === verdict));
    }
    if (item) this.draw(item);
    else this.card.replaceChildren(make("p", { class: "wait" }, this.empty));
  }

  judge(verdict) {
    if (!this.items.length) return;
    this.give([this.cursor], verdict);
    const next = this.nextOpen(this.cursor);
    if (next >= 0) this.move(next);
    else this.desk.say(this.items.every((item) => item.verdict) ? "Everything on this sheet is judged." : "Nothing is left after this one; some before it are.");
  }

  focusCell() {
    this.card.focus({ preventScroll: true });
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const verdict = this.keyOfVerdict.get(event.key);
    if (verdict) this.judge(verdict);
    else if (event.key === "ArrowLeft") this.move(this.cursor - 1);
    else if (event.key === "ArrowRight") this.move(this.cursor + 1);
    else if (event.key === "Home") this.move(0);
    else if (event.key === "End") this.move(this.items.length - 1);
    else if (event.key === "u") this.undo();
    else return false;
    return true;
  }
}
