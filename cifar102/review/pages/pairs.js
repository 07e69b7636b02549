// The page of near-duplicates: one pair at a time, the partner laid on the candidate as it fits best.

const SIDES = ["candidate", "partner, moved as it fits best", "difference: black is equal", "partner as it is"];

class Pairs extends Cards {
  constructor(desk) {
    super(desk, "pairs");
    this.empty = "No pair scores near the thresholds here.";
    this.around = make("select", { "aria-label": "Sorted around", onchange: () => this.open(0) });
    this.around.append(make("option", { value: "duplicate" }, "duplicate threshold"), make("option", { value: "review" }, "review threshold"));
    this.setChoice = make("select", { "aria-label": "Compared with", onchange: () => this.open(0) }, make("option", { value: "" }, "all sets"));
    this.partChoice = make("select", { "aria-label": "Part of the pairs", onchange: () => this.open(Number(this.partChoice.value)) });
    const tools = [make("label", {}, "Nearest to the ", this.around, " first"), make("label", {}, "with ", this.setChoice), this.partChoice];
    const line = (name, text) => make("li", {}, make("b", {}, name), text);
    const help = make(
      "ul",
      { class: "instruction" },
      line("exact", ": the same picture, pixel for pixel or but for compression."),
      line("near", ": one photograph in two versions: moved, cropped, scaled, mirrored, recoloured, with text on it."),
      line("similar", ": two photographs of the same thing or of the same make, which only look alike."),
      line("different", ": two pictures that have nothing to do with each other."),
      make("li", {}, "Exact and near count as duplicates, similar and different do not, whatever the score says. Notebook 03 reads the verdicts at its next run.")
    );
    this.frame("Are these two the same picture?", help, tools, [["exact", "e"], ["near", "n"], ["similar", "s"], ["different", "d"]]);
  }

  key(row) {
    return `${row.tiny_index}/${row.reference_set}/${row.reference}`;
  }

  row(item) {
    return { tiny_index: item.tiny_index, reference_set: item.reference_set, reference: item.reference };
  }

  start() {
    const place = this.desk.place("pairs");
    if (place.around) this.around.value = place.around;
    return this.open(place.part || 0, place.reference_set || "");
  }

  refresh() {
    return Promise.resolve();
  }

  async open(part, set = this.setChoice.value) {
    delete this.element.dataset.ready;
    const wished = { around: this.around.value, reference_set: set, part };
    const reply = await this.desk.ask("pairs.sheet", { rater: this.desk.rater, ...wished }, 60000);
    this.desk.keepPlace("pairs", wished);
    this.reply = reply;
    this.setChoice.replaceChildren(make("option", { value: "" }, "all sets"), ...reply.sets.map((name) => make("option", { value: name, selected: name === set }, name)));
    this.partChoice.hidden = reply.parts < 2;
    this.partChoice.replaceChildren(...Array.from({ length: reply.parts }, (_, place) => make("option", { value: place, selected: place === reply.part }, `part ${place + 1} of ${reply.parts}`)));
    this.sheet?.forget();
    this.sheet = new Sheet(reply.pictures[0], reply.columns, reply.items.length * SIDES.length);
    this.items = reply.items.map((item) => ({ ...item, saved: true }));
    this.before = this.items.filter((item) => item.verdict).length;
    await Promise.all([this.sheet.lay(this.card), this.lay(this.sheet, (place) => place * SIDES.length)]);
    this.tell();
  }

  tell() {
    const now = this.items.filter((item) => item.verdict).length;
    this.telling.textContent = `${count(this.reply.judged + now - this.before)} of ${count(this.reply.pairs)} pairs judged by you`;
  }

  draw(item) {
    const [down, right] = item.shift;
    const { duplicate, review } = this.reply.thresholds;
    const verdict = item.scores.score >= duplicate ? "duplicate" : item.scores.score >= review ? "to review" : "different";
    const names = [item.names[0], item.names[1], "", item.names[1]];
    const side = (text, place) => make("figure", { class: place === 3 ? "small" : "" }, this.sheet.tile(this.cursor * SIDES.length + place), make("figcaption", {}, text, make("br"), make("b", {}, names[place])));
    const set = item.reference_set === "candidates" ? "another candidate" : `${item.reference_set}, row ${item.reference}`;
    this.card.replaceChildren(
      make("div", { class: "sides sheet" }, ...SIDES.map(side)),
      make("p", { class: "scores" }, `Pair ${this.cursor + 1} of ${this.items.length}, image ${item.tiny_index} and ${set} · score ${item.scores.score.toFixed(2)} (${verdict} by score; thresholds ${review} and ${duplicate}) · SSIM ${item.scores.ssim.toFixed(4)} · moved ${down} down, ${right} right · `, make("b", {}, saidOf(item)))
    );
  }
}
