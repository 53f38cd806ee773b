// The page of `gbaseg review`: the cases, what is decided of each, and the keys. The images are viewer.js's.
import { Saver } from "./saver.js";
import { coloursOf, source, WHITE } from "./scans.js";
import { Viewer } from "./viewer.js";

const byId = (id) => document.getElementById(id);
const SIGNS = { accepted: "✓", rejected: "✕", corrected: "✎" };
const MESSAGE_MS = 6000;

const page = { state: null, current: 0, timer: 0 };
const viewer = new Viewer({ canvas: byId("view"), source, white: WHITE, windowChanged: showWindow });
const saver = new Saver({ changed: showCase, told: showSaved, refused });

async function start() {
  // The key is in the cookie by now; in the address it would stay in the browser's history.
  history.replaceState(null, "", "/");
  await reload();
  const first = page.state.cases.findIndex((one) => !one.decision);
  select(Math.max(first, 0));
  await viewer.start(coloursOf(page.state.labels));
  select(page.current);
}

// ---- what the server knows ----

async function reload() {
  const answer = await fetch("/api/state");
  if (answer.status === 403) throw new Error("This page has no key: open the address that gbaseg review has printed.");
  if (!answer.ok) throw new Error((await answer.json()).error);
  page.state = await answer.json();
  [saver.mark, saver.revision] = [page.state.mark, page.state.revision];
  byId("cases").replaceChildren(...page.state.cases.map(row));
  byId("round").textContent = page.state.round;
  byId("learns").textContent = page.state.next ? `${page.state.next} learns from it` : "The last round: none learns from it";
  document.title = `${page.state.round} – gbaseg review`;
  page.state.cases.forEach((one) => showCase(one.case, one));
  showSaved(0, page.state.revision);
}

function refused(words, lost, gone) {
  const names = [...new Set(lost)].join(", ");
  const text = `${words}${names ? `\nNot saved: ${names}` : ""}`;
  if (gone) {
    lost.forEach((name) => showCase(name, { decision: null, was: null, state: "lost" }));
    message(`${text}\nStart gbaseg review again and open its new address.`, true, true);
    byId("saved").textContent = "not connected";
    byId("saved").classList.add("wrong");
    return;
  }
  const shown = () => {
    const first = page.state.cases.findIndex((one) => one.case === lost[0]);
    select(first >= 0 ? first : page.current);
    message(text, true);
  };
  reload().then(shown, (error) => message(`${text}\n${error.message}`, true, true));
}

// ---- what is shown ----

