// Behind each row of the cases: scan, reference and prediction in three planes, out of this page alone.
// Everything heavy is packed in the page, and unpacked when the first row is opened.
const byId = (id) => document.getElementById(id);
const MISSED = 1;
const ADDED = 2;
const AGREED = 3;
// As the figures', Okabe and Ito's.
const COLOURS = { [MISSED]: [86, 180, 233], [ADDED]: [230, 159, 0], [AGREED]: [0, 158, 115] };
const WHITE = 255;
// Bytes of a NIfTI header and what follows it, as this package writes it.
const HEADER = 352;

const page = { row: null, ready: null, mode: "both" };

async function unpacked(id) {
  const bytes = Uint8Array.from(atob(byId(id).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

const address = (script) => URL.createObjectURL(new Blob([script], { type: "text/javascript" }));

async function start() {
  const panel = byId("view-template").content.firstElementChild;
  store.append(panel);
  place();
  const script = byId("viewer").textContent.replace('"./niivue.js"', `"${address(await unpacked("niivue"))}"`);
  const { Viewer } = await import(address(script));
  const viewer = new Viewer({ canvas: panel.querySelector("canvas"), source, white: WHITE });
  await viewer.start(COLOURS);
  panel.addEventListener("click", (event) => press(viewer, event.target.closest("button")));
  panel.querySelector("canvas").addEventListener("keydown", (event) => {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    viewer.step(by);
  });
  return viewer;
}

// Of a view: the scan, and what is drawn over it, each with a name to remember it by.
function source({ view, value, mode }) {
  return [
    [`${view} image`, () => unpacked(`${view}-image`)],
    [`${view} ${value} ${mode}`, () => masks(view, value, mode)],
  ];
}

// One structure's masks as one volume of labels: missed, added, agreed.
async function masks(view, value, mode) {
  const drawn = await unpacked(`${view}-prediction`);
  const prediction = new Uint8Array(drawn, HEADER);
  const reference = byId(`${view}-reference`) && new Uint8Array(await unpacked(`${view}-reference`), HEADER);
  for (let i = 0; i < prediction.length; i++) {
    const missed = reference && reference[i] === value && mode !== "prediction" ? MISSED : 0;
    const added = prediction[i] === value && mode !== "reference" ? ADDED : 0;
    prediction[i] = mode === "none" ? 0 : missed | added;
  }
  return drawn;
}

function place() {
  const panel = byId("view");
  if (!panel || !page.row) return;
  const cell = document.createElement("td");
  cell.colSpan = page.row.children.length;
  cell.append(panel);
  const below = document.createElement("tr");
  below.id = "below";
  below.append(cell);
  page.row.after(below);
}

function close() {
  if (!page.row) return;
  page.row.classList.remove("open");
  page.row.querySelector("button").setAttribute("aria-expanded", "false");
  page.row = null;
  const [panel, below] = [byId("view"), byId("below")];
  if (panel) byId("store").append(panel);
  below?.remove();
}

async function open(row) {
  close();
  page.row = row;
  row.classList.add("open");
  row.querySelector("button").setAttribute("aria-expanded", "true");
  place();
  page.mode = "both";
  await show();
}

async function show() {
  const row = page.row;
  const { view, value } = row.dataset;
  try {
    page.ready ??= start();
    const viewer = await page.ready;
    if (page.row !== row) return;
    const hasReference = Boolean(byId(`${view}-reference`));
    byId("view").querySelectorAll("[data-mode]").forEach((button) => {
      button.setAttribute("aria-pressed", String(button.dataset.mode === page.mode));
      button.hidden = !hasReference && ["reference", "prediction"].includes(button.dataset.mode);
    });
    const isShown = await viewer.show({ view, value: Number(value), mode: page.mode });
    if (!isShown || page.row !== row) return;
    say(byId(`${view}-words`).textContent);
    document.body.dataset.shown = `${view} ${value} ${page.mode}`;
  } catch (error) {
    say(`The scan cannot be shown: ${error.message}. The pictures below show two of its slices.`);
  }
}

function say(words) {
  byId("view").querySelector("[role=status]").textContent = words;
}

function press(viewer, button) {
  if (!button) return;
  if (button.dataset.mode) {
    page.mode = button.dataset.mode;
    show();
  } else {
    viewer.toggleOutline();
    button.setAttribute("aria-pressed", String(viewer.shown.outline));
  }
}

// Where the panel waits while no row is open: it keeps its canvas, of which a browser has few.
const store = document.createElement("div");
[store.id, store.hidden] = ["store", true];
document.body.append(store);
document.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-view]");
  if (!row) return;
  if (row === page.row) close();
  else open(row);
});
