// The page of blind judging: two images at a time, in an order of the rater's own, with no score, set or row number.

class Blind extends Cards {
  constructor(desk) {
    super(desk, "judging");
    this.empty = "There is no pair to judge.";
    const line = (name, text) => make("li", {}, make("b", {}, name), text);
    const help = make(
      "ul",
      { class: "instruction" },
      line("exact", ": the same picture, pixel for pixel or but for compression."),
      line("near", ": one photograph in two versions: moved, cropped, scaled, mirrored, recoloured, with text on it."),
      line("similar", ": two photographs of the same thing or of the same make, which only look alike."),
      line("different", ": two pictures that have nothing to do with each other."),
      make("li", {}, "Some pairs are there to check the judges. Judge what you see; nothing else is known about a pair here.")
    );
    this.frame("Are these two the same picture?", help, [], [["exact", "e"], ["near", "n"], ["similar", "s"], ["different", "d"]]);
    this.apart = make("div", { class: "sides sheet apart" });
  }

  key(row) {
    return row.pair;
  }

  row(item) {
    return { pair: item.pair };
  }

  async start() {
    const reply = await this.desk.ask("judging.sheet", { rater: this.desk.rater }, 60000);
    this.sheet?.forget();
    this.sheet = new Sheet(reply.pictures[0], reply.columns, reply.items.length * 2);
    this.items = reply.items.map((item) => ({ ...item, saved: true }));
    await Promise.all([this.sheet.lay(this.card), this.lay(this.sheet, (place) => place * 2)]);
    this.tell();
  }

  refresh() {
    return Promise.resolve();
  }

  tell() {
    const now = this.items.filter((item) => item.verdict).length;
    this.telling.textContent = `${count(now)} of ${count(this.items.length)} pairs judged by you`;
  }

  draw(item) {
    const side = (place) => make("figure", {}, this.sheet.tile(this.cursor * 2 + place));
    if (this.asked !== item.pair) this.apart.replaceChildren();
    const ask = make("button", { type: "button", onclick: () => this.showDifference() }, "show the difference ", make("kbd", {}, "x"));
    const said = make("p", { class: "scores" }, `Pair ${this.cursor + 1} of ${this.items.length} · `, make("b", {}, saidOf(item)), " ", ask);
    this.card.replaceChildren(make("div", { class: "sides sheet" }, side(0), side(1)), this.apart, said);
  }

  async showDifference() {
    const item = this.items[this.cursor];
    if (!item) return;
    const reply = await this.desk.ask("judging.difference", { pair: item.pair }, 60000);
    if (this.items[this.cursor] !== item) return;
    this.asked = item.pair;
    const sheet = new Sheet(reply.pictures[0], reply.columns, 2);
    await sheet.lay(this.apart);
    const texts = ["right one, moved as it fits best", "difference: black is equal"];
    this.apart.replaceChildren(...texts.map((text, place) => make("figure", {}, sheet.tile(place), make("figcaption", {}, text))));
  }

  pressed(event) {
    if (event.key === "x" && !event.ctrlKey && !event.metaKey && !event.altKey) {
      this.showDifference().catch((error) => this.desk.failed(error));
      return true;
    }
    return super.pressed(event);
  }
}
