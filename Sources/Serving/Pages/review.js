// The page: the queue of objects, the tools, and what is sent to the server. Every change is sent when it is made.

import { View } from './canvas.js';
import { get, post, Refused } from './api.js';
import { Mask } from './rle.js';
import * as tools from './tools.js';

const $ = (id) => document.getElementById(id);
const view = new View($('photo'), $('mask'), (text) => note(text));
let index = { objects: [], categories: [], images: [], seconds: 0 };
let heads = { undo: null, redo: null };
let queue = [];
let place = 0;
let current = null;
let size = null;
let mask = null;
let tool = 'pan';
let since = Date.now();
let stage = 0;

const note = (text) => { $('note').textContent = text; };

// Steps are sent one after the other, because each names the version that the one before made.
let chain = Promise.resolve();
function inTurn(work) {
  chain = chain.then(work).catch(async (error) => {
    note(error.message);
    if (error instanceof Refused && error.status === 409) await reload();
    if (!(error instanceof Refused)) note(`The server does not answer: ${error.message}. Nothing that it has taken is lost.`);
  });
  return chain;
}

// MARK: The queue

// By key; and how many there are, so that no step looks at all of them.
let entries = new Map();
let [total, done] = [0, 0];

function matcher() {
  const [state, only] = [$('state').value, $('only').value];
  const text = $('text').value.trim().toLowerCase();
  return (object) => object[5] !== 'deleted' && (state === '' || object[5] === state)
    && (only === '' || String(object[2]) === only)
    && (text === '' || object[0] === text || index.images[object[1]].toLowerCase().includes(text));
}

function filter(keepsKey) {
  queue = index.objects.filter(matcher());
  // Worst first; what has no score comes before.
  queue.sort((a, b) => (a[3] ?? -1) - (b[3] ?? -1) || a[1] - b[1]);
  const found = queue.findIndex((object) => object[0] === keepsKey);
  place = Math.max(0, found);
}

function showProgress() {
  const each = done > 0 ? index.seconds / done : 0;
  const left = Math.round((total - done) * each / 60);
  $('progress').textContent = `${done} of ${total} reviewed`
    + (done > 0 ? `, ${each.toFixed(1)} s each, ${left} min left` : '');
  $('undo').disabled = heads.undo === null;
  $('redo').disabled = heads.redo === null;
}

async function open(key) {
  const number = ++stage;
  if (key === undefined) {
    [current, mask] = [null, null];
    $('title').textContent = 'No object';
    $('facts').textContent = 'Nothing is left in this queue.';
    view.show(0, null, null, null);
    return;
  }
  const found = await get(`object/${encodeURIComponent(key)}`);
  if (number !== stage) return;
  size = found.size;
  take(found.object);
  since = Date.now();
  view.fit(current.box);
}

function take(object) {
  current = object;
  mask = Mask.decode(size, object.counts);
  view.show(object.image, size, mask, object.box);
  describe();
}

function describe() {
  const object = current;
  const category = object.category === null ? 'no category' : index.categories[object.category];
  $('title').textContent = `${category}, ${index.images[object.image]}`;
  $('facts').textContent = `${object.key} · ${object.state} · score ${object.score?.toFixed(3) ?? '–'} · `
    + `${mask.area()} pixels${object.changed ? ' · changed' : ''}`;
  $('category').value = object.category ?? '';
}

// Takes the objects of an answer into the index.
function learn(answer) {
  heads = answer.heads;
  for (const object of answer.objects) {
    const known = entries.get(object.key);
    const short = [object.key, object.image, object.category, object.score, null, object.state, object.changed];
    if (known) {
      count(known, -1);
      known.splice(0, known.length, ...short);
    } else {
      index.objects.push(short);
      entries.set(object.key, short);
      queue.splice(place + 1, 0, short);
    }
    count(short, 1);
  }
  showProgress();
}

function count(object, sign) {
  if (object[5] !== 'deleted') total += sign;
  if (object[5] === 'accepted' || object[5] === 'rejected') done += sign;
}

function takeIndex(found) {
  [index, heads, total, done] = [found, found.heads, 0, 0];
  entries = new Map(index.objects.map((object) => [object[0], object]));
  for (const object of index.objects) count(object, 1);
}

async function reload() {
  const key = current?.key;
  takeIndex(await get('index'));
  filter(key);
  showProgress();
  const isThere = key && entries.has(key) && entries.get(key)[5] !== 'deleted';
  await open(isThere ? key : queue[place]?.[0]);
}

