// Masks as one byte a pixel, row by row, within a window of the image; and COCO's compressed run lengths, which go
// down the columns of the whole image.

export class Mask {
  // The window is where pixels may be set; the image is all that the run lengths count.
  constructor(image, x, y, width, height) {
    this.image = image;
    this.x = x;
    this.y = y;
    this.width = width;
    this.height = height;
    this.pixels = new Uint8Array(width * height);
  }

  static empty(image) { return new Mask(image, 0, 0, 0, 0); }

  static decode(image, text) {
    if (!text) return Mask.empty(image);
    const runs = counts(text);
    let [left, right, top, bottom] = [image.width, 0, image.height, 0];
    eachRun(runs, image.height, (column, from, to) => {
      left = Math.min(left, column);
      right = Math.max(right, column + 1);
      top = Math.min(top, from);
      bottom = Math.max(bottom, to);
    });
    if (right <= left) return Mask.empty(image);
    const mask = new Mask(image, left, top, right - left, bottom - top);
    eachRun(runs, image.height, (column, from, to) => {
      for (let row = from; row < to; row++) mask.pixels[(row - top) * mask.width + column - left] = 1;
    });
    return mask;
  }

  encode() {
    const runs = [];
    let [value, length] = [0, 0];
    const add = (next, count) => {
      if (count === 0) return;
      if (next !== value) {
        runs.push(length);
        [value, length] = [next, 0];
      }
      length += count;
    };
    add(0, this.x * this.image.height);
    for (let column = 0; column < this.width; column++) {
      add(0, this.y);
      for (let row = 0; row < this.height; row++) add(this.pixels[row * this.width + column], 1);
      add(0, this.image.height - this.y - this.height);
    }
    add(0, (this.image.width - this.x - this.width) * this.image.height);
    runs.push(length);
    return compressed(runs);
  }

  get(x, y) {
    if (x < this.x || y < this.y || x >= this.x + this.width || y >= this.y + this.height) return 0;
    return this.pixels[(y - this.y) * this.width + x - this.x];
  }

  // Makes the window reach over a rectangle, as far as that is in the image.
  reach(left, top, right, bottom) {
    left = Math.max(0, left);
    top = Math.max(0, top);
    right = Math.min(this.image.width, right);
    bottom = Math.min(this.image.height, bottom);
    if (right <= left || bottom <= top) return;
    if (this.width > 0) {
      if (left >= this.x && top >= this.y && right <= this.x + this.width && bottom <= this.y + this.height) return;
      // With room, so that a stroke does not copy the window at each step.
      const room = 64;
      if (left < this.x) left = Math.max(0, left - room);
      if (top < this.y) top = Math.max(0, top - room);
      if (right > this.x + this.width) right = Math.min(this.image.width, right + room);
      if (bottom > this.y + this.height) bottom = Math.min(this.image.height, bottom + room);
      left = Math.min(left, this.x);
      top = Math.min(top, this.y);
      right = Math.max(right, this.x + this.width);
      bottom = Math.max(bottom, this.y + this.height);
    }
    const grown = new Uint8Array((right - left) * (bottom - top));
    for (let row = 0; row < this.height; row++) {
      grown.set(this.pixels.subarray(row * this.width, (row + 1) * this.width),
        (row + this.y - top) * (right - left) + this.x - left);
    }
    [this.x, this.y, this.width, this.height, this.pixels] = [left, top, right - left, bottom - top, grown];
  }

  copy() {
    const mask = new Mask(this.image, this.x, this.y, this.width, this.height);
    mask.pixels.set(this.pixels);
    return mask;
  }

  // x, y, width and height of the set pixels; null without one.
  bounds() {
    let [left, right, top, bottom] = [Infinity, -1, Infinity, -1];
    for (let row = 0, place = 0; row < this.height; row++) {
      for (let column = 0; column < this.width; column++, place++) {
        if (!this.pixels[place]) continue;
        left = Math.min(left, column);
        right = Math.max(right, column);
        top = Math.min(top, row);
        bottom = row;
      }
    }
    return right < 0 ? null : [this.x + left, this.y + top, right - left + 1, bottom - top + 1];
  }

  area() {
    let sum = 0;
    for (const pixel of this.pixels) sum += pixel;
    return sum;
  }
}

function counts(text) {
  const runs = [];
  for (let place = 0; place < text.length;) {
    let [value, shift, more] = [0, 1, true];
    while (more) {
      const bits = text.charCodeAt(place++) - 48;
      value += (bits & 31) * shift;
      shift *= 32;
      more = (bits & 32) !== 0;
      if (!more && bits & 16) value -= shift;
    }
    if (runs.length > 2) value += runs[runs.length - 2];
    runs.push(value);
  }
  return runs;
}

function compressed(runs) {
  let text = '';
  runs.forEach((run, index) => {
    let value = index > 2 ? run - runs[index - 2] : run;
    for (let more = true; more;) {
      let bits = ((value % 32) + 32) % 32;
      value = Math.floor(value / 32);
      more = bits & 16 ? value !== -1 : value !== 0;
      if (more) bits |= 32;
      text += String.fromCharCode(bits + 48);
    }
  });
  return text;
}

// Calls body with each piece of a set run that lies in one column.
function eachRun(runs, height, body) {
  let place = 0;
  runs.forEach((run, index) => {
    const end = place + run;
    if (index % 2 === 1) {
      for (let start = place; start < end;) {
        const column = Math.floor(start / height);
        const stop = Math.min(end, (column + 1) * height);
        body(column, start - column * height, stop - column * height);
        start = stop;
      }
    }
    place = end;
  });
}
