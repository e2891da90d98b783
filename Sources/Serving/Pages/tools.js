// What changes a mask. Each function takes pixels as they are: painted is what is kept.

import { Mask } from './rle.js';

// A disc of a diameter in pixels, moved from one point to another. Points are in image pixels; a pixel is painted when
// its centre is within half the diameter of the line, and the pixel under the point always.
export function stroke(mask, from, to, diameter, value) {
  const radius = diameter / 2;
  const left = Math.floor(Math.min(from[0], to[0]) - radius);
  const right = Math.ceil(Math.max(from[0], to[0]) + radius);
  const top = Math.floor(Math.min(from[1], to[1]) - radius);
  const bottom = Math.ceil(Math.max(from[1], to[1]) + radius);
  if (value) mask.reach(left, top, right + 1, bottom + 1);
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const square = dx * dx + dy * dy;
  for (let y = Math.max(top, mask.y); y < Math.min(bottom + 1, mask.y + mask.height); y++) {
    for (let x = Math.max(left, mask.x); x < Math.min(right + 1, mask.x + mask.width); x++) {
      const [px, py] = [x + 0.5 - from[0], y + 0.5 - from[1]];
      const along = square > 0 ? Math.min(1, Math.max(0, (px * dx + py * dy) / square)) : 0;
      const [ex, ey] = [px - along * dx, py - along * dy];
      const isUnder = x === Math.floor(to[0]) && y === Math.floor(to[1]);
      if (isUnder || ex * ex + ey * ey <= radius * radius) {
        mask.pixels[(y - mask.y) * mask.width + x - mask.x] = value;
      }
    }
  }
}

// Sets the pixels whose centres lie in a polygon, by the even-odd rule.
export function polygon(mask, points, value) {
  const xs = points.map((point) => point[0]);
  const ys = points.map((point) => point[1]);
  const [top, bottom] = [Math.floor(Math.min(...ys)), Math.ceil(Math.max(...ys))];
  mask.reach(Math.floor(Math.min(...xs)), top, Math.ceil(Math.max(...xs)), bottom);
  for (let y = Math.max(top, mask.y); y < Math.min(bottom, mask.y + mask.height); y++) {
    const crossings = [];
    points.forEach((point, index) => {
      const next = points[(index + 1) % points.length];
      if (point[1] <= y + 0.5 !== next[1] <= y + 0.5) {
        crossings.push(point[0] + (y + 0.5 - point[1]) / (next[1] - point[1]) * (next[0] - point[0]));
      }
    });
    crossings.sort((a, b) => a - b);
    for (let pair = 0; pair + 1 < crossings.length; pair += 2) {
      const first = Math.max(Math.ceil(crossings[pair] - 0.5), mask.x);
      const last = Math.min(Math.ceil(crossings[pair + 1] - 0.5), mask.x + mask.width);
      for (let x = first; x < last; x++) mask.pixels[(y - mask.y) * mask.width + x - mask.x] = value;
    }
  }
}

// The pieces of pixels of a value that are joined by sides (or corners too), as lists of places.
function pieces(mask, value, corners) {
  const { width, height, pixels } = mask;
  const seen = new Uint8Array(pixels.length);
  const found = [];
  for (let start = 0; start < pixels.length; start++) {
    if (seen[start] || pixels[start] !== value) continue;
    const piece = [start];
    seen[start] = 1;
    for (let index = 0; index < piece.length; index++) {
      const row = Math.floor(piece[index] / width);
      const column = piece[index] - row * width;
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          if ((dx === 0) === (dy === 0) && !(corners && dx !== 0)) continue;
          const [x, y] = [column + dx, row + dy];
          if (x < 0 || y < 0 || x >= width || y >= height) continue;
          const place = y * width + x;
          if (seen[place] || pixels[place] !== value) continue;
          seen[place] = 1;
          piece.push(place);
        }
      }
    }
    found.push(piece);
  }
  return found;
}

export function fillHoles(mask) {
  const { width, height } = mask;
  for (const piece of pieces(mask, 0, false)) {
    // A hole that touches the window's edge is the outside, or the image's edge.
    const isOutside = piece.some((place) => {
      const column = place % width;
      return column === 0 || column === width - 1 || place < width || place >= width * (height - 1);
    });
    if (!isOutside) for (const place of piece) mask.pixels[place] = 1;
  }
}

export function keepLargest(mask) {
  const found = pieces(mask, 1, true).sort((a, b) => b.length - a.length);
  for (const piece of found.slice(1)) for (const place of piece) mask.pixels[place] = 0;
}

// A mask for each piece, the largest first.
export function split(mask) {
  return pieces(mask, 1, true).sort((a, b) => b.length - a.length).map((piece) => {
    let [left, right, top, bottom] = [mask.width, 0, mask.height, 0];
    for (const place of piece) {
      left = Math.min(left, place % mask.width);
      right = Math.max(right, place % mask.width + 1);
      top = Math.min(top, Math.floor(place / mask.width));
      bottom = Math.max(bottom, Math.floor(place / mask.width) + 1);
    }
    const part = new Mask(mask.image, mask.x + left, mask.y + top, right - left, bottom - top);
    for (const place of piece) {
      part.pixels[(Math.floor(place / mask.width) - top) * part.width + place % mask.width - left] = 1;
    }
    return part;
  });
}

export function union(mask, other) {
  mask.reach(other.x, other.y, other.x + other.width, other.y + other.height);
  for (let row = 0; row < other.height; row++) {
    for (let column = 0; column < other.width; column++) {
      if (!other.pixels[row * other.width + column]) continue;
      mask.pixels[(row + other.y - mask.y) * mask.width + column + other.x - mask.x] = 1;
    }
  }
}
