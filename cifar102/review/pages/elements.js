// Building the page: elements, tiles of sprite sheets, and requests to the Python side. Text is set as text, never as
// HTML, so that a keyword or a rater's name with tags in it is shown as it is.

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// One person is one rater, however the name was typed; Python compares names in the same way.
function isOneRater(one, other) {
  const plain = (name) => name.normalize("NFKC").toLowerCase().trim().replace(/\s+/g, " ");
  return plain(one) === plain(other);
}

function count(number) {
  return number.toLocaleString("en-US");
}

// A sheet is one PNG of many 32 x 32 images. Its element carries the picture and the size; a tile inside it only says
// which place it shows, so that a change of size touches one element and not two thousand.
class Sheet {
  constructor(buffer, columns, total) {
    this.columns = Math.max(1, Math.min(columns, total));
    this.rows = Math.max(1, Math.ceil(total / this.columns));
    this.address = total ? URL.createObjectURL(new Blob([buffer], { type: "image/png" })) : "";
  }

  async lay(element) {
    if (!this.address) return;
    const picture = new Image();
    picture.src = this.address;
    await picture.decode();
    element.style.setProperty("--sheet", `url("${this.address}")`);
    element.style.setProperty("--sheet-columns", this.columns);
    element.style.setProperty("--sheet-rows", this.rows);
  }

  tile(place, properties = {}, ...children) {
    const tile = make("div", properties, ...children);
    tile.classList.add("tile");
    tile.style.setProperty("--column", place % this.columns);
    tile.style.setProperty("--row", Math.floor(place / this.columns));
    return tile;
  }

  forget() {
    if (this.address) URL.revokeObjectURL(this.address);
  }
}

class NoAnswer extends Error {}

// Returns ask(request, data): a promise of the reply. NoAnswer where none came in time, Error with the reason where
// Python could not meet the request.
function requests(model) {
  const waiting = new Map();
  const mine = crypto.randomUUID ? crypto.randomUUID() : String(Math.random());
  let number = 0;
  model.on("msg:custom", (message, buffers) => {
    const entry = waiting.get(message.id);
    if (!entry) return;
    waiting.delete(message.id);
    clearTimeout(entry.timer);
    if (message.error) entry.reject(new Error(message.error));
    else entry.resolve({ ...message, pictures: buffers || [] });
  });
  return (request, data = {}, patience = 20000) =>
    new Promise((resolve, reject) => {
      const id = `${mine}/${number++}`;
      const timer = setTimeout(() => {
        waiting.delete(id);
        reject(new NoAnswer(`no answer to ${request}`));
      }, patience);
      waiting.set(id, { resolve, reject, timer });
      model.send({ id, request, data });
    });
}
