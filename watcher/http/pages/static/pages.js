// The pages work without this. With it, what changes is refreshed in place, times stay true, and keys lead around.
"use strict";

const silent = document.getElementById("silent");
const every = Number(document.body.dataset.refresh || 0) * 1000;
const FOCUSABLE = "a[href], button, input, select, [tabindex]";

/** How far away a time is, as the service writes it. */
function ago(at, now) {
  const seconds = (now - at) / 1000;
  const away = Math.abs(seconds);
  const told = (text) => (seconds > 0 ? `${text} ago` : `in ${text}`);
  for (const [unit, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (away >= unit) return told(`${Math.round(away / unit)} ${name}`);
  }
  return away < 5 ? "now" : told(`${Math.round(away)} s`);
}

function tellTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const text = ago(Date.parse(time.dateTime), Date.now());
    const place = time.querySelector(".ago");
    if (place && place.textContent !== text) place.textContent = text;
  }
}

/** Puts a part's new content in its place; whoever is in the middle of it stays there. */
function renew(part, fresh) {
  if (part.innerHTML === fresh.innerHTML && part.className === fresh.className) return;
  const inside = part.contains(document.activeElement);
  if (inside && document.activeElement.matches("input, select")) return;
  const place = inside ? [...part.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement) : -1;
  const scrolled = [...part.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  part.className = fresh.className;
  part.replaceChildren(...fresh.childNodes);
  [...part.querySelectorAll(".scroll")].forEach((one, at) => { one.scrollLeft = scrolled[at] || 0; });
  if (place >= 0) part.querySelectorAll(FOCUSABLE)[place]?.focus({ preventScroll: true });
}

let underWay = false;

async function refresh() {
  if (underWay || document.hidden) return;
  underWay = true;
  try {
    const answer = await fetch(location.href, { headers: { "X-Refreshing": "1" }, redirect: "manual" });
    if (answer.type === "opaqueredirect") {
      location.reload(); // the visit has ended: the page leads to where one signs in
      return;
    }
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(part.id);
      if (fresh) renew(part, fresh);
    }
    document.title = page.title;
    silent.hidden = true;
  } catch (error) {
    if (silent.hidden) {
      const at = new Date().toISOString().slice(11, 19);
      silent.textContent = `The service does not answer since ${at} UTC: what is shown is what was known then. Is it running?`;
      silent.hidden = false;
    }
  } finally {
    underWay = false;
  }
  tellTimes();
}

// Keys: one of them may be pressed by mistake, or by a voice, so they can be turned off.
const OFF = "session-watcher-keys-off";
const places = [...document.querySelectorAll("nav [data-key]")];
let led = 0;

/** What can be decided about. */
function items() {
  return [...document.querySelectorAll("[data-item]")];
}

/** Marks the next item, or the one before. */
function move(step) {
  const all = items();
  const at = all.indexOf(document.activeElement.closest("[data-item]"));
  all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + step))]?.focus();
}

/** Presses the marked item's button; where its text has warnings, only once they are confirmed. */
function decide(key) {
  const item = document.activeElement.closest("[data-item]");
  const confirmed = item?.querySelector("input[name=confirmed]");
  if (confirmed && !confirmed.checked) confirmed.focus();
  else item?.querySelector(`button[data-key=${key}]`)?.click();
}

function help() {
  const dialog = document.createElement("dialog");
  const rows = [
    ["/", "search"],
    ...places.map((place) => [`g ${place.dataset.key}`, place.textContent]),
    ...(every ? [["r", "refresh now"]] : []),
    ...(items().length ? [["j k", "next, previous item"], ["a r", "approve, reject the item that is marked"]] : []),
    ["?", "this list"],
  ];
  const table = document.createElement("table");
  for (const [keys, what] of rows) {
    const row = table.insertRow();
    const key = document.createElement("kbd");
    key.textContent = keys;
    row.insertCell().append(key);
    row.insertCell().textContent = what;
  }
  const heading = document.createElement("h2");
  heading.textContent = "Keyboard";
  const label = document.createElement("label");
  label.className = "check";
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = !localStorage.getItem(OFF);
  box.addEventListener("change", () => (box.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")));
  label.append(box, " These keys work");
  const close = document.createElement("button");
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.append(heading, table, label, close);
  dialog.setAttribute("aria-label", "Keyboard");
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem(OFF) || !places.length) return;
  if (event.target.matches("input:not([type=checkbox]), select, textarea") || document.querySelector("dialog[open]")) return;
  const after = Date.now() - led < 1500;
  led = 0;
  const place = after && places.find((one) => one.dataset.key === event.key);
  if (place) place.click();
  else if (event.key === "g") led = Date.now();
  else if (event.key === "r" && every) refresh();
  else if (items().length && "jk".includes(event.key)) move(event.key === "j" ? 1 : -1);
  else if (items().length && "ar".includes(event.key)) event.repeat || decide(event.key);
  else if (event.key === "?") help();
  else if (event.key === "/" && document.querySelector("[data-search]")) document.querySelector("[data-search]").focus();
  else return;
  event.preventDefault();
});

const keys = document.getElementById("keys");
if (keys) {
  keys.hidden = false;
  keys.addEventListener("click", help);
}

if (document.activeElement === document.body) document.getElementById("token")?.focus();

setInterval(tellTimes, 10000);
if (every) {
  setInterval(refresh, every);
  document.addEventListener("visibilitychange", refresh);
}
