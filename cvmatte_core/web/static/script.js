// The page. Its texts come from /page, its options from /controls; nothing is kept but in this window.

import { Editor } from "./touch-up.js";

const at = (id) => document.getElementById(id);
const BUSY_WAIT = 1000; // milliseconds, at least, before a busy server is asked again
const TYPING = 400; // milliseconds of rest after which a changed option counts
const MEGABYTE = 1_000_000;
const UNITS = [["byte", 1], ["kilobyte", 1000], ["megabyte", MEGABYTE], ["gigabyte", 1000 * MEGABYTE]];
const AT_ONCE = 0.05; // seconds that would be shown as 0.0
const NAMED = 3; // files that are left out, by their names
const TO_PAINT = ["nobody_found", "nothing_left"]; // errors that strokes can mend

let language = navigator.languages.join(","); // until /page says which of its own that is
let texts = {};
let limits = {};
let endings = []; // of the files that are photos,
let clips = []; // and of those that are clips
let systemFolders = []; // names, in lower case, of what isn't a person's own
let idPhotos = {}; // width and height of each, in pixels
let declaration = { groups: [], presets: [] };

const text = (key, values = {}) => (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
const here = (path) => path.replace(/^\//, ""); // below this page's address, wherever a proxy has put that
const suffixOf = ({ type }) => (type === "image/jpeg" ? ".jpg" : type.replace("image/", "."));
const endsWithOneOf = (name, ones) => ones.some((ending) => name.toLowerCase().endsWith(ending));
const isHidden = (name) => name.startsWith(".") || systemFolders.includes(name.toLowerCase());
const plainName = (name) => name.replace(/\.[^.]*$/, "") || "photo";
const megabytes = (bytes) => (bytes / MEGABYTE).toFixed(1);

/** A number of bytes in the unit that suits it, as the language writes it. */
function sizeOf(bytes) {
  const [unit, one] = UNITS.findLast((unit) => bytes >= unit[1]) ?? UNITS[0];
  return new Intl.NumberFormat(language, { style: "unit", unit, maximumSignificantDigits: 3 }).format(bytes / one);
}

function made(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function say(id, sentence, kind = "") {
  at(id).textContent = sentence;
  at(id).className = `status ${kind}`;
}

/** The answer to a request; throws an Error whose message is the server's sentence. */
async function ask(path, options = {}) {
  const headers = { "Accept-Language": language, ...options.headers };
  const answer = await fetch(here(path), { ...options, headers }).catch((error) => {
    throw error.name === "AbortError" ? error : new Error(text("web.unreachable"));
  });
  if (!answer.ok) {
    const refusal = await answer.json().catch(() => ({}));
    const error = new Error(refusal.message ?? text("web.unreachable"));
    error.key = refusal.error;
    error.again = answer.status === 503 && Number(answer.headers.get("Retry-After"));
    throw error;
  }
  return answer;
}

const json = async (path, options) => (await ask(path, options)).json();

// Language

async function speak() {
  const page = await json("/page");
  ({ texts, limits, language, endings, clips, system_folders: systemFolders, id_photos: idPhotos } = page);
  at("photo").accept = at("room").accept = endings.join(",");
  at("photos").accept = [...endings, ...clips].join(",");
  document.documentElement.lang = language;
  document.title = text("web.title");
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
  for (const element of document.querySelectorAll("[data-alt]")) element.alt = text(element.dataset.alt);
  const choices = Object.entries(page.languages).map(([lang, name]) => made("option", { value: lang, lang, textContent: name }));
  at("language").replaceChildren(...choices);
  at("language").value = language;
  const chosen = values();
  declaration = await json("/controls");
  drawControls();
  restore(chosen);
  drawFolders();
  single.tell();
  single.note();
  batch.draw();
  if (!at("about").hidden) await about();
}

at("language").addEventListener("change", () => {
  language = at("language").value;
  speak().catch((error) => say("status", error.message, "bad"));
});

// Tabs

const tabs = [...document.querySelectorAll("[role=tab]")];

function openTab(tab) {
  for (const other of tabs) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", chosen);
    other.tabIndex = chosen ? 0 : -1;
    at(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  at("work").hidden = tab.id === "tab-about";
  showControls();
  if (tab.id === "tab-about") about().catch((error) => say("model-status", error.message, "bad"));
}

for (const tab of tabs) tab.addEventListener("click", () => openTab(tab));
at("tabs").addEventListener("keydown", (event) => {
  const steps = { ArrowRight: 1, ArrowLeft: -1 };
  const places = { Home: 0, End: tabs.length - 1 };
  const place = places[event.key] ?? (tabs.indexOf(document.activeElement) + steps[event.key] + tabs.length) % tabs.length;
  if (!(place >= 0)) return;
  event.preventDefault();
  openTab(tabs[place]);
  tabs[place].focus();
});

// Options, out of the declaration

const everyControl = () => declaration.groups.flatMap((group) => group.controls);
const field = (name) => at(`control-${name}`);

function drawControls() {
  at("controls").replaceChildren(
    ...declaration.groups.map((group) =>
      made("fieldset", {}, made("legend", { textContent: group.label }), ...group.controls.map(drawn)),
    ),
  );
  const none = made("option", { value: "", textContent: text("web.preset_none") });
  at("preset").replaceChildren(none, ...declaration.presets.map(({ name, label }) => made("option", { value: name, textContent: label })));
}

function drawn(control) {
  const id = `control-${control.name}`;
  const label = made("label", { htmlFor: id, textContent: control.label });
  const tip = made("small", { id: `${id}-tip`, textContent: control.tip });
  const line = made("div", { className: "line" });
  const box = made("div", { className: `control ${control.kind}` }, label, line, tip);
  box.dataset.control = control.name;
  let input;
  if (control.kind === "choice" || control.kind === "model") {
    input = made("select", {}, ...control.choices.map((choice) => made("option", { value: choice.value, textContent: choice.label })));
  } else if (control.kind === "switch") {
    input = made("input", { type: "checkbox" });
  } else if (control.kind === "colour") {
    input = made("input", { type: "color" });
  } else if (control.kind === "image") {
    input = made("input", { type: "file", accept: "image/*" });
  } else {
    input = made("input", { type: "number", min: control.minimum, max: control.maximum, step: 1 });
    if (control.maximum <= 255) line.append(sliderFor(input, control));
  }
  input.id = id;
  input.setAttribute("aria-describedby", tip.id);
  line.append(input);
  if (control.unit) line.append(control.unit);
  return box;
}

/** A slider beside a number: for the mouse alone, since the number says it all to a keyboard. */
function sliderFor(number, control) {
  const slider = made("input", { type: "range", min: control.minimum, max: control.maximum, step: control.step, tabIndex: -1 });
  slider.setAttribute("aria-hidden", "true");
  slider.addEventListener("input", () => {
    number.value = slider.value;
  });
  number.slider = slider;
  number.addEventListener("input", () => {
    slider.value = number.value;
  });
  return slider;
}

function put(control, value) {
  const input = field(control.name);
  if (control.kind === "switch") input.checked = value;
  else if (control.kind !== "image") input.value = value;
  if (input.slider) input.slider.value = value;
}

/** What the options say: a value by each control's name. A number that isn't one counts as the nearest that is. */
function values() {
  return Object.fromEntries(
    everyControl().map((control) => {
      const input = field(control.name);
      if (control.kind === "switch") return [control.name, input.checked];
      if (control.kind === "image") return [control.name, input.files[0] ?? null];
      if (control.kind !== "integer") return [control.name, input.value];
      const number = Number.isFinite(input.valueAsNumber) ? Math.round(input.valueAsNumber) : control.default;
      return [control.name, Math.min(control.maximum, Math.max(control.minimum, number))];
    }),
  );
}

/** Put earlier values, or the defaults where there are none. */
function restore(chosen) {
  for (const control of everyControl()) {
    if (control.kind !== "image") put(control, chosen[control.name] ?? control.default);
    else if (chosen[control.name]) {
      const files = new DataTransfer();
      files.items.add(chosen[control.name]);
      field(control.name).files = files.files;
    }
  }
  showControls();
}

function showControls() {
  const chosen = values();
  for (const control of everyControl()) {
    const elsewhere = control.only_jobs && !at("single").hidden;
    field(control.name).closest(".control").hidden = elsewhere || !applies(control, chosen);
  }
}

/** Whether a control does anything with these values of the others. */
function applies(control, chosen) {
  const [other, wanted] = control.shown_when ?? [];
  const [deciding, useless] = control.hidden_when ?? [];
  return (!other || chosen[other] === wanted) && !(deciding && chosen[deciding] === useless);
}

/** A form of every option that this request takes, and of the empty room. */
function formOf(forJob) {
  const form = new FormData();
  for (const control of everyControl()) {
    const value = values()[control.name];
    if (value !== null && (forJob || !control.only_jobs)) form.append(control.name, value);
  }
  const [room] = at("room").files;
  if (room) form.append("room", room, room.name);
  return form;
}

at("controls").addEventListener("submit", (event) => event.preventDefault());
at("controls").addEventListener("input", () => {
  at("preset").value = "";
  showControls();
  optionsChanged();
});
at("preset").addEventListener("change", () => {
  const preset = declaration.presets.find(({ name }) => name === at("preset").value);
  if (preset) restore({ ...values(), ...preset.values });
  optionsChanged();
});
at("reset").addEventListener("click", () => {
  at("preset").value = "";
  for (const control of everyControl()) if (control.kind === "image") field(control.name).value = "";
  restore({});
  optionsChanged();
});

function roomChanged() {
  at("forget-room").hidden = !at("room").files.length;
  optionsChanged();
}

at("room").addEventListener("change", roomChanged);
at("forget-room").addEventListener("click", () => {
  at("room").value = "";
  roomChanged();
  at("room").focus(); // the button is gone
});

function optionsChanged() {
  single.later();
  batch.draw();
}

/** The names of the options that clips are cut out without, as they are now. */
function notOfClips() {
  const chosen = values();
  return everyControl()
    .filter((control) => applies(control, chosen) && control.photos_only.includes(chosen[control.name]))
    .map(({ name }) => name);
}

// One photo

const single = {
  photo: null,
  strokes: null, // what was painted on the photo, a picture
  sample: "", // what there is to say of the sample's touch-up, until it is opened
  request: null,
  timer: 0,
  state: null, // [key, values] of the status line, said anew in another language
  kind: "", // of this line
  enlarged: null, // the size of an ID photo that has more pixels than the photo that it was made of
  notes: [], // what else there is to say
  pictures: {}, // address of each picture that has been fetched for the present options

  choose(photo, strokes = null, sample = "") {
    if (!photo) return;
    if (endsWithOneOf(photo.name, clips)) {
      openTab(at("tab-batch"));
      batch.add([photo], photo.name);
      return;
    }
    if (photo.size > limits.upload_bytes) {
      this.request?.abort();
      this.photo = null;
      this.tell(["web.too_large", { name: photo.name, limit: limits.upload_bytes / MEGABYTE }], "bad");
      this.hideOther();
      return;
    }
    this.photo = photo;
    this.strokes = strokes;
    this.sample = sample;
    this.run();
  },

  tell(state = this.state, kind = state === this.state ? this.kind : "") {
    Object.assign(this, { state, kind });
    if (!state) return;
    say("status", text(...state), kind);
    at("paint-in").hidden = true;
  },

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.run(), TYPING);
  },

  /** A form of the photo with its options. */
  form() {
    const form = formOf(false);
    form.append("image", this.photo, this.photo.name);
    if (this.strokes) form.append("touch_up", this.strokes, `${plainName(this.photo.name)}.touch-up.png`);
    return form;
  },

  async picture(output, signal) {
    const form = this.form();
    form.append("output", output);
    for (;;) {
      try {
        const answer = await ask("/remove_background", { method: "POST", body: form, signal });
        this.notes = JSON.parse(answer.headers.get("CVMatte-Notes") ?? "[]");
        return await answer.blob();
      } catch (error) {
        if (!error.again) throw error;
        await new Promise((resolve) => setTimeout(resolve, Math.max(BUSY_WAIT, error.again * 1000)));
        signal.throwIfAborted();
      }
    }
  },

  async run() {
    clearTimeout(this.timer);
    if (!this.photo) return;
    this.request?.abort();
    const request = (this.request = new AbortController());
    const begun = performance.now();
    this.tell(["web.working", { name: this.photo.name }], "busy");
    try {
      const layer = await this.picture("layer", request.signal);
      if (request.signal.aborted) return;
      for (const address of Object.values(this.pictures)) URL.revokeObjectURL(address);
      this.pictures = { layer: URL.createObjectURL(layer) };
      this.shown = this.photo;
      this.blob = layer;
      at("layer").src = at("download").href = this.pictures.layer;
      at("download").download = `${plainName(this.photo.name)}-cutout${suffixOf(layer)}`;
      await at("layer").decode().catch(() => {});
      if (request.signal.aborted) return;
      at("shown").hidden = false;
      const { naturalWidth: width, naturalHeight: height } = at("layer");
      const seconds = (performance.now() - begun) / 1000;
      const known = { name: this.photo.name, width, height, seconds: seconds.toFixed(1) };
      this.tell([seconds < AT_ONCE ? "web.ready_at_once" : "web.ready", known]);
      await Promise.all([this.view(), this.warn(request.signal)]);
    } catch (error) {
      if (error.name !== "AbortError") this.failed(error);
    }
  },

  /** See whether an ID photo has more pixels than the photo that it was made of. */
  async warn(signal) {
    const [width, height] = idPhotos[values().id_photo] ?? [0, 0];
    // null: of a kind that browsers don't know
    const photo = width ? await createImageBitmap(this.photo).catch(() => null) : null;
    if (signal.aborted) return;
    this.enlarged = photo && (photo.width < width || photo.height < height) ? { width, height } : null;
    photo?.close();
    this.note();
  },

  note() {
    const said = this.notes.map(({ note, message }) => texts[note] ?? message);
    at("note").textContent = [...said, this.enlarged && text("web.enlarged", this.enlarged), this.sample && text(this.sample)].filter(Boolean).join(" ");
  },

  /** button: what was pressed, which has the focus again afterwards. */
  async touchUp(button) {
    button.disabled = true;
    const editor = new Editor(at("editor"), texts, language, async () => {
      const answer = await ask(`${editor.address}/strokes`);
      this.strokes = await answer.blob();
      this.sample = "";
      this.leave(editor, button);
      this.run();
    });
    try {
      const form = this.form();
      const given = this.sample && this.strokes; // nobody's own: it comes as a stroke that can be undone
      if (given) form.delete("touch_up");
      const opened = await json("/touch_ups", { method: "POST", body: form });
      at("editor").hidden = false;
      for (const part of ["header", "main"]) document.querySelector(part).inert = true;
      await editor.open(opened.id);
      if (given && !editor.painted) await editor.whole("PUT", "/strokes", given);
    } catch (error) {
      this.leave(editor, button);
      this.failed(error);
    } finally {
      button.disabled = false;
    }
  },

  leave(editor, button) {
    editor.close();
    at("editor").hidden = true;
    for (const part of ["header", "main"]) document.querySelector(part).inert = false;
    button.focus();
  },

  failed(error) {
    this.state = null;
    const sentence = error.key === "nobody_found" ? text("state.nobody_found", { name: this.photo.name }) : error.message;
    say("status", sentence, "bad");
    this.hideOther();
    at("paint-in").hidden = !TO_PAINT.includes(error.key) || !at("shown").hidden; // a result has its own button
  },

  /** What is shown of another photo would be taken for this one's. */
  hideOther() {
    if (this.shown !== this.photo) at("shown").hidden = true;
  },

  /** Only PNG is a picture that every clipboard knows. */
  async copy() {
    const png = this.blob.type === "image/png" ? this.blob : await asPng(at("layer"));
    await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
    this.tell(["web.copied"]);
  },

  /** Show the chosen view; its pictures are fetched when they are first looked at. */
  async view() {
    const chosen = () => document.querySelector("[name=view]:checked").value;
    const view = chosen();
    const needed = { alpha: "mask", compare: "photo" }[view];
    if (needed && !this.pictures[needed] && this.pictures.layer) {
      const pictures = this.pictures;
      const blob = await this.picture(needed, this.request.signal);
      if (pictures !== this.pictures) return;
      pictures[needed] = URL.createObjectURL(blob);
    }
    if (this.pictures.mask) at("mask").src = at("download-mask").href = this.pictures.mask;
    if (view === "alpha") {
      await at("mask").decode().catch(() => {}); // until then it has no size, and would shift what is below
      if (view !== chosen()) return;
    }
    if (this.pictures.photo) at("before").src = this.pictures.photo;
    at("download-mask").download = `${plainName(this.photo?.name ?? "")}-cutout-mask.png`;
    at("download-mask").hidden = view !== "alpha";
    at("layer").hidden = view === "alpha";
    at("mask").hidden = view !== "alpha";
    for (const id of ["before", "divider", "divide"]) at(id).hidden = view !== "compare";
  },
};

function asPng(picture) {
  const canvas = made("canvas", { width: picture.naturalWidth, height: picture.naturalHeight });
  canvas.getContext("2d").drawImage(picture, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

for (const id of ["touch-up", "paint-in"]) at(id).addEventListener("click", () => single.touchUp(at(id)));
at("copy").hidden = !navigator.clipboard?.write; // a browser has it for this computer's own pages, and for HTTPS
at("copy").addEventListener("click", () => single.copy().catch(() => single.tell(["web.not_copied"], "bad")));
at("zoom").addEventListener("change", () => at("frame").classList.toggle("zoomed", at("zoom").checked));
async function trySample() {
  const [photo, strokes] = await Promise.all(["/static/sample.jpg", "/sample_strokes"].map(async (path) => (await ask(path)).blob()));
  const file = new File([photo], "sample.jpg", { type: photo.type });
  if (strokes.size) single.choose(file, strokes, "web.sample_touched_up");
  else single.choose(file, null, "web.sample_as_left");
}

at("sample").addEventListener("click", () => trySample().catch((error) => single.failed(error)));
at("photo").addEventListener("change", () => {
  single.choose(at("photo").files[0]);
  at("photo").value = ""; // so that the same photo can be chosen again
});
for (const radio of document.querySelectorAll("[name=view]")) {
  radio.addEventListener("change", () => single.view().catch((error) => error.name !== "AbortError" && single.failed(error)));
}
const divide = () => at("picture").style.setProperty("--at", `${at("divide").value}%`);
at("divide").addEventListener("input", divide);
at("picture").addEventListener("pointermove", (event) => {
  if (at("divide").hidden || !(event.buttons & 1)) return;
  const box = at("before").getBoundingClientRect();
  at("divide").value = (100 * (event.clientX - box.left)) / box.width;
  divide();
});
at("picture").addEventListener("dragstart", (event) => event.preventDefault());
document.addEventListener("paste", (event) => {
  const pasted = [...(event.clipboardData?.files ?? [])];
  if (!pasted.length) {
    if (!at("single").hidden) single.tell(["web.no_picture"], "bad");
    return;
  }
  if (!at("batch").hidden && pasted.length > 1) batch.add(pasted);
  else {
    openTab(at("tab-single"));
    single.choose(pasted[0]);
  }
});

// Many photos

const batch = {
  files: [],
  job: null,
  items: [],
  upload: null, // while it runs
  percent: 0,
  error: "",
  leftOut: [], // names of files that were neither
  moved: "", // the name of a clip that was given where one photo goes
  unfit: [], // names of the job's options that its clips are cut out without

  get busy() {
    return Boolean(this.upload) || ["waiting", "running"].includes(this.job?.state);
  },

  add(files, moved = "") {
    if (this.busy) return;
    const pictures = files.filter((file) => endsWithOneOf(file.name, [...endings, ...clips]));
    if (this.job) this.clear();
    this.files.push(...pictures);
    this.leftOut = files.filter((file) => !pictures.includes(file)).map(({ name }) => name);
    this.moved = moved;
    this.error = "";
    if (this.files.length > limits.files) this.error = text("web.too_many", { limit: limits.files });
    const bytes = this.files.reduce((sum, file) => sum + file.size, 0);
    if (bytes > limits.batch_bytes) {
      this.error = text("web.too_large", { name: text("web.photos"), limit: limits.batch_bytes / MEGABYTE });
    }
    this.draw();
  },

  clear() {
    if (this.job) ask(`/jobs/${this.job.id}`, { method: "DELETE" }).catch(() => {});
    Object.assign(this, { files: [], job: null, items: [], error: "", leftOut: [], moved: "" });
    this.draw();
  },

  start(folder) {
    const form = formOf(true);
    if (folder) {
      form.append("recursive", at("server-recursive").checked);
      if (this.job) this.clear();
      this.files = [];
      form.append("folder", folder);
    } else {
      const { files } = this;
      if (this.job) this.clear();
      this.files = files;
      for (const file of files) form.append("images", file, file.name);
    }
    this.error = "";
    this.unfit = notOfClips();
    this.percent = 0;
    // Not fetch: it doesn't tell how much has been sent.
    const upload = (this.upload = new XMLHttpRequest());
    upload.open("POST", here("/jobs"));
    upload.setRequestHeader("Accept-Language", language);
    upload.responseType = "json";
    upload.upload.addEventListener("progress", (event) => {
      this.percent = Math.round((100 * event.loaded) / event.total);
      this.draw();
    });
    upload.addEventListener("loadend", () => {
      this.upload = null;
      if (upload.status === 202) this.follow(upload.response);
      else if (!this.stopped) this.error = upload.response?.message ?? text("web.unreachable");
      this.stopped = false;
      this.draw();
    });
    upload.send(form);
    this.draw();
  },

  follow(job) {
    this.take(job);
    const events = new EventSource(here(`/jobs/${job.id}/events?language=${language}`));
    events.addEventListener("message", (event) => {
      if (this.job?.id !== job.id) events.close();
      else this.take(JSON.parse(event.data));
      if (!this.busy) events.close();
    });
    events.addEventListener("error", () => {
      if (events.readyState !== EventSource.CLOSED) return; // it tries again by itself
      this.job = null;
      this.error = text("web.unreachable");
      this.draw();
    });
  },

  take(job) {
    this.job = job;
    for (const item of job.items) this.items[item.number] = item;
    this.draw();
  },

  cancel() {
    this.stopped = Boolean(this.upload);
    this.upload?.abort();
    if (this.busy && this.job) ask(`/jobs/${this.job.id}`, { method: "DELETE" }).catch((error) => this.failed(error));
  },

  failed(error) {
    this.error = error.message;
    this.draw();
  },

  sentence() {
    if (this.error) return this.error;
    if (this.upload) return text("web.uploading", { percent: this.percent });
    if (this.job?.message && this.job.state === "failed") return this.job.message;
    if (this.job?.state === "done") return text("web.all_done", this.job);
    if (this.job?.state === "cancelled") return text("web.was_cancelled", this.job);
    if (this.job) return text("web.progress", this.job);
    const count = this.files.length;
    const size = sizeOf(this.files.reduce((sum, file) => sum + file.size, 0));
    const chosen = { 0: "web.chosen_none", 1: "web.chosen_one" }[count] ?? "web.chosen";
    return [this.moved && text("web.clip_here", { name: this.moved }), text(chosen, { count, size }), this.sentenceOfLeftOut()].filter(Boolean).join(" ");
  },

  sentenceOfLeftOut() {
    const { length } = this.leftOut;
    if (!length) return "";
    const names = this.leftOut.slice(0, NAMED).join(", ");
    return text("web.left_out", { names: length > NAMED ? `${names}, … (${length})` : names });
  },

  draw() {
    const isBad = this.error || this.job?.state === "failed";
    const sentence = this.sentence();
    if (at("batch-status").textContent !== sentence) say("batch-status", sentence, isBad ? "bad" : this.busy ? "busy" : "");
    const over = this.job && !this.busy;
    at("start").disabled = this.busy || !this.files.length || Boolean(this.error && this.files.length > limits.files);
    at("start").hidden = Boolean(over && !this.files.length); // a folder of the server has its own button
    at("start").textContent = text(over ? "web.start_again" : "web.start");
    at("start-folder").disabled = this.busy;
    at("cancel").hidden = !this.busy;
    at("clear").hidden = this.busy || !(this.files.length || this.job);
    at("archive").hidden = !(over && this.job.archive);
    if (this.job?.archive) at("archive").href = here(this.job.archive);
    at("batch-progress").hidden = !this.busy;
    const share = this.items.reduce((sum, item) => sum + (["done", "failed"].includes(item.state) ? 1 : item.progress), 0);
    at("batch-progress").value = this.upload ? this.percent : (100 * share) / Math.max(1, this.items.length);
    const rows = this.job ? this.items : this.files.map((file) => ({ name: file.name, state: "waiting", kind: endsWithOneOf(file.name, clips) ? "clip" : "photo" }));
    const unfit = this.job ? this.unfit : notOfClips();
    while (at("list").children.length > rows.length) at("list").lastChild.remove();
    rows.forEach((item, number) => this.drawRow(item, number, item.kind === "clip" ? unfit : []));
  },

  /** Only a row that changed: so that what has the focus keeps it. unfit: names of options that do nothing for it. */
  drawRow(item, number, unfit) {
    const look = JSON.stringify([item, unfit, language]);
    const old = at("list").children[number];
    if (old?.look === look) return;
    const kinds = { done: "good", failed: "bad" };
    const states = {
      waiting: text("web.state_waiting"),
      running: text("web.state_running"),
      done: text("web.state_done"),
      failed: text("web.state_failed"),
      cancelled: text("web.state_cancelled"),
    };
    const state = made("span", {}, made("span", { className: kinds[item.state] ?? "", textContent: states[item.state] }));
    if (item.result) state.append(made("a", { href: here(item.result), download: "", textContent: text("web.download"), ariaLabel: `${text("web.download")}: ${item.name}` }));
    if (item.mask) state.append(made("a", { href: here(item.mask), download: "", textContent: text("web.mask"), ariaLabel: `${text("web.mask")}: ${item.name}` }));
    const row = made("li", { look }, thumbnail(item), made("span", { className: "name", textContent: item.name }), state);
    if (item.state === "running") row.append(made("progress", { max: 1, value: item.progress, ariaLabel: item.name }));
    if (item.message) row.append(made("span", { className: "message bad", textContent: item.message }));
    for (const { message } of item.notes ?? []) row.append(made("span", { className: "message", textContent: message }));
    if (unfit.length && item.state !== "failed") {
      const labels = everyControl().filter(({ name }) => unfit.includes(name)).map(({ label }) => label);
      row.append(made("span", { className: "message", textContent: text("web.not_of_clips", { options: labels.join(", ") }) }));
    }
    if (old) old.replaceWith(row);
    else at("list").append(row);
  },
};

function thumbnail(item) {
  if (!item.result) return made("span", { className: "thumbnail" });
  const src = here(item.result);
  if (item.kind !== "clip") return made("img", { className: "thumbnail", src, alt: "", loading: "lazy" });
  const video = made("video", { className: "thumbnail", src, muted: true, loop: true, autoplay: true, playsInline: true });
  video.setAttribute("aria-hidden", "true");
  return video;
}

for (const id of ["photos", "folder"]) {
  at(id).addEventListener("change", () => {
    batch.add([...at(id).files].filter((file) => !file.webkitRelativePath.split("/").slice(1).some(isHidden)));
    at(id).value = "";
  });
}
at("start").addEventListener("click", () => batch.start());
at("cancel").addEventListener("click", () => batch.cancel());
at("clear").addEventListener("click", () => batch.clear());
at("server").addEventListener("submit", (event) => {
  event.preventDefault();
  batch.start(at("server-folder").value);
});

let open = false; // whether the server offers folders
let folders = [];

function drawFolders() {
  at("server").hidden = !open;
  const chosen = at("server-folder").value;
  const titleOf = (name) => (name === "." ? text("web.root") : name);
  at("server-folder").replaceChildren(...folders.map((name) => made("option", { value: name, textContent: titleOf(name) })));
  if (chosen) at("server-folder").value = chosen;
}

// Dropping

/** Every file of what was dropped, folders walked through. */
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const walk = async (entry) => {
    if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
    const reader = entry.createReader();
    const found = [];
    for (;;) {
      const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // a hundred at most
      if (!part.length) return found;
      for (const child of part) if (!isHidden(child.name)) found.push(...(await walk(child)));
    }
  };
  return (await Promise.all(entries.map(walk))).flat();
}

function takeDrops(id, take) {
  const zone = at(id);
  zone.addEventListener("dragover", () => zone.classList.add("over"));
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => {
    zone.classList.remove("over");
    take(await filesOf(event.dataTransfer));
  });
}

takeDrops("drop", (files) => (files.length > 1 ? (openTab(at("tab-batch")), batch.add(files)) : single.choose(files[0])));
takeDrops("drop-many", (files) => batch.add(files));
// Beside the zones a file would take the page's place.
for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());

// About

async function about() {
  const [models, told] = await Promise.all([json("/models"), json("/diagnose")]);
  at("models").replaceChildren(...models.map(drawModel));
  const rows = [
    ["CVMatte", told.cvmatte],
    ["Python", told.python],
    ["ONNX Runtime", told.onnxruntime],
    ["OpenCV", told.opencv],
    ["NumPy", told.numpy],
    ["Pillow", told.pillow],
    [text("web.device"), told.runs_on || text("web.not_loaded")],
    [text("web.cores"), told.cores],
    [text("web.memory"), `${(told.memory_bytes / 1e9).toFixed(1)} GB`],
    [text("web.platform"), told.platform],
  ];
  at("versions").replaceChildren(...rows.flatMap(([name, value]) => [made("dt", { textContent: name }), made("dd", { textContent: value })]));
}

function drawModel(model) {
  const state = model.installed
    ? made("span", { className: "good", textContent: text("web.installed", { megabytes: megabytes(model.size_bytes) }) })
    : made("button", { type: "button", textContent: text("web.install"), ariaLabel: text("web.install_named", { model: model.title }) });
  if (!model.installed) state.addEventListener("click", () => install(model, state));
  const licence = [model.installed ? "" : text("web.not_installed"), text("web.licence", model)].filter(Boolean).join(" · ");
  const about = [model.good_at, model.costs].filter(Boolean).join(" ");
  return made(
    "li", {}, made("strong", { textContent: model.title }), state,
    made("span", { className: "licence", textContent: licence }), made("span", { className: "licence", textContent: about }),
  );
}

async function install(model, button) {
  button.disabled = true;
  say("model-status", `${model.title}: ${text("web.installing")}`, "busy");
  try {
    const job = await json(`/models/${model.name}/install`, { method: "POST" });
    at("model-cancel").onclick = () => ask(`/jobs/${job.id}`, { method: "DELETE" }).catch((error) => say("model-status", error.message, "bad"));
    const events = new EventSource(here(`/jobs/${job.id}/events?language=${language}`));
    events.addEventListener("message", (event) => {
      const { state, message, fetched_bytes: done, total_bytes: total } = JSON.parse(event.data);
      if (["waiting", "running"].includes(state)) {
        if (total) drawFetched(done, total);
        return;
      }
      events.close();
      at("model-fetched").hidden = true;
      const ended = text(state === "cancelled" ? "web.state_cancelled" : "web.state_done");
      say("model-status", message ?? `${model.title}: ${ended}`, state === "failed" ? "bad" : "");
      button.disabled = false;
      about().catch((error) => say("model-status", error.message, "bad"));
    });
  } catch (error) {
    button.disabled = false;
    say("model-status", error.message, "bad");
  }
}

// Apart from the status, so that a screen reader doesn't say every megabyte.
function drawFetched(done, total) {
  const [bar, line] = at("model-fetched").children;
  bar.value = done / total;
  line.textContent = text("models.fetched", { done: megabytes(done), total: megabytes(total) });
  at("model-fetched").hidden = false;
}

// Columns taller than the window come to rest with their ends at its end: one scrollbar moves them all, and the picture
// stays beside its options. See style.css.

const columns = new ResizeObserver((entries) => {
  for (const { target } of entries) target.style.setProperty("--height", `${target.offsetHeight}px`);
});
for (const column of [document.querySelector(".stage"), at("options")]) columns.observe(column);

// The beginning

try {
  await speak();
  at("options").open = matchMedia("(min-width: 56rem)").matches;
  ({ open, folders } = await json("/folders"));
  drawFolders();
  document.body.dataset.ready = "true";
} catch (error) {
  say("status", error.message, "bad");
}
