// Scan and mask in three planes: NiiVue, and what the page asks of it.
import { Niivue, NVImage, SLICE_TYPE } from "./niivue.js";

// Standardised intensities, as shares of the brightest tissue's: 0 is air.
const WINDOW = [0, 0.9];
const OPTIONS = {
  backColor: [0, 0, 0, 1], crosshairColor: [0.62, 0.62, 0.62, 0.6], crosshairWidth: 0.25, crosshairGap: 10,
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
// Images in memory: scans and masks of three cases.
const KEPT = 6;
// NIfTI's code for a volume of labels.
const LABEL = 1002;

export class Viewer {
  // source(one): of what `show` is asked for, scan and mask as [name to remember it by, () => its NIfTI bytes].
  // white: the brightest tissue's intensity. windowChanged(low, high).
  constructor({ canvas, source, white = 1, windowChanged = () => {} }) {
    Object.assign(this, { canvas, source, white, windowChanged, images: new Map(), wanted: null, busy: null });
    Object.assign(this, { opacity: 0.3, masked: true, outlined: true, crossed: true });
    [this.low, this.high] = WINDOW.map((share) => share * white);
    canvas.viewer = this;
  }

  // colours: label value -> [red, green, blue], 0 to 255.
  async start(colours) {
    if (!document.createElement("canvas").getContext("webgl2")) {
      throw new Error("this browser has no WebGL2: switch hardware acceleration on, or take another one");
    }
    const nv = new Niivue(OPTIONS);
    await nv.attachToCanvas(this.canvas);
    this.nv = nv;
    this.nv.setCustomLayout(LAYOUT);
    // Gradients are for a rendering in 3D, which is not shown, and more than half of the work of a case.
    this.nv.blurShader = this.nv.sobelFirstOrderShader = this.nv.passThroughShader;
    this.nv.onIntensityChange = (image) => image === this.nv.volumes[0] && this.keepWindow(image.cal_min, image.cal_max);
    const I = [0, ...Object.keys(colours).map(Number)];
    const part = (n) => I.map((value) => (value ? colours[value][n] : 0));
    this.colours = { R: part(0), G: part(1), B: part(2), A: I.map((value) => (value ? 255 : 0)), I, labels: I.map(String) };
    this.windowChanged(this.low, this.high);
  }

  // Resolves to whether it is this one that is shown: a later call takes its place.
  async show(one, after) {
    this.wanted = one;
    if (!this.nv) {
      this.imagesOf(one).catch(() => {}); // read while NiiVue starts; what is wrong is said when it is waited for
      return false;
    }
    await this.busy?.catch(() => {});
    if (this.wanted !== one) return false;
    this.busy = this.load(one);
    try {
      await this.busy;
    } finally {
      this.busy = null;
    }
    if (after) this.imagesOf(after).catch(() => {});
    return this.wanted === one;
  }

  async load(one) {
    const [image, overlay] = await this.imagesOf(one);
    if (this.wanted !== one) return;
    [image.cal_min, image.cal_max, overlay.opacity] = [this.low, this.high, this.shownOpacity];
    overlay.setColormapLabel(this.colours);
    overlay.hdr.intent_code = LABEL; // else it has no outline
    const isOther = this.nv.back !== image;
    // All at once: NiiVue's own way takes the old ones away and adds the new ones one by one, and draws each time.
    this.nv.opts.atlasOutline = this.outlined ? 1 : 0;
    Object.assign(this.nv, { volumes: [image, overlay], back: image, overlays: [overlay] });
    const mm = isOther && middle(overlay);
    if (mm) this.nv.scene.crosshairPos = this.nv.mm2frac(mm);
    this.nv.updateGLVolume();
  }

  // Scan and mask of a case, from memory where it was seen, or looked ahead to, before.
  imagesOf(one) {
    return Promise.all(this.source(one).map(([name, bytes]) => this.image(name, bytes)));
  }

  async image(name, bytes) {
    let found = this.images.get(name);
    this.images.delete(name);
    found ??= opened(name, bytes, this.white);
    this.images.set(name, found);
    found.catch(() => this.images.delete(name));
    while (this.images.size > KEPT) this.images.delete(this.images.keys().next().value);
    return found;
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
    this.redraw(1);
  }

  toggleMask() {
    this.masked = !this.masked;
    this.redraw(1);
  }

  toggleOutline() {
    this.outlined = !this.outlined;
    this.redraw(1);
  }

  toggleCross() {
    this.crossed = !this.crossed;
    this.nv?.setCrosshairWidth(this.crossed ? OPTIONS.crosshairWidth : 0);
  }

  get shown() {
    return { mask: this.masked, outline: this.outlined, cross: this.crossed };
  }

  // One of the two, 0 the scan and 1 the mask: the other one's texture stays as it is.
  redraw(layer) {
    const volume = this.nv?.volumes[layer];
    if (!volume) return;
    if (layer === 1) {
      volume.opacity = this.shownOpacity;
      this.nv.opts.atlasOutline = this.outlined ? 1 : 0;
    }
    this.nv.refreshLayers(volume, layer);
    this.draw();
  }

  keepWindow(low, high) {
    [this.low, this.high] = [low, high];
    this.windowChanged(low, high);
  }

  setWindow(low, high) {
    const image = this.nv?.volumes[0];
    if (!image || high - low < 0.01 * this.white) return;
    [image.cal_min, image.cal_max] = [low, high];
    this.redraw(0);
    this.keepWindow(low, high);
  }

  shiftWindow(by) {
    this.setWindow(this.low + by * this.white, this.high + by * this.white);
  }

  widenWindow(times) {
    const [level, half] = [(this.low + this.high) / 2, ((this.high - this.low) / 2) * times];
    this.setWindow(level - half, level + half);
  }

  resetWindow() {
    this.setWindow(...WINDOW.map((share) => share * this.white));
  }
}

async function opened(name, bytes, white) {
  // Its name says the format; nothing is fetched where there is a buffer.
  return NVImage.loadFromUrl({ url: name, name: `${name}.nii`, buffer: await bytes(), cal_min: 0, cal_max: white });
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