// To the next object of the queue, or the one before; what no longer belongs there is left out.
async function go(step) {
  const matches = matcher();
  const isHere = queue[place] && queue[place][0] === current?.key;
  if (isHere && !matches(queue[place])) queue.splice(place, 1);
  const stays = isHere && queue[place]?.[0] === current.key;
  let next = step < 0 ? place - 1 : stays ? place + 1 : place;
  while (queue[next] && !matches(queue[next])) {
    queue.splice(next, 1);
    if (step < 0) next -= 1;
  }
  if (queue.length === 0) return open(undefined);
  if (!queue[next]) {
    place = Math.min(Math.max(place, 0), queue.length - 1);
    note('This is the end of the queue.');
    return queue[place][0] === current?.key ? undefined : open(queue[place][0]);
  }
  place = next;
  await open(queue[place][0]);
}

// MARK: Steps

async function send(kind, changes) {
  const seconds = Math.min(300, (Date.now() - since) / 1000);
  const answer = await post('step', { kind, seconds, changes });
  since = Date.now();
  index.seconds += seconds;
  note('');
  learn(answer);
  const own = answer.objects.find((object) => object.key === current?.key);
  if (own) current = own;
  return answer;
}

const own = (fields) => ({ key: current.key, version: current.version, ...fields });

const verdict = (kind, state) => inTurn(async () => {
  if (!current) return;
  await send(kind, [own({ state })]);
  await go(1);
});

const keepMask = () => {
  const [key, counts] = [current.key, mask.encode()];
  return inTurn(async () => {
    if (current?.key !== key) return;
    await send('mask', [own({ counts })]);
    // The mask stays as it is on the page: the next stroke may have begun.
    if (current?.key === key) describe();
  });
};

async function predict(box, threshold) {
  const body = { image: current.image, box };
  if (threshold !== undefined) body.threshold = threshold;
  return post('predict', body);
}

const redraw = (box) => inTurn(async () => {
  note('The network labels the box…');
  const found = await predict(box);
  await send('box', [own({ box, counts: found.counts, score: found.score })]);
  take(current);
  $('threshold').value = 0.5;
});

const create = (box) => inTurn(async () => {
  note('The network labels the box…');
  const found = await predict(box);
  const category = Number($('category').value || 0);
  const answer = await send('new', [{
    image: current.image, box, category, counts: found.counts, score: found.score,
  }]);
  place = queue.findIndex((object) => object[0] === answer.objects[0].key);
  await open(answer.objects[0].key);
});

const click = (point, adds) => inTurn(async () => {
  const found = await post('click', {
    image: current.image, box: current.box, counts: mask.encode(),
    x: Math.floor(point[0]), y: Math.floor(point[1]), adds,
  });
  await send('mask', [own({ counts: found.counts })]);
  take(current);
});

const split = () => inTurn(async () => {
  const parts = tools.split(mask);
  if (parts.length < 2) return note('The mask is in one piece.');
  const changes = parts.slice(0, 1000).map((part, number) => (number === 0
    ? own({ counts: part.encode(), box: part.bounds() })
    : { image: current.image, category: current.category ?? 0, counts: part.encode(), box: part.bounds() }));
  await send('split', changes);
  take(current);
});

const merge = (point) => inTurn(async () => {
  const [x, y] = point.map(Math.floor);
  const others = index.objects.filter((object) => object[1] === current.image && object[0] !== current.key
    && object[5] !== 'deleted');
  for (const other of others) {
    const { object } = await get(`object/${other[0]}`);
    const found = Mask.decode(size, object.counts);
    if (!found.get(x, y)) continue;
    tools.union(mask, found);
    await send('merge', [own({ counts: mask.encode(), box: mask.bounds() }),
      { key: object.key, version: object.version, state: 'deleted' }]);
    return take(current);
  }
  note('No other object has a mask there.');
});

const turn = (name) => inTurn(async () => {
  if (heads[name] === null) return;
  const answer = await post(name, { head: heads[name] });
  learn(answer);
  const shown = answer.objects.find((object) => object.state !== 'deleted');
  note('');
  filter(shown?.key);
  await open(shown ? shown.key : queue[place]?.[0]);
});

const edit = (change) => {
  if (!current) return;
  change(mask);
  keepMask();
};

const save = () => inTurn(async () => note((await post('save', {})).message));

// MARK: Pointer

const pointers = new Map();
let dragged = null;
let spaceIsDown = false;

