// The outbox: a verdict stays in the browser's storage until Python has said that it is on disk. One entry a verdict, so
// that tabs never overwrite each other; whichever tab is open sends what any tab has left. Sending twice is harmless.

const OUTBOX = "cifar102.outbox";

class Outbox {
  constructor(ask, identity, onchange) {
    this.ask = ask;
    this.prefix = `${OUTBOX}/${identity}/`;
    this.onchange = onchange;
    this.memory = new Map(); // where the browser refuses storage
    this.busy = false;
    this.trouble = "";
    this.refused = [];
    this.last = 0;
  }

  // The moment of a verdict, later than any this tab gave and than the one it replaces, whatever the clocks say.
  moment(replaced) {
    this.last = Math.max(Date.now(), this.last + 1, (replaced ? Date.parse(replaced) : 0) + 1);
    return new Date(this.last).toISOString();
  }

  add(desk, row) {
    const key = `${this.prefix}${row.time}/${Math.random().toString(36).slice(2)}`;
    const text = JSON.stringify({ desk, row });
    try {
      localStorage.setItem(key, text);
    } catch {
      this.memory.set(key, text);
    }
  }

  pending() {
    const found = [...this.memory].map(([key, text]) => ({ key, ...JSON.parse(text) }));
    try {
      for (let place = 0; place < localStorage.length; place++) {
        const key = localStorage.key(place);
        if (key.startsWith(this.prefix)) found.push({ key, ...JSON.parse(localStorage.getItem(key)) });
      }
    } catch {
      // no storage: the entries are in memory
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  remove(key) {
    this.memory.delete(key);
    try {
      localStorage.removeItem(key);
    } catch {
      // no storage
    }
  }

  async send() {
    if (this.busy) return;
    this.busy = true;
    let again = 0;
    try {
      for (let waiting = this.pending(); waiting.length; waiting = this.pending()) {
        this.tell(waiting.length);
        await this.sendSome(waiting.filter((entry) => entry.desk === waiting[0].desk).slice(0, 500));
        this.trouble = "";
      }
    } catch (error) {
      this.trouble = error instanceof NoAnswer ? "no answer" : error.message;
      again = 2000;
    }
    this.busy = false;
    this.tell(this.pending().length);
    if (again) setTimeout(() => this.send(), again);
  }

  async sendSome(entries) {
    const rows = entries.map((entry) => entry.row);
    const reply = await this.ask(`${entries[0].desk}.record`, { rows }, 6000);
    const reasons = new Map(reply.refused);
    entries.forEach((entry, place) => {
      this.remove(entry.key);
      if (reasons.has(place)) this.refused.push(reasons.get(place));
    });
    this.onchange({ saved: entries.filter((_, place) => !reasons.has(place)) });
  }

  tell(waiting) {
    this.onchange({ waiting, trouble: this.trouble, refused: this.refused });
  }
}
