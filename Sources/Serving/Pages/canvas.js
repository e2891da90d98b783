// Shows a photograph by tiles, and a mask on top of it pixel by pixel. Only what is in sight is kept, so that large
// photographs cost no more than small ones.

const TILE = 512;
const KEPT_TILES = 160;

export class View {
  constructor(photo, overlay, onError) {
    this.photo = photo;
    this.overlay = overlay;
    this.onError = onError;
    this.tiles = new Map();
    this.scale = 1;
    this.left = 0;
    this.top = 0;
    this.mode = 'fill';
    this.draft = null;
    this.scheduled = false;
    new ResizeObserver(() => this.resize()).observe(overlay);
  }

  show(image, size, mask, box) {
    [this.image, this.size, this.mask, this.box, this.draft] = [image, size, mask, box, null];
    this.draw();
  }

  resize() {
    const ratio = globalThis.devicePixelRatio || 1;
    for (const canvas of [this.photo, this.overlay]) {
      canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
      canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    }
    if (this.fitted) this.fit(...this.fitted);
    this.draw();
  }

  // Canvas pixels of an event.
  place(event) {
    const frame = this.overlay.getBoundingClientRect();
    return [(event.clientX - frame.left) * this.overlay.width / frame.width,
      (event.clientY - frame.top) * this.overlay.height / frame.height];
  }

  // Image pixels of a place on the canvas.
  point([x, y]) { return [this.left + x / this.scale, this.top + y / this.scale]; }

  // Shows a rectangle of the image with some room; whole multiples of pixels where they are seen one by one.
  fit(box, room = 1.4) {
    this.fitted = [box, room];
    let scale = Math.min(this.photo.width / (box[2] * room), this.photo.height / (box[3] * room), 16);
    if (scale > 2) scale = Math.floor(scale);
    this.scale = scale;
    this.left = box[0] + box[2] / 2 - this.photo.width / scale / 2;
    this.top = box[1] + box[3] / 2 - this.photo.height / scale / 2;
    if (scale >= 1) [this.left, this.top] = [Math.round(this.left), Math.round(this.top)];
    this.draw();
  }

  zoom(factor, at) {
    const point = this.point(at);
    this.fitted = null;
    this.scale = Math.min(64, Math.max(0.01, this.scale * factor));
    this.left = point[0] - at[0] / this.scale;
    this.top = point[1] - at[1] / this.scale;
    this.draw();
  }

  move(dx, dy) {
    this.fitted = null;
    this.left -= dx / this.scale;
    this.top -= dy / this.scale;
    this.draw();
  }

  draw() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      for (const canvas of [this.photo, this.overlay]) {
        canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
      }
      if (!this.size) return;
      this.drawPhoto();
      this.drawMask();
    });
  }

  drawPhoto() {
    const context = this.photo.getContext('2d');
    context.imageSmoothingEnabled = this.scale < 1;
    let step = 1;
    while (step * this.scale < 0.75 && step < 64) step *= 2;
    const side = TILE * step;
    const right = Math.min(this.size.width, this.left + this.photo.width / this.scale);
    const bottom = Math.min(this.size.height, this.top + this.photo.height / this.scale);
    for (let y = Math.floor(Math.max(0, this.top) / side) * side; y < bottom; y += side) {
      for (let x = Math.floor(Math.max(0, this.left) / side) * side; x < right; x += side) {
        const tile = this.tile(x, y, side, step);
        if (!tile) continue;
        const width = Math.min(side, this.size.width - x);
        const height = Math.min(side, this.size.height - y);
        context.drawImage(tile, (x - this.left) * this.scale, (y - this.top) * this.scale,
          width * this.scale, height * this.scale);
      }
    }
  }

  tile(x, y, side, step) {
    const name = `${this.image}?x=${x}&y=${y}&w=${side}&h=${side}&s=${step}`;
    const known = this.tiles.get(name);
    if (known) {
      // The last one used is the last of the map.
      this.tiles.delete(name);
      this.tiles.set(name, known);
      return known.complete && known.naturalWidth > 0 ? known : null;
    }
    const tile = new Image();
    tile.addEventListener('load', () => this.draw());
    tile.addEventListener('error', () => {
      this.onError('A part of the picture could not be read; it is asked for again.');
      setTimeout(() => {
        this.tiles.delete(name);
        this.draw();
      }, 3000);
    });
    tile.src = `api/tile/${name}`;
    this.tiles.set(name, tile);
    if (this.tiles.size > KEPT_TILES) this.tiles.delete(this.tiles.keys().next().value);
    return null;
  }

  drawMask() {
    const { overlay, scale, mask } = this;
    const context = overlay.getContext('2d');
    if (mask && mask.width > 0 && this.mode !== 'hidden') this.paint(context, mask);
    if (this.box) {
      context.strokeStyle = '#ffc53d';
      context.lineWidth = 2;
      context.setLineDash([6, 4]);
      context.strokeRect((this.box[0] - this.left) * scale, (this.box[1] - this.top) * scale,
        this.box[2] * scale, this.box[3] * scale);
      context.setLineDash([]);
    }
    if (this.draft) this.drawDraft(context);
  }

  // The part in sight: a pixel of the image a pixel of the bitmap when it is enlarged, else a pixel of the canvas.
  paint(context, mask) {
    const step = Math.max(1, 1 / this.scale);
    const left = Math.max(mask.x, Math.floor(this.left));
    const top = Math.max(mask.y, Math.floor(this.top));
    const right = Math.min(mask.x + mask.width, Math.ceil(this.left + this.overlay.width / this.scale));
    const bottom = Math.min(mask.y + mask.height, Math.ceil(this.top + this.overlay.height / this.scale));
    const [width, height] = [Math.ceil((right - left) / step), Math.ceil((bottom - top) / step)];
    if (width <= 0 || height <= 0) return;
    const picture = new ImageData(width, height);
    const outlines = this.mode === 'outline';
    for (let row = 0, place = 0; row < height; row++) {
      const y = Math.floor(top + row * step);
      for (let column = 0; column < width; column++, place += 4) {
        const x = Math.floor(left + column * step);
        if (!mask.get(x, y)) continue;
        const reach = Math.max(1, Math.round(step));
        if (outlines && mask.get(x - reach, y) && mask.get(x + reach, y) && mask.get(x, y - reach)
          && mask.get(x, y + reach)) continue;
        picture.data[place] = 255;
        picture.data[place + 2] = 128;
        picture.data[place + 3] = outlines ? 255 : 128;
      }
    }
    this.bitmap ??= document.createElement('canvas');
    [this.bitmap.width, this.bitmap.height] = [width, height];
    this.bitmap.getContext('2d').putImageData(picture, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.bitmap, (left - this.left) * this.scale, (top - this.top) * this.scale,
      width * step * this.scale, height * step * this.scale);
  }

  drawDraft(context) {
    context.strokeStyle = '#00e5ff';
    context.lineWidth = 2;
    context.beginPath();
    this.draft.forEach(([x, y], index) => {
      const [cx, cy] = [(x - this.left) * this.scale, (y - this.top) * this.scale];
      if (index === 0) context.moveTo(cx, cy);
      else context.lineTo(cx, cy);
    });
    context.closePath();
    context.stroke();
  }
}
