// Touching up: a brush over a cut. Each finished stroke goes to the server as the rectangle that it changed, which
// answers with the rectangle of the layer that is another for it. See web/touch_up.py.

const KEEP = 255, REMOVE = 0, AUTOMATIC = 128;
const TINTS = { [KEEP]: [34, 197, 94], [REMOVE]: [239, 68, 68] };
const TOOLS = [["keep", KEEP], ["remove", REMOVE], ["automatic", AUTOMATIC]];
const BACKS = ["checker", "colour", "photo"];
const SMALLEST = 1, LARGEST = 400, FIRST_SIZE = 0.045; // of the brush: pixels across, and as a part of the longer side
const ZOOM_STEP = 1.25, MOST_ZOOM = 24;
const HISTORY = 100; // strokes that can be undone
const HISTORY_BYTES = 400_000_000;
const PING = 5000, AGAIN = 1500; // milliseconds
const UNKNOWN = -1; // the version of a page that hasn't all that is painted

function made(tag, properties = {}, ...children) {
  const { dataset, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, dataset);
  element.append(...children);
  return element;
}

const picture = async (answer) => createImageBitmap(await answer.blob(), { premultiplyAlpha: "none", colorSpaceConversion: "none" });

function canvasOf(width, height) {
  const canvas = made("canvas", { width, height });
  return [canvas, canvas.getContext("2d", { willReadFrequently: true })];
}