function row(one, number) {
  const button = document.createElement("button");
  button.className = "case";
  button.tabIndex = -1;
  button.append(document.createElement("i"), document.createElement("b"), document.createElement("em"));
  button.append(document.createElement("small"));
  button.children[1].textContent = one.case;
  const [doubts, facts] = [one.known.flatMap((k) => k.doubts), one.known.map(brief).join(" · ")];
  button.children[3].textContent = doubts.length ? doubts[0] : facts;
  button.children[3].classList.toggle("doubt", doubts.length > 0);
  button.addEventListener("click", () => select(number));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function brief(known) {
  const change = known.share >= 0.005 ? `, ${signed(known.change)} ml` : "";
  return `${known.ml.toFixed(2)} ml${known.folds === null ? "" : `, folds ${known.folds.toFixed(2)}`}${change}`;
}

const signed = (number) => `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(2)}`;

function showCase(name, found) {
  const number = page.state.cases.findIndex((one) => one.case === name);
  if (number < 0) return;
  const one = Object.assign(page.state.cases[number], found);
  const button = byId("cases").children[number].firstChild;
  button.className = `case ${one.decision ?? ""} ${one.state ?? ""}`;
  button.children[0].textContent = SIGNS[one.decision] ?? "·";
  button.children[2].textContent = one.state === "lost" ? "not saved" : (one.decision ?? (one.was ? "changed since" : ""));
  showProgress();
  if (number === page.current) showTitle();
}

function showProgress() {
  const kinds = page.state.cases.map((one) => one.decision).filter(Boolean);
  byId("count").textContent = `${kinds.length} of ${page.state.cases.length}`;
  for (const part of byId("bar").children) {
    const share = kinds.filter((kind) => kind === part.className).length / Math.max(page.state.cases.length, 1);
    part.style.width = `${100 * share}%`;
  }
}

function showTitle() {
  const one = page.state.cases[page.current];
  byId("case").textContent = one.case;
  byId("decision").textContent = one.decision ?? (one.was ? `was ${one.was}: the mask has changed since` : "not decided");
  byId("decision").className = `chip ${one.decision ?? ""}`;
  byId("facts").replaceChildren(...one.known.flatMap(facts));
  for (const [action, kind] of [["accept", "accepted"], ["reject", "rejected"], ["edit", "corrected"]]) {
    document.querySelector(`#decide [data-do=${action}]`).classList.toggle("on", one.decision === kind);
  }
}

function facts(known) {
  const line = (label, value, kind = "") => {
    const item = document.createElement("li");
    const strong = document.createElement("b");
    strong.textContent = value;
    strong.className = kind;
    item.append(label, strong);
    return item;
  };
  const found = [line(`${known.structure} `, `${known.ml.toFixed(2)} ml`)];
  if (known.folds !== null) found.push(line("folds agree ", known.folds.toFixed(2)));
  if (known.change !== null) found.push(line("since the round before ", `${signed(known.change)} ml (${Math.round(100 * known.share)} %)`));
  return [...found, ...known.doubts.map((doubt) => line("", doubt, "doubt"))];
}

function select(number) {
  page.current = number;
  [...byId("cases").children].forEach((item, n) => item.firstChild.setAttribute("aria-current", String(n === number)));
  byId("cases").children[number].scrollIntoView({ block: "nearest" });
  showTitle();
  const [one, after] = [page.state.cases[number], page.state.cases[number + 1]];
  // Until it is drawn, what is to be seen is another case.
  byId("view").classList.add("other");
  viewer.show({ number, mask: one.mask }, after && { number: number + 1, mask: after.mask }).then(
    (shown) => {
      if (!shown) return;
      document.body.dataset.shown = one.case;
      byId("view").classList.remove("other");
    },
    (error) => saver.gone || message(`${one.case} cannot be shown: ${error.message}`, true),
  );
}

function showSaved(waiting, revision) {
  byId("saved").className = "dim";
  byId("saved").textContent = waiting ? `saving ${waiting} …` : `all saved, revision ${revision}`;
  document.body.dataset.waiting = String(waiting);
}

function message(text, wrong = false, stays = false) {
  const box = byId("message");
  clearTimeout(page.timer);
  box.textContent = text;
  box.hidden = false;
  box.classList.toggle("wrong", wrong);
  if (!stays) page.timer = setTimeout(() => (box.hidden = true), MESSAGE_MS);
}

function showWindow(low, high) {
  byId("window").textContent = `${(low / WHITE).toFixed(2)} – ${(high / WHITE).toFixed(2)}`;
}

// ---- what is done ----

function decide(kind) {
  const one = page.state.cases[page.current];
  // Whoever has drawn a mask and says yes means that one.
  const isDrawn = kind === "accepted" && one.decision === "corrected";
  if (one.decision !== kind && !isDrawn) saver.add(one.case, "/api/decide", { case: one.case, decision: kind });
  const { cases } = page.state;
  const left = (n) => !cases[n].decision && n !== page.current;
  const order = cases.map((_, n) => (page.current + 1 + n) % cases.length);
  const next = order.find(left);
  if (next !== undefined) select(next);
  else if (cases.every((each, n) => each.decision || n === page.current)) message("All are decided.");
}

async function undo() {
  const found = await saver.add("", "/api/undo", {});
  if (found?.error) message(found.error);
  else if (found) select(page.state.cases.findIndex((one) => one.case === found.case));
}

async function edit() {
  const name = page.state.cases[page.current].case;
  const found = await saver.add(name, "/api/edit", { case: name });
  if (!found || found.error) return found && message(found.error, true);
  for (const key of ["case", "host", "image", "mask"]) byId(`edit-${key}`).textContent = found[key];
  byId("edit-command").textContent = `itksnap -g ${quoted(found.image)} -s ${quoted(found.mask)}`;
  byId("edit-error").hidden = true;
  byId("edit").showModal();
}

const quoted = (path) => `'${path.replaceAll("'", "'\\''")}'`;

async function take() {
  const name = byId("edit").open ? byId("edit-case").textContent : page.state.cases[page.current].case;
  const found = await saver.add(name, "/api/take", { case: name });
  if (!found) return;
  if (found.error) {
    byId("edit-error").textContent = found.error;
    byId("edit-error").hidden = false;
    return;
  }
  byId("edit").close();
  const volumes = Object.entries(found.ml).map(([structure, ml]) => `${structure} ${ml.toFixed(2)} ml`);
  select(page.state.cases.findIndex((one) => one.case === name));
  message(`Taken from ${found.from}: ${volumes.join(", ")}`);
}

function step(by) {
  const number = page.current + by;
  if (number >= 0 && number < page.state.cases.length) select(number);
}

const ACTIONS = {
  accept: () => decide("accepted"),
  reject: () => decide("rejected"),
  undo,
  edit,
  take,
  close: () => byId("edit").close(),
  next: () => step(1),
  previous: () => step(-1),
  up: () => viewer.step(1),
  down: () => viewer.step(-1),
  mask: () => viewer.toggleMask(),
  outline: () => viewer.toggleOutline(),
  cross: () => viewer.toggleCross(),
  fainter: () => setOpacity(-5),
  stronger: () => setOpacity(5),
  darker: () => viewer.shiftWindow(0.05),
  brighter: () => viewer.shiftWindow(-0.05),
  narrower: () => viewer.widenWindow(1 / 1.15),
  wider: () => viewer.widenWindow(1.15),
  reset: () => viewer.resetWindow(),
};
const KEYS = {
  a: "accept", r: "reject", u: "undo", e: "edit", n: "next", p: "previous", ArrowRight: "next", ArrowLeft: "previous",
  ArrowUp: "up", ArrowDown: "down", PageUp: "up", PageDown: "down", m: "mask", o: "outline", x: "cross", "-": "fainter", "+": "stronger",
  "=": "stronger", "[": "darker", "]": "brighter", "{": "narrower", "}": "wider", w: "reset",
};
// A key that is held down goes through slices and cases, and decides nothing by itself.
const HELD = new Set(["next", "previous", "up", "down", "fainter", "stronger", "darker", "brighter", "narrower", "wider"]);

function act(action) {
  ACTIONS[action]();
  for (const [name, on] of Object.entries(viewer.shown)) {
    document.querySelector(`footer [data-do=${name}]`).classList.toggle("on", on);
  }
}

function setOpacity(by) {
  const slider = byId("opacity");
  slider.value = String(Number(slider.value) + by);
  viewer.setOpacity(Number(slider.value) / 100);
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || !page.state) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const open = byId("edit").open;
  const action = open ? { t: "take" }[key] : KEYS[key];
  if (!action) return;
  // Before the viewer's own keys, and before a button that has the focus.
  event.preventDefault();
  event.stopImmediatePropagation();
  if (!event.repeat || HELD.has(action)) act(action);
}

window.addEventListener("keydown", onKey, { capture: true });
window.addEventListener("keyup", (event) => event.target === byId("view") && event.stopImmediatePropagation(), { capture: true });
window.addEventListener("beforeunload", (event) => saver.waiting && event.preventDefault());
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-do], button[data-copy]");
  if (!button || !page.state) return;
  button.blur();
  if (button.dataset.do) {
    act(button.dataset.do);
    return;
  }
  const code = byId(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = "selected";
  }
  setTimeout(() => (button.textContent = "copy"), 1500);
});
byId("opacity").addEventListener("input", (event) => viewer.setOpacity(Number(event.target.value) / 100));

start().catch((error) => message(error.message, true, true));
