// The page that OBS opens: the editor alone. The link's fragment says which photo, in which language, and "zones" where
// it is a still of a live portrait whose zones are painted.

import { Editor } from "./touch-up.js";

const [id, language = "", of = ""] = location.hash.slice(1).split(".");
const headers = { "Accept-Language": language || navigator.languages.join(",") };

try {
  const page = await (await fetch(`page?${new URLSearchParams({ of })}`, { headers })).json();
  document.documentElement.lang = page.language;
  const editor = new Editor(document.getElementById("touch-up"), page.texts, page.language, null, of === "zones");
  await editor.open(id);
  document.title = `${editor.photo.name} – CVMatte`;
} catch (error) {
  document.getElementById("touch-up").append(Object.assign(document.createElement("p"), { className: "status bad", role: "alert", textContent: error.message }));
}
document.body.dataset.ready = "true";
