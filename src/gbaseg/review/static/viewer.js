// Scan and mask in three planes: NiiVue, and what the page asks of it.
import { Niivue, NVImage, SLICE_TYPE } from "./niivue.js";

// By label value: amber, blue, green, pink.
const COLOURS = [[0, 0, 0], [255, 150, 50], [80, 170, 255], [110, 220, 130], [240, 120, 200]];
// Standardised intensities: 0 and 1 are air and the brightest tissue.
const WINDOW = [0, 0.9];
const OPTIONS = {
  backColor: [0, 0, 0, 1], crosshairColor: [0.55, 0.62, 0.68, 0.55], crosshairWidth: 0.6, crosshairGap: 6,
  fontColor: [0.55, 0.62, 0.68, 1], loadingText: "", dragAndDropEnabled: false, isRadiologicalConvention: true,
  sliceType: SLICE_TYPE.MULTIPLANAR, clipPlaneHotKey: "", viewModeHotKey: "", cycleClipPlaneHotKey: "", logLevel: "error",
  trustCalMinMax: true,
};
// Axial large, coronal and sagittal beside it: left, top, width, height.
const LAYOUT = [
  { sliceType: SLICE_TYPE.AXIAL, position: [0, 0, 0.62, 1] },
  { sliceType: SLICE_TYPE.CORONAL, position: [0.625, 0, 0.375, 0.4975] },
  { sliceType: SLICE_TYPE.SAGITTAL, position: [0.625, 0.5025, 0.375, 0.4975] },
];
const KEPT_FILES = 8;

export class Viewer {
  constructor(canvas, windowChanged) {
    Object.assign(this, { canvas, windowChanged, files: new Map(), wanted: null, busy: null, opacity: 0.45, masked: true });
    Object.assign(this, { outlined: false, low: WINDOW[0], high: WINDOW[1] });
    canvas.viewer = this;
  }

  async start(labels) {
    this.nv = new Niivue(OPTIONS);
    await this.nv.attachToCanvas(this.canvas);
    this.nv.setCustomLayout(LAYOUT);
    this.nv.onIntensityChange = (image) => image === this.nv.volumes[0] && this.keepWindow(image.cal_min, image.cal_max);
    const values = Object.values(labels);
    const colour = (value) => COLOURS[1 + (values.indexOf(value) % (COLOURS.length - 1))];
    const I = [0, ...values];
    const part = (n) => I.map((value) => (value ? colour(value)[n] : 0));
    this.colours = { R: part(0), G: part(1), B: part(2), A: I.map((value) => (value ? 255 : 0)), I, labels: I.map(String) };
    this.windowChanged(this.low, this.high);
  }

  // Resolves to whether it is this one that is shown: a later call takes its place.
  async show(one, after) {
    this.wanted = one;
    if (!this.nv) return false;
    await this.busy?.catch(() => {});
    if (this.wanted !== one) return false;
    this.busy = this.load(one);
    try {
      await this.busy;
    } finally {
      this.busy = null;
    }
    if (after) this.filesOf(after).catch(() => {});
    return this.wanted === one;
  }

  async load(one) {
    const [scan, mask] = await this.filesOf(one);
    if (this.wanted !== one) return;
    const image = await opened(scan, "scan.nii.gz", { cal_min: this.low, cal_max: this.high });
    const overlay = await opened(mask, "mask.nii.gz", { opacity: this.shownOpacity });
    overlay.setColormapLabel(this.colours);
    this.nv.volumes.slice().forEach((old) => this.nv.removeVolume(old));
    this.nv.addVolume(image);
    this.nv.addVolume(overlay);
    this.goTo(middle(overlay));
  }

  // The two files of a case, from memory where it was seen, or looked ahead to, before.
  filesOf({ number, mask }) {
    return Promise.all([this.file(`/image/${number}.nii.gz`, ""), this.file(`/mask/${number}.nii.gz`, mask)]);
  }

  async file(path, version) {
    const key = `${path} ${version}`;
    let found = this.files.get(key);
    this.files.delete(key);
    found ??= fetch(path).then((answer) => {
      if (!answer.ok) throw new Error(`no file (${answer.status})`);
      return answer.arrayBuffer();
    });
    this.files.set(key, found);
    found.catch(() => this.files.delete(key));
    while (this.files.size > KEPT_FILES) this.files.delete(this.files.keys().next().value);
    return found;
  }

  goTo(mm) {
    if (mm) this.nv.scene.crosshairPos = this.nv.mm2frac(mm);
    this.draw();
  }

  draw() {
    this.nv.drawScene();
  }

  get slice() {
    return this.nv.frac2vox(this.nv.scene.crosshairPos)[2];
  }

  step(by) {
    if (this.nv?.volumes.length) this.nv.moveCrosshairInVox(0, 0, by);
  }

  get shownOpacity() {
    return this.masked ? this.opacity : 0;
  }

  setOpacity(share) {
    [this.opacity, this.masked] = [share, true];
    if (this.nv?.volumes.length > 1) this.nv.setOpacity(1, this.shownOpacity);
  }

  toggleMask() {
    this.masked = !this.masked;
    if (this.nv?.volumes.length > 1) this.nv.setOpacity(1, this.shownOpacity);
  }

  toggleOutline() {
    this.outlined = !this.outlined;
    this.nv.setAtlasOutline(this.outlined ? 1 : 0);
  }

  keepWindow(low, high) {
    [this.low, this.high] = [low, high];
    this.windowChanged(low, high);
  }

  setWindow(low, high) {
    const image = this.nv?.volumes[0];
    if (!image || high - low < 0.01) return;
    [image.cal_min, image.cal_max] = [low, high];
    this.nv.updateGLVolume();
    this.keepWindow(low, high);
  }

  shiftWindow(by) {
    this.setWindow(this.low + by, this.high + by);
  }

  widenWindow(times) {
    const [level, half] = [(this.low + this.high) / 2, ((this.high - this.low) / 2) * times];
    this.setWindow(level - half, level + half);
  }

  resetWindow() {
    this.setWindow(...WINDOW);
  }
}

function opened(content, name, more) {
  return NVImage.loadFromUrl({ url: name, name, buffer: content, ...more });
}

// Of the slice with the most of the mask, in mm; nothing where it is empty.
function middle(overlay) {
  const [nx, ny, nz] = overlay.hdr.dims.slice(1, 4);
  const values = overlay.img;
  let [best, most] = [null, 0];
  for (let z = 0; z < nz; z++) {
    let [count, x, y] = [0, 0, 0];
    for (let i = z * nx * ny; i < (z + 1) * nx * ny; i++) {
      if (!values[i]) continue;
      count += 1;
      x += i % nx;
      y += Math.floor(i / nx) % ny;
    }
    if (count > most) [best, most] = [[x / count, y / count, z, 1], count];
  }
  return best && overlay.hdr.affine.slice(0, 3).map((row) => row.reduce((sum, value, n) => sum + value * best[n], 0));
}