function choose(name) {
  tool = name;
  view.draft = null;
  for (const button of document.querySelectorAll('[data-tool]')) {
    button.setAttribute('aria-pressed', String(button.dataset.tool === name));
  }
  $('mask').style.cursor = name === 'pan' ? 'grab' : 'crosshair';
  note({ merge: 'Click the object that becomes part of this one.', polygon: 'Click the corners; a double click or Enter closes, Shift takes away.' }[name] ?? '');
  view.draw();
}

function boxOf(from, to) {
  const [x, y] = [Math.max(0, Math.min(from[0], to[0])), Math.max(0, Math.min(from[1], to[1]))];
  const right = Math.min(size.width, Math.max(from[0], to[0]));
  const bottom = Math.min(size.height, Math.max(from[1], to[1]));
  return [x, y, right - x, bottom - y].map((value) => Math.round(value * 100) / 100);
}

function paint(from, to) {
  tools.stroke(mask, from, to, Number($('brush').value), tool === 'brush' ? 1 : 0);
  view.draw();
}

$('mask').addEventListener('pointerdown', (event) => {
  if (!current) return;
  event.target.setPointerCapture(event.pointerId);
  const at = view.place(event);
  pointers.set(event.pointerId, at);
  const point = view.point(at);
  if (pointers.size === 2) {
    dragged = { kind: 'pinch' };
  } else if (tool === 'pan' || spaceIsDown || event.button === 1) {
    dragged = { kind: 'pan' };
  } else if (tool === 'box' || tool === 'new') {
    dragged = { kind: tool, from: point };
  } else if (tool === 'brush' || tool === 'eraser') {
    dragged = { kind: 'paint', last: point };
    paint(point, point);
  } else if (tool === 'add' || tool === 'remove') {
    click(point, tool === 'add');
  } else if (tool === 'merge') {
    choose('pan');
    merge(point);
  } else if (tool === 'polygon') {
    view.draft = [...(view.draft ?? []), point];
    view.draw();
  }
});

$('mask').addEventListener('pointermove', (event) => {
  if (!pointers.has(event.pointerId) || !dragged) return;
  const [at, before] = [view.place(event), pointers.get(event.pointerId)];
  const point = view.point(at);
  if (dragged.kind === 'pan') {
    view.move(at[0] - before[0], at[1] - before[1]);
  } else if (dragged.kind === 'pinch' && pointers.size === 2) {
    const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
    const distance = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]);
    view.zoom(distance(at) / Math.max(1, distance(before)), other);
  } else if (dragged.kind === 'paint') {
    paint(dragged.last, point);
    dragged.last = point;
  } else if (dragged.from) {
    const [from, to] = [dragged.from, point];
    view.draft = [from, [to[0], from[1]], to, [from[0], to[1]]];
    view.draw();
  }
  pointers.set(event.pointerId, at);
});

function release(event) {
  if (!pointers.delete(event.pointerId) || !dragged) return;
  const { kind, from } = dragged;
  dragged = null;
  if (kind === 'paint') {
    keepMask();
  } else if (kind === 'box' || kind === 'new') {
    view.draft = null;
    const box = boxOf(from, view.point(view.place(event)));
    if (box[2] >= 1 && box[3] >= 1) (kind === 'box' ? redraw : create)(box);
    view.draw();
  }
}
$('mask').addEventListener('pointerup', release);
$('mask').addEventListener('pointercancel', release);
$('mask').addEventListener('dblclick', (event) => closePolygon(event.shiftKey));
$('mask').addEventListener('wheel', (event) => {
  event.preventDefault();
  view.zoom(2 ** (-event.deltaY / 300), view.place(event));
}, { passive: false });

function closePolygon(takesAway) {
  const points = view.draft;
  view.draft = null;
  if (tool === 'polygon' && points?.length >= 3) edit((pixels) => tools.polygon(pixels, points, takesAway ? 0 : 1));
  view.draw();
}

// MARK: Keys and buttons

