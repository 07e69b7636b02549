// The frame of the pages: who judges, which page is shown, whether everything is saved, and the keys.

const TITLES = { labelling: "Labelling", pairs: "Near-duplicates", judging: "Blind judging", disagreements: "Disagreements" };
const MAKERS = { labelling: (desk) => new Labelling(desk), pairs: (desk) => new Pairs(desk), judging: (desk) => new Blind(desk), disagreements: (desk) => new Disagreements(desk) };

class Frame {
  constructor(model, element) {
    this.model = model;
    this.ask = requests(model);
    this.standalone = model.get("standalone");
    this.pages = {};
    this.root = make("div", { class: `cifar102-review${this.standalone ? " standalone" : ""}`, "data-lm-suppress-shortcuts": "true", tabindex: -1 });
    element.replaceChildren(this.root);
    this.opened = Date.now();
  }

  async start() {
    this.root.replaceChildren(make("p", { class: "wait" }, "Opening the workspace …"));
    const hello = await this.ask("hello", {}, 60000);
    Object.assign(this, { workspace: hello.workspace, identity: hello.identity, classes: hello.classes });
    this.outbox = new Outbox(this.ask, hello.identity, (news) => this.heard(news));
    this.tabs = make("nav", { "aria-label": "Pages" });
    this.who = make("div", { class: "who" });
    this.state = make("div", { class: "state", role: "status" });
    this.message = make("div", { class: "message", role: "status" });
    this.body = make("div", { class: "body" });
    this.root.replaceChildren(make("header", {}, make("h1", {}, `Review of ${hello.workspace}`), this.tabs, this.state, this.who), this.message, this.body);
    const keys = this.standalone ? document : this.root;
    keys.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("focus", () => this.refresh());
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
    this.outbox.send();
    this.rater = this.kept("rater") || "";
    if (this.rater) await this.enter(this.rater);
    else this.askRater();
  }

  // What a tab shows is the tab's own; a new tab begins with what the browser was last used for.
  kept(name) {
    const key = `cifar102.${name}/${this.identity}`;
    return sessionStorage.getItem(key) ?? localStorage.getItem(key);
  }

  keep(name, value) {
    for (const storage of [sessionStorage, localStorage]) storage.setItem(`cifar102.${name}/${this.identity}`, value);
  }

  place(page) {
    return JSON.parse(this.kept(`place/${page}`) || "{}");
  }

  keepPlace(page, place) {
    this.keep(`place/${page}`, JSON.stringify(place));
  }

  askRater() {
    const name = make("input", { name: "rater", autocomplete: "off", maxlength: 60, required: true, value: this.rater, "aria-label": "Your name" });
    const begin = (event) => {
      event.preventDefault();
      if (name.value.trim()) this.enter(name.value.trim());
    };
    const form = make(
      "form",
      { class: "rater", onsubmit: begin },
      make("h2", {}, "Who is judging?"),
      make("p", {}, "Take the same name each time; two raters who judge the same images make the data set. You will not see what the other one said."),
      name,
      make("button", { type: "submit" }, "Begin")
    );
    this.body.replaceChildren(form);
    // In a JupyterLab cell Enter does not submit a form.
    name.addEventListener("keydown", (event) => event.key === "Enter" && begin(event));
    name.focus();
  }

  async enter(rater) {
    this.rater = rater;
    this.keep("rater", rater);
    this.pages = {};
    const change = make("button", { type: "button", onclick: () => this.askRater() }, "change");
    this.who.replaceChildren("Rater: ", make("b", {}, rater), " ", change);
    const wished = this.kept("page");
    const pages = this.model.get("pages");
    await this.turn(pages.includes(wished) ? wished : pages[0]);
  }

  async turn(name) {
    const pages = this.model.get("pages");
    const tab = (other) => make("button", { type: "button", "aria-current": other === name ? "page" : null, onclick: () => this.turn(other) }, TITLES[other]);
    this.tabs.replaceChildren(...(pages.length > 1 ? pages.map(tab) : []));
    this.keep("page", name);
    this.say("");
    const isNew = !this.pages[name];
    this.shown = this.pages[name] ??= MAKERS[name](this);
    this.body.replaceChildren(this.shown.element);
    try {
      await (isNew ? this.shown.start() : this.shown.refresh());
      this.shown.focusCell();
    } catch (error) {
      this.failed(error);
    }
  }

  async refresh() {
    try {
      if (this.rater && this.shown?.element.isConnected) await this.shown.refresh();
    } catch (error) {
      this.failed(error);
    }
  }

  failed(error) {
    if (error instanceof NoAnswer) this.recover();
    else this.say(error.message);
  }

  key(event) {
    if (event.target.closest?.("input, select, textarea") || !this.shown?.element.isConnected) return;
    if (this.shown.pressed(event)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }

  say(text) {
    this.message.textContent = text;
  }

  heard({ saved, waiting, trouble, refused }) {
    if (saved) for (const page of Object.values(this.pages)) page.saved(saved);
    if (waiting === undefined) return;
    const verdicts = `${count(waiting)} ${waiting === 1 ? "verdict" : "verdicts"}`;
    this.state.dataset.waiting = waiting;
    this.state.classList.toggle("trouble", Boolean(trouble));
    if (!waiting) this.state.textContent = "All verdicts are saved";
    else if (!trouble) this.state.textContent = `Saving ${verdicts} …`;
    else this.state.textContent = `${verdicts} not saved (${trouble}); kept in this browser and sent again`;
    if (refused.length) this.say(`Not taken: ${refused.at(-1)}`);
    if (trouble === "no answer") this.recover();
  }

  // The server or its kernel is gone. A page of its own loads itself again as soon as a server answers.
  async recover() {
    const advice = this.standalone ? "Start `reproduce.py review` again; when its new page is open, this one goes on by itself." : "Run this cell again.";
    this.say(`The server does not answer. ${advice} Your verdicts are kept in this browser.`);
    if (!this.standalone || this.recovering) return;
    this.recovering = true;
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      try {
        // A new server has a new token: until its page has been opened here, it answers 403 and not 404.
        const reply = await fetch(new URL("api/kernels/00000000-0000-0000-0000-000000000000", location.href), { cache: "no-store" });
        if (reply.status === 403) continue;
      } catch {
        continue; // no server yet
      }
      try {
        await this.ask("hello", {}, 4000);
        break; // it was only busy
      } catch {
        if (Date.now() - this.opened > 8000) location.reload();
      }
    }
    this.recovering = false;
    this.say("");
    this.outbox.send();
  }
}

export default {
  render({ model, el }) {
    const frame = new Frame(model, el);
    frame.start().catch((error) => frame.root.replaceChildren(make("p", { class: "wait" }, `The pages could not be opened: ${error.message}`)));
  },
};
