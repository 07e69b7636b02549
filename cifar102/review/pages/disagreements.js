// The page of disagreements: one image at a time with what its raters said, for a third verdict.

class Disagreements extends Cards {
  constructor(desk) {
    super(desk, "disagreements");
    this.empty = "There is no image on which two other raters differ.";
    const help = make(
      "ul",
      { class: "instruction" },
      make("li", {}, "Raters gave different verdicts on these images. Yours settles them; it is kept apart from the blind ones, as “name (settling)”, and does not count as agreement."),
      make("li", {}, "Images that you judged yourself are left out. Two raters who settle their own cases together take a name of its own for it, such as “ann+bob”."),
      make("li", {}, "Whether a settling yes is enough is a parameter of notebook 02 (accept_rule); by default everybody has to have said yes.")
    );
    this.frame("What is right?", help, [], [["yes", "y"], ["no", "n"], ["unsure", "?"]]);
  }

  key(row) {
    return `${row.tiny_index}/${row.class}`;
  }

  row(item) {
    return { tiny_index: item.tiny_index, keyword: item.keyword, class: item.class };
  }

  async start() {
    delete this.element.dataset.ready;
    const reply = await this.desk.ask("disagreements.sheet", { rater: this.desk.rater }, 60000);
    this.reply = reply;
    this.sheets?.forEach((sheet) => sheet.forget());
    this.sheets = [new Sheet(reply.pictures[0], reply.columns, reply.items.length), new Sheet(reply.pictures[1], reply.columns, reply.own_shown)];
    this.items = reply.items.map((item) => ({ ...item, saved: true }));
    this.own = make("div", { class: "own sheet" });
    await Promise.all([this.sheets[1].lay(this.own), this.sheets[0].lay(this.card), this.lay(this.sheets[0], (place) => place)]);
    this.tell();
  }

  // Another rater may have made new disagreements; what is waiting to be saved is found again in the outbox.
  refresh() {
    return this.items.every((item) => item.saved) ? this.start() : Promise.resolve();
  }

  tell() {
    const settled = this.items.filter((item) => item.verdict).length;
    const more = this.reply.all > this.items.length ? `, of ${count(this.reply.all)} in all` : "";
    const waiting = this.reply.waiting ? ` · ${count(this.reply.waiting)} more wait for somebody else, because you are one of their raters` : "";
    this.telling.textContent = `${count(settled)} of ${count(this.items.length)} settled by you${more}${waiting}`;
  }

  draw(item) {
    const article = /^[aeiou]/.test(item.class) ? "an" : "a";
    const [first, shown] = item.own;
    this.own.replaceChildren(...Array.from({ length: shown }, (_, place) => this.sheets[1].tile(first + place)));
    const vote = ([rater, verdict]) => make("tr", {}, make("th", { scope: "row" }, rater), make("td", { "data-verdict": verdict }, make("span", { class: "mark" }, `${MARKS[verdict]} ${verdict}`)));
    const own = make("tr", {}, make("th", { scope: "row" }, `${this.desk.rater} (you)`), make("td", { "data-verdict": item.verdict || "" }, make("span", { class: "mark" }, `${MARKS[item.verdict] || ""} ${saidOf(item)}`)));
    this.card.replaceChildren(
      make(
        "div",
        { class: "sides" },
        make("figure", { class: "sheet inherit" }, this.sheets[0].tile(this.cursor), make("figcaption", {}, `image ${item.tiny_index}, ${this.cursor + 1} of ${this.items.length}`)),
        make("div", { class: "votes" }, make("h2", {}, `Is it ${article} ${item.class}? Found under “${item.keyword}”`), make("table", {}, ...item.said.map(vote), own), make("h3", {}, shown ? `CIFAR-10's own images of “${item.keyword}”` : `CIFAR-10 has no image of “${item.keyword}”`), this.own)
      )
    );
  }
}