const brush = (factor) => {
  $('brush').value = Math.round(Number($('brush').value) * factor + (factor > 1 ? 1 : -1));
  $('brush-size').value = $('brush').value;
};
const nextView = () => {
  const modes = ['fill', 'outline', 'hidden'];
  $('view').value = modes[(modes.indexOf($('view').value) + 1) % modes.length];
  $('view').dispatchEvent(new Event('change'));
};
const keys = {
  a: ['accept', () => verdict('accept', 'accepted')],
  r: ['reject', () => verdict('reject', 'rejected')],
  j: ['next', () => inTurn(() => go(1))],
  k: ['previous', () => inTurn(() => go(-1))],
  z: ['undo', () => turn('undo')],
  y: ['redo', () => turn('redo')],
  v: ['move the picture', () => choose('pan')],
  b: ['redraw the box: the network makes a new mask', () => choose('box')],
  n: ['new object: draw its box', () => choose('new')],
  p: ['brush', () => choose('brush')],
  e: ['eraser', () => choose('eraser')],
  '[': ['smaller brush', () => brush(1 / 1.25)],
  ']': ['larger brush', () => brush(1.25)],
  g: ['polygon: click its corners, Enter closes', () => choose('polygon')],
  '+': ['click adds what is as likely as the point', () => choose('add')],
  '-': ['click takes away what is as unlikely as the point', () => choose('remove')],
  f: ['fill holes', () => edit(tools.fillHoles)],
  l: ['keep the largest piece', () => edit(tools.keepLargest)],
  s: ['split into pieces', split],
  m: ['merge with another object: click it', () => choose('merge')],
  Delete: ['delete the object', () => verdict('delete', 'deleted')],
  h: ['mask filled, outline or hidden', nextView],
  0: ['zoom to the box', () => current && view.fit(current.box)],
  9: ['whole picture', () => size && view.fit([0, 0, size.width, size.height])],
  Enter: ['close the polygon', () => closePolygon(false)],
  Escape: ['give up what is being drawn', () => choose('pan')],
  '?': ['these keys', () => $('keys').showModal()],
};

document.addEventListener('keydown', (event) => {
  if (event.key === ' ' && event.target === $('mask')) spaceIsDown = true;
  const isTyping = event.target.matches('input[type=search], select') || $('keys').open;
  if (isTyping || event.altKey) return;
  let name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    if (name !== 'z' && name !== 'y') return;
    if (event.shiftKey) name = 'y';
  }
  if (event.key === 'Enter' && event.target.matches('button')) return;
  const action = keys[name];
  if (!action) return;
  event.preventDefault();
  action[1]();
});
document.addEventListener('keyup', (event) => { if (event.key === ' ') spaceIsDown = false; });

for (const [id, name] of Object.entries({
  accept: 'a', reject: 'r', next: 'j', previous: 'k', undo: 'z', redo: 'y', fill: 'f', largest: 'l', split: 's',
  merge: 'm', delete: 'Delete', 'zoom-box': '0', 'zoom-all': '9', help: '?',
})) $(id).addEventListener('click', () => keys[name][1]());
for (const button of document.querySelectorAll('[data-tool]')) {
  button.addEventListener('click', () => choose(button.dataset.tool));
}
$('save').addEventListener('click', save);
$('brush').addEventListener('input', () => { $('brush-size').value = $('brush').value; });
$('view').addEventListener('change', () => {
  view.mode = $('view').value;
  view.draw();
});
$('category').addEventListener('change', () => inTurn(async () => {
  if (!current || $('category').value === '') return;
  await send('category', [own({ category: Number($('category').value) })]);
  take(current);
}));
for (const id of ['state', 'only', 'text']) {
  $(id).addEventListener('input', () => inTurn(async () => {
    filter(undefined);
    await open(queue[0]?.[0]);
  }));
}
$('filters').addEventListener('submit', (event) => event.preventDefault());

// The slider shows each threshold as fast as the server answers; what it shows when it is let go is kept.
let asking = false;
let wanted = null;
$('threshold').addEventListener('input', async () => {
  const value = Number($('threshold').value);
  $('threshold-value').value = value.toFixed(2);
  wanted = value;
  if (asking || !current) return;
  asking = true;
  try {
    while (wanted !== null) {
      const [asked, key] = [wanted, current.key];
      wanted = null;
      const found = await predict(current.box, asked);
      if (current?.key !== key) break;
      mask = Mask.decode(size, found.counts);
      view.mask = mask;
      view.draw();
    }
  } catch (error) {
    note(error.message);
  }
  asking = false;
  thresholdIsShown?.();
});
let thresholdIsShown = null;
$('threshold').addEventListener('change', async () => {
  if (!current) return;
  if (asking) await new Promise((done) => { thresholdIsShown = done; });
  keepMask();
});

for (const [key, [text]] of Object.entries(keys)) {
  const row = $('keys').querySelector('tbody').insertRow();
  const cell = document.createElement('kbd');
  cell.textContent = key.length === 1 ? key.toUpperCase() : key;
  row.insertCell().append(cell);
  row.insertCell().textContent = text;
}

inTurn(async () => {
  takeIndex(await get('index'));
  index.categories.forEach((name, number) => {
    for (const id of ['category', 'only']) $(id).append(new Option(name, String(number)));
  });
  filter(undefined);
  showProgress();
  choose('pan');
  await open(queue[0]?.[0]);
});
