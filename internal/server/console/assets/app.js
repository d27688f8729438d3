// What pages do besides being read: they stay fresh, and listen to keys. All of them work
// without this.
const policy = globalThis.trustedTypes?.createPolicy("sendoff", { createHTML: text => text });
const root = document.documentElement;
root.classList.add("scripted");

const main = () => document.getElementById("main");
const say = text => { document.getElementById("told").textContent = text; };
const typing = el => el && (el.tagName === "INPUT" && el.type !== "checkbox" || el.tagName === "TEXTAREA" || el.tagName === "SELECT");

// Live: the page is asked for again, and what is new takes the place of what was there,
// unless somebody is at work in it.
let on = sessionStorage.getItem("live") !== "off";
let failed = 0;
let shown = main().innerHTML;

const atWork = () => document.hidden || typing(document.activeElement) && main().contains(document.activeElement)
  || main().querySelector("input[type=checkbox]:checked, .sure[open], #save[open]") || !getSelection().isCollapsed;

async function refresh() {
  if (!on || atWork()) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.status === 401) { location.reload(); return; }
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    failed = 0;
    root.classList.remove("stale");
    const page = new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html").getElementById("main");
    page.querySelector(".did")?.remove();
    if (atWork() || page.innerHTML === shown) return;
    shown = page.innerHTML;
    put(page);
  } catch {
    if (++failed >= 3) root.classList.add("stale");
  }
}

// put shows what came, with what was open and in focus as it was.
function put(page) {
  for (const was of main().querySelectorAll("details[id]")) {
    const now = page.querySelector("#" + CSS.escape(was.id));
    if (now) now.open = was.open;
  }
  const at = document.activeElement?.closest?.("tr[id]")?.id;
  const row = here()?.id;
  main().replaceChildren(...document.adoptNode(page).childNodes);
  if (row) mark(document.getElementById(row), false);
  if (at) document.getElementById(at)?.querySelector("a")?.focus({ preventScroll: true });
}

// The server says when something has changed. When it has not been heard of for a while,
// the page is asked for now and then.
const period = Number(main().dataset.live);
const quiet = 8000;
let heard = Date.now() - quiet + 3000;
let stream;
function listen() {
  stream?.close();
  stream = undefined;
  if (!on || !period || document.hidden) return;
  stream = new EventSource(root.dataset.base + "/live?topics=" + encodeURIComponent(main().dataset.topics));
  stream.addEventListener("change", () => { heard = Date.now(); refresh(); });
}
if (period) setInterval(() => { if (Date.now() - heard > quiet) refresh(); }, period * 1000);
document.addEventListener("visibilitychange", () => { listen(); refresh(); });
addEventListener("pagehide", () => stream?.close());

const liveSwitch = document.querySelector("[data-live-switch]");
function setLive(now) {
  on = now;
  sessionStorage.setItem("live", on ? "on" : "off");
  liveSwitch?.setAttribute("aria-pressed", String(on));
  if (liveSwitch) liveSwitch.textContent = on ? "Live: on" : "Live: off";
  listen();
}
setLive(on);
liveSwitch?.addEventListener("click", () => { setLive(!on); say(on ? "Live" : "Not live"); });

document.querySelector("[data-theme-switch]")?.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = "sendoff_theme=" + root.dataset.theme + ";path=/;max-age=31536000;samesite=lax";
});

document.querySelector("[data-zone-here]")?.addEventListener("click", () => { document.getElementById("zone").value = Intl.DateTimeFormat().resolvedOptions().timeZone; });

// Keys.
const rows = () => [...main().querySelectorAll("tbody tr[id]")];
const here = () => main().querySelector("tr.here");
function mark(row, scroll = true) {
  here()?.classList.remove("here");
  if (!row) return;
  row.classList.add("here");
  if (scroll) {
    row.scrollIntoView({ block: "nearest" });
    row.querySelector("a")?.focus({ preventScroll: true });
  }
}
function step(by) {
  const all = rows();
  const at = all.indexOf(here());
  mark(all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + by))]);
}

const places = { o: "/", t: "/tasks", f: "/failures", g: "/graphs", q: "/queues", s: "/schedules", l: "/limits", e: "/endpoints", n: "/nodes", a: "/actions" };
let going = 0;
addEventListener("keydown", event => {
  if (root.dataset.keys === "off" || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const key = event.key;
  if (Date.now() - going < 1500 && places[key]) { location.href = root.dataset.base + places[key]; return; }
  going = key === "g" ? Date.now() : 0;
  const act = {
    "/": () => (document.getElementById("filter") ?? document.querySelector(".find input"))?.focus(),
    "?": () => { location.href = root.dataset.base + "/help"; },
    j: () => step(1), k: () => step(-1),
    x: () => here()?.querySelector("input[type=checkbox]")?.click(),
    l: () => liveSwitch?.click(),
  }[key];
  if (act) { event.preventDefault(); act(); }
});