export class Editor {
  /**
   * host: an element to fill. onDone: called when the person is finished; without it there is no button for that.
   * ofZones: what is painted holds as it is, also where no person is now: so it shows, on the whole picture.
   */
  constructor(host, texts, language, onDone = null, ofZones = false) {
    this.host = host;
    this.text = (key, values = {}) => (texts[`touch_up.${key}`] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
    this.unreachable = texts["web.unreachable"];
    this.language = language;
    this.onDone = onDone;
    this.tool = KEEP;
    this.ofZones = ofZones;
    this.back = ofZones ? "photo" : "checker";
    this.view = { scale: 1, x: 0, y: 0 };
    this.undone = [];
    this.done = [];
    this.unsent = []; // changes of what is painted, in their turn: { step, which, other }
    this.sending = Promise.resolve();
    this.pointers = new Map();
    this.build();
  }

  // Its parts

  build() {
    const button = (name, act, more = {}) => {
      const made_ = made("button", { type: "button", className: "quiet", textContent: this.text(name), title: this.text(`${name}.tip`), dataset: { act: name }, ...more });
      made_.addEventListener("click", act);
      return made_;
    };
    const radios = (name, choices, chosen, choose) => {
      const group = made("div", { className: "segments", role: "radiogroup", ariaLabel: this.text(name) });
      for (const [key, value] of choices) {
        const input = made("input", { type: "radio", name: `touch-up-${name}`, value: String(value), checked: value === chosen });
        input.addEventListener("change", () => choose(value));
        group.append(made("label", { title: this.text(`${name}.${key}.tip`) }, input, made("span", { textContent: this.text(`${name}.${key}`) })));
      }
      return group;
    };
    this.size = made("input", { type: "range", min: 0, max: 100, step: 0.5, ariaLabel: this.text("size") });
    this.size.addEventListener("input", () => this.setDiameter(SMALLEST * (LARGEST / SMALLEST) ** (this.size.value / 100)));
    this.sizeShown = made("output", {});
    this.tools = radios("tool", TOOLS, this.tool, (tool) => this.choose(tool));
    this.backs = radios("back", BACKS.map((back) => [back, back]), this.back, (back) => { this.back = back; this.colour.hidden = back !== "colour"; this.draw(); });
    this.colour = made("input", { type: "color", value: "#00b140", ariaLabel: this.text("back.colour"), hidden: true });
    this.colour.addEventListener("input", () => this.draw());
    this.before = button("before", () => {});
    for (const [event, on] of [["pointerdown", true], ["pointerup", false], ["pointerleave", false]]) this.before.addEventListener(event, () => this.showBefore(on));
    this.undoButton = button("undo", () => this.undo());
    this.redoButton = button("redo", () => this.redo());
    this.importing = made("input", { type: "file", accept: "image/png,image/*" });
    this.importing.addEventListener("change", () => { const [file] = this.importing.files; this.importing.value = ""; if (file) this.whole("PUT", "/strokes", file); });
    this.exporting = made("a", { className: "button quiet", textContent: this.text("export"), title: this.text("export.tip"), dataset: { act: "export" } });
    this.removing = button("remove", () => this.whole("DELETE", "/strokes"));
    this.restoring = button("restore", () => this.whole("POST", "/restore"));
    this.status = made("p", { className: "status", role: "status", ariaLive: "polite" });
    [this.canvas, this.context] = [made("canvas", { className: "sheet", tabIndex: 0, ariaLabel: this.text("canvas") }), null];
    this.context = this.canvas.getContext("2d");
    this.frame = made("div", { className: "sheet-frame" }, this.canvas);
    const row = (...parts) => made("div", { className: "row" }, ...parts);
    const label = (text_, ...parts) => made("label", { className: "sized" }, made("span", { textContent: text_ }), ...parts);
    const finish = this.onDone ? [button("finish", () => this.finish(), { className: "" })] : [];
    this.host.replaceChildren(
      made("div", { className: "touch-up-bar" },
        row(this.tools, label(this.text("size"), this.size, this.sizeShown), this.undoButton, this.redoButton, ...finish),
        row(this.backs, this.colour, this.before, button("smaller", () => this.zoom(1 / ZOOM_STEP)), button("fit", () => this.fit()), button("larger", () => this.zoom(ZOOM_STEP))),
      ),
      this.frame,
      made("div", { className: "status-line" }, this.status),
      made("details", { className: "touch-up-more" },
        made("summary", { textContent: this.text("more") }),
        row(made("label", { className: "button quiet", title: this.text("import.tip"), dataset: { act: "import" } }, this.importing, made("span", { textContent: this.text("import") })), this.exporting, this.removing, this.restoring),
        made("p", { textContent: this.text("keys", { keep: this.text("tool.keep"), remove: this.text("tool.remove") }) }),
        made("p", { textContent: this.text("hint") }),
      ),
    );
    this.listen();
  }

  listen() {
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.release(event));
    canvas.addEventListener("pointerleave", () => { this.pointer = null; this.draw(); });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.shiftKey) this.pan(-event.deltaY, 0);
      else this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), this.at(event));
    }, { passive: false });
    this.onKey = (event) => this.key(event);
    this.onKeyUp = (event) => { if (event.code === "Space") this.space = false; };
    document.addEventListener("keydown", this.onKey);
    document.addEventListener("keyup", this.onKeyUp);
    this.resized = new ResizeObserver(() => this.resize());
    this.resized.observe(this.frame);
  }

  close() {
    clearInterval(this.timer);
    document.removeEventListener("keydown", this.onKey);
    document.removeEventListener("keyup", this.onKeyUp);
    this.resized.disconnect();
    this.host.replaceChildren();
  }

  async finish() {
    if (this.finishing) return;
    this.finishing = true;
    try {
      if (this.stroke) this.end();
      await this.sending;
      await this.onDone();
    } catch (error) {
      this.say(error.message, "bad");
    } finally {
      this.finishing = false;
    }
  }

  // Talking to the server

  async ask(path, options = {}) {
    const headers = { "Accept-Language": this.language, ...options.headers };
    const answer = await fetch(path, { ...options, headers }).catch(() => { throw Object.assign(new Error(this.text("unreachable")), { gone: true }); });
    if (!answer.ok) {
      const refusal = await answer.json().catch(() => ({}));
      throw Object.assign(new Error(refusal.message ?? this.unreachable), { gone: refusal.error === "touch_up_closed", key: refusal.error });
    }
    return answer;
  }

  get address() { return `touch_ups/${this.id}`; }

  async open(id) {
    this.id = id;
    this.say(this.text("opening"), "busy");
    this.photo = await (await this.ask(this.address)).json();
    const { width, height } = this.photo;
    const [photo, layer, strokes] = await Promise.all(["photo", "layer", "strokes"].map(async (part) => picture(await this.ask(`${this.address}/${part}`))));
    this.photoPicture = photo;
    [this.layer, this.layerContext] = canvasOf(width, height);
    this.layerContext.drawImage(layer, 0, 0);
    [this.live, this.liveContext] = canvasOf(width, height);
    this.pixels = new Uint8Array(width * height);
    [this.tint, this.tintContext] = canvasOf(width, height);
    this.take(strokes);
    this.firstLayer = layer;
    this.diameter = 0;
    this.setDiameter(FIRST_SIZE * Math.max(width, height));
    this.exporting.href = `${this.address}/strokes`;
    this.exporting.download = `${this.photo.name.replace(/\.[^.]*$/, "")}.touch-up.png`;
    this.resize();
    this.fit();
    this.tell();
    this.timer = setInterval(() => this.ping(), PING);
    this.say("");
  }

  /** Take the strokes of a picture; on them, what was painted meanwhile and is still to be sent. */
  take(strokes) {
    const [, context] = canvasOf(this.photo.width, this.photo.height);
    context.drawImage(strokes, 0, 0);
    const data = context.getImageData(0, 0, this.photo.width, this.photo.height).data;
    this.painted = 0;
    for (let pixel = 0; pixel < this.pixels.length; pixel++) {
      this.pixels[pixel] = data[4 * pixel];
      if (this.pixels[pixel] !== AUTOMATIC) this.painted++;
    }
    this.tintPart({ x: 0, y: 0, width: this.photo.width, height: this.photo.height });
    for (const { step, which, other } of this.unsent) {
      const now = this.part(step.box), { before, after, [which]: then } = step;
      step[which] = now.map((value, pixel) => (before[pixel] === after[pixel] ? value : then[pixel]));
      step[other] = now;
      this.put(step.box, step[which]);
    }
  }

  /** Show what is painted in a rectangle, where that isn't seen by the cut alone. */
  tintPart({ x, y, width, height }) {
    if (!this.ofZones) return;
    const tinted = new ImageData(width, height);
    this.part({ x, y, width, height }).forEach((value, pixel) => value !== AUTOMATIC && tinted.data.set([...TINTS[value], 255], 4 * pixel));
    this.tintContext.putImageData(tinted, x, y);
  }

  /** Have something done after what was asked for before. Its failure is the caller's: what comes next is done, too. */
  inTurn(act) {
    const done = this.sending.then(act);
    this.sending = done.catch(() => {});
    return done;
  }

  /** Put what is painted after a step, or before it, and send that in its turn. */
  change(step, which, begun = performance.now()) {
    this.put(step.box, step[which]);
    this.unsent.push({ step, which, other: which === "after" ? "before" : "after" });
    this.tell();
    this.inTurn(async () => {
      await this.send(step.box, begun);
      this.unsent.shift();
    });
  }

  /** Send a rectangle of what is painted. What finds no answer is sent again. */
  async send(box, begun) {
    for (let isAgain = false; ; isAgain = true) {
      try {
        const query = new URLSearchParams(box);
        const answer = await this.ask(`${this.address}/strokes?${query}`, { method: "PATCH", body: this.part(box), headers: { "Content-Type": "application/octet-stream" } });
        await this.show(answer);
        if (isAgain) await this.showLayer(); // what changed was in the answer that was lost
        this.host.dataset.milliseconds = Math.round(performance.now() - begun);
        this.host.dataset.sent = Number(this.host.dataset.sent ?? 0) + 1;
        this.say("");
        return;
      } catch (error) {
        this.say(error.message, "bad");
        if (!error.gone) return;
        await new Promise((wake) => setTimeout(wake, AGAIN));
      }
    }
  }

  whole(method, path, body) {
    return this.inTurn(async () => {
      this.say(this.text("working"), "busy");
      const { width, height } = this.photo;
      const before = this.sent();
      await this.showAll(await this.ask(`${this.address}${path}`, { method, body }));
      this.remember({ box: { x: 0, y: 0, width, height }, before, after: this.sent() }, this.waiting(this.done).length);
      this.photo = { ...(await (await this.ask(this.address)).json()), version: this.photo.version };
      this.tell();
      this.say("");
    }).catch((error) => this.say(error.message, "bad"));
  }

  async show(answer) {
    const [x, y, width, height] = answer.headers.get("Box").split(",").map(Number);
    const version = Number(answer.headers.get("Version"));
    this.photo.version = version === this.photo.version + 1 ? version : UNKNOWN; // else another page has painted, too
    const pixels = new Uint8ClampedArray(await answer.arrayBuffer());
    if (width && height) this.layerContext.putImageData(new ImageData(pixels, width, height), x, y);
    this.draw();
  }

  async showLayer() {
    const layer = await picture(await this.ask(`${this.address}/layer`));
    this.layerContext.clearRect(0, 0, layer.width, layer.height);
    this.layerContext.drawImage(layer, 0, 0);
    this.draw();
  }

  /** Show an answer, and take all that is painted now. */
  async showAll(answer) {
    await this.show(answer);
    this.photo.version = UNKNOWN; // until the strokes are there, too
    this.take(await picture(await this.ask(`${this.address}/strokes`)));
    this.photo.version = Number(answer.headers.get("Version"));
  }

  /** That the page is open; and whether another page has painted on the same photo. */
  async ping() {
    try {
      await this.sending; // what is painted here changes the version, too, and is no other page's
      const { sending, photo: { version } } = this;
      const told = await (await this.ask(this.address)).json();
      this.photo.removed = told.removed;
      if (told.version !== version && this.sending === sending) await this.inTurn(() => this.catchUp());
      if (this.status.dataset.gone) this.say("");
      this.tell();
    } catch (error) {
      this.say(error.message, "bad", error.gone);
    }
  }

  async catchUp() {
    const before = this.sent();
    await this.showAll(await this.ask(`${this.address}/changes`, { method: "POST" }));
    const now = this.sent();
    if (before.every((value, pixel) => value === now[pixel])) return; // a server that began anew counts anew
    this.done = this.waiting(this.done);
    this.undone = this.waiting(this.undone);
  }

  /** sentence: empty where there is nothing but what somebody who hasn't painted yet should know. */
  say(sentence, kind = "", gone = false) {
    this.status.textContent = sentence || this.advice;
    this.status.className = `status ${kind}`;
    this.status.dataset.gone = gone ? "true" : "";
  }

  get advice() {
    const isNew = !this.painted && !this.done.length && !this.undone.length;
    const first = isNew ? [...this.photo.notes.map(({ message }) => message), this.text("hint")] : [];
    return [...first, this.photo.kept && this.text("kept")].filter(Boolean).join(" ");
  }

  tell() {
    this.undoButton.disabled = !this.done.length;
    this.redoButton.disabled = !this.undone.length;
    this.removing.hidden = !this.painted;
    this.restoring.hidden = !this.removing.hidden || !this.photo.removed;
  }

  // Undoing

  part({ x, y, width, height }, pixels = this.pixels) {
    const result = new Uint8Array(width * height);
    for (let row = 0; row < height; row++) {
      const begin = (y + row) * this.photo.width + x;
      result.set(pixels.subarray(begin, begin + width), row * width);
    }
    return result;
  }

  put({ x, y, width, height }, part) {
    const count = (pixels) => pixels.reduce((sum, value) => sum + (value !== AUTOMATIC), 0);
    this.painted += count(part) - count(this.part({ x, y, width, height }));
    this.copy({ x, y, width, height }, part, this.pixels);
    this.tintPart({ x, y, width, height });
  }

  copy({ x, y, width, height }, part, pixels) {
    for (let row = 0; row < height; row++) pixels.set(part.subarray(row * width, (row + 1) * width), (y + row) * this.photo.width + x);
  }

  /** What is painted, without what is still to be sent. */
  sent() {
    const pixels = this.pixels.slice();
    for (const { step, other } of [...this.unsent].reverse()) this.copy(step.box, step[other], pixels);
    return pixels;
  }

  /** The steps among these that are still to be sent: the last ones. */
  waiting(steps) {
    return steps.filter((step) => this.unsent.some((change) => change.step === step));
  }

  /** later: how many of the steps that can be undone come after this one. */
  remember(step, later = 0) {
    this.done.splice(this.done.length - later, 0, step);
    let bytes = this.done.reduce((sum, one) => sum + 2 * one.before.length, 0);
    while (this.done.length > HISTORY || (bytes > HISTORY_BYTES && this.done.length > 1)) bytes -= 2 * this.done.shift().before.length;
    this.undone = [];
    this.tell();
  }

  again(from, to, which) {
    if (!from.length || this.stroke) return;
    const step = from.pop();
    to.push(step);
    this.change(step, which);
  }

  undo() { this.again(this.done, this.undone, "before"); }

  redo() { this.again(this.undone, this.done, "after"); }

  // Painting

  choose(tool) {
    this.tool = tool;
    for (const input of this.tools.querySelectorAll("input")) input.checked = Number(input.value) === tool;
    this.draw();
  }

  setDiameter(diameter) {
    this.diameter = Math.min(LARGEST, Math.max(SMALLEST, diameter));
    this.size.value = (100 * Math.log(this.diameter / SMALLEST)) / Math.log(LARGEST / SMALLEST);
    this.sizeShown.textContent = this.text("pixels", { size: Math.round(this.diameter) });
    this.draw();
  }

  at(event) {
    const bounds = this.canvas.getBoundingClientRect();
    return { x: event.clientX - bounds.left, y: event.clientY - bounds.top };
  }

  onPhoto({ x, y }) {
    const across = (x - this.view.x) / this.view.scale;
    return { x: this.photo.mirrored ? this.photo.width - across : across, y: (y - this.view.y) / this.view.scale };
  }

  press(event) {
    if (!this.photo) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.at(event));
    if (this.pointers.size === 2) {
      this.stroke = null; // the first finger was not for painting
      this.liveContext.clearRect(0, 0, this.live.width, this.live.height);
      return;
    }
    if (this.space || event.button === 1) this.panning = true;
    else if (event.button === 0 || event.button === 2) this.begin(event, event.button === 2 || event.buttons === 32);
  }

  begin(event, other) {
    const opposite = this.tool === KEEP ? REMOVE : KEEP;
    this.stroke = { value: other ? opposite : this.tool, last: null, box: null };
    this.paint(event);
  }

  move(event) {
    const now = this.at(event);
    const before = this.pointers.get(event.pointerId);
    this.pointer = event.pointerType === "touch" ? null : now;
    if (before && this.pointers.size === 2) {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
      const spread = (point) => Math.hypot(point.x - other.x, point.y - other.y);
      this.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
      if (spread(before) > 4) this.zoom(spread(now) / spread(before), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
    } else if (before && this.panning) {
      this.pan(now.x - before.x, now.y - before.y);
    } else if (before && this.stroke) {
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) this.paint(each);
    }
    if (before) this.pointers.set(event.pointerId, now);
    this.draw();
  }

  paint(event) {
    const stroke = this.stroke;
    const point = this.onPhoto(this.at(event));
    const pressed = event.pointerType === "pen" && event.pressure > 0 ? 0.3 + 0.7 * event.pressure : 1;
    const width = Math.max(1, this.diameter * pressed);
    const context = this.liveContext;
    const [red, green, blue] = TINTS[stroke.value] ?? [148, 163, 184];
    Object.assign(context, { lineCap: "round", lineJoin: "round", lineWidth: width, strokeStyle: `rgb(${red} ${green} ${blue})` });
    const last = stroke.last ?? { x: point.x + 0.01, y: point.y };
    context.beginPath();
    context.moveTo(last.x, last.y);
    context.lineTo(point.x, point.y);
    context.stroke();
    const reach = width / 2 + 2;
    const box = stroke.box ?? [Infinity, Infinity, -Infinity, -Infinity];
    stroke.box = [
      Math.min(box[0], last.x - reach, point.x - reach), Math.min(box[1], last.y - reach, point.y - reach),
      Math.max(box[2], last.x + reach, point.x + reach), Math.max(box[3], last.y + reach, point.y + reach),
    ];
    stroke.last = point;
    this.draw();
  }

  release(event) {
    this.pointers.delete(event.pointerId);
    if (this.stroke && event.type === "pointerup" && !this.panning) {
      this.end();
      return; // what was painted is seen until its cut is there, or the pointer moves
    }
    if (this.panning) this.panning = false;
    else if (this.stroke) {
      this.stroke = null;
      this.liveContext.clearRect(0, 0, this.live.width, this.live.height);
    }
    this.draw();
  }

  end() {
    const begun = performance.now();
    const { value, box: [left, top, right, bottom] } = this.stroke;
    this.stroke = null;
    const { width, height } = this.photo;
    const x = Math.max(0, Math.floor(left)), y = Math.max(0, Math.floor(top));
    const box = { x, y, width: Math.min(width, Math.ceil(right)) - x, height: Math.min(height, Math.ceil(bottom)) - y };
    if (box.width <= 0 || box.height <= 0) return this.draw();
    const before = this.part(box);
    const drawn = this.liveContext.getImageData(box.x, box.y, box.width, box.height).data;
    this.liveContext.clearRect(box.x, box.y, box.width, box.height);
    const after = before.slice();
    for (let pixel = 0; pixel < after.length; pixel++) if (drawn[4 * pixel + 3] > 127) after[pixel] = value;
    const step = { box, before, after };
    this.remember(step);
    this.change(step, "after", begun);
  }

  // Looking

  key(event) {
    if (event.key === "Escape" && this.photo && this.onDone) {
      event.preventDefault();
      this.finish();
      return;
    }
    if (!this.photo || /^(select|textarea)$/i.test(event.target.tagName) || (event.target.type ?? "") === "number") return;
    const chord = event.ctrlKey || event.metaKey;
    const acts = {
      "[": () => this.setDiameter(this.diameter / 1.2),
      "]": () => this.setDiameter(this.diameter * 1.2),
      x: () => this.choose(this.tool === KEEP ? REMOVE : KEEP),
      a: () => this.choose(AUTOMATIC),
      k: () => this.choose(KEEP),
      r: () => this.choose(REMOVE),
      0: () => this.fit(),
      "+": () => this.zoom(ZOOM_STEP),
      "=": () => this.zoom(ZOOM_STEP),
      "-": () => this.zoom(1 / ZOOM_STEP),
    };
    const letter = event.key.toLowerCase();
    if (chord && letter === "z") (event.shiftKey ? this.redo() : this.undo());
    else if (chord && letter === "y") this.redo();
    else if (event.code === "Space" && event.target.type !== "radio" && !/^(button|summary|a)$/i.test(event.target.tagName)) this.space = true;
    else if (!chord && acts[letter]) acts[letter]();
    else return;
    event.preventDefault();
  }

  resize() {
    if (!this.layer) return;
    const ratio = devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.frame;
    const width = Math.max(1, Math.round(clientWidth * ratio));
    const height = Math.max(1, Math.round(clientHeight * ratio));
    if (this.canvas.width === width && this.canvas.height === height) return; // to set even the same would wipe it
    Object.assign(this.canvas, { width, height });
    this.fit();
    this.drawNow(); // a frame later it would flicker
  }

  fit() {
    if (!this.photo) return;
    const { clientWidth, clientHeight } = this.frame;
    const scale = Math.min(clientWidth / this.photo.width, clientHeight / this.photo.height);
    this.view = { scale, x: (clientWidth - scale * this.photo.width) / 2, y: (clientHeight - scale * this.photo.height) / 2 };
    this.draw();
  }

  zoom(factor, point = { x: this.frame.clientWidth / 2, y: this.frame.clientHeight / 2 }) {
    const { scale, x, y } = this.view;
    const smallest = 0.5 * Math.min(this.frame.clientWidth / this.photo.width, this.frame.clientHeight / this.photo.height);
    const next = Math.min(MOST_ZOOM, Math.max(smallest, scale * factor));
    this.view = { scale: next, x: point.x - ((point.x - x) * next) / scale, y: point.y - ((point.y - y) * next) / scale };
    this.draw();
  }

  pan(x, y) {
    this.view.x += x;
    this.view.y += y;
    this.draw();
  }

  showBefore(on) {
    this.isBefore = on;
    this.draw();
  }

  draw() {
    if (this.drawing || !this.layer) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.drawNow();
    });
  }

  drawNow() {
    const ratio = devicePixelRatio || 1;
    const { context, view, photo } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.save();
    context.translate(view.x, view.y);
    context.beginPath();
    context.rect(0, 0, photo.width * view.scale, photo.height * view.scale);
    context.clip();
    context.fillStyle = this.back === "checker" ? this.checker() : this.back === "colour" ? this.colour.value : "#fff";
    context.fillRect(0, 0, photo.width * view.scale, photo.height * view.scale);
    context.scale(view.scale, view.scale);
    if (photo.mirrored) context.transform(-1, 0, 0, 1, photo.width, 0);
    context.imageSmoothingEnabled = view.scale < 3;
    if (this.back === "photo") {
      context.globalAlpha = 0.4;
      context.drawImage(this.photoPicture, 0, 0);
      context.globalAlpha = 1;
    }
    context.drawImage(this.isBefore ? this.firstLayer : this.layer, 0, 0);
    if (this.ofZones && this.back === "photo" && !this.isBefore) {
      context.globalAlpha = 0.3;
      context.drawImage(this.tint, 0, 0);
      context.globalAlpha = 1;
    }
    if (this.stroke) {
      context.globalAlpha = 0.45;
      context.drawImage(this.live, 0, 0);
      context.globalAlpha = 1;
    }
    context.restore();
    if (this.pointer && !this.space) {
      const tint = TINTS[this.tool] ?? [148, 163, 184];
      for (const [colour, extra] of [["#000", 1], [`rgb(${tint.join(" ")})`, 0]]) {
        context.strokeStyle = colour;
        context.lineWidth = 1.5 + extra;
        context.beginPath();
        context.arc(this.pointer.x, this.pointer.y, Math.max(1, (this.diameter * view.scale) / 2), 0, 2 * Math.PI);
        context.stroke();
      }
    }
  }

  checker() {
    if (!this.pattern) {
      const [canvas, context] = canvasOf(20, 20);
      context.fillStyle = "#ccc";
      context.fillRect(0, 0, 20, 20);
      context.fillStyle = "#999";
      context.fillRect(0, 0, 10, 10);
      context.fillRect(10, 10, 10, 10);
      this.pattern = this.context.createPattern(canvas, "repeat");
    }
    return this.pattern;
  }
}
