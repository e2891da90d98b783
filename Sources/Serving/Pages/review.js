// The page: the queue of objects, the tools, and what is sent to the server. Every change is sent when it is made.

import { View } from './canvas.js';
import { connection, get, post, Refused } from './api.js';
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
// The newest version of each object that an answer has told.
const versions = new Map();

const note = (text) => { $('note').textContent = text; };

// Steps are sent one after the other, because each names the version that the one before made. After a conflict the
// ones that wait were made of a mask that is no longer there, and are given up.
let chain = Promise.resolve();
let waiting = 0;
let conflicts = 0;
function inTurn(work) {
  const known = conflicts;
  waiting += 1;
  chain = chain.then(() => {
    if (known !== conflicts) return undefined;
    return work();
  }).catch(async (error) => {
    if (error.status === 404 && error.message === 'there is no such page') {
      note('mal review was started anew, with another address: open that one. '
        + `${waiting === 1 ? 'The last change was' : `The last ${waiting} changes were`} not kept.`);
    } else {
      note(error.message);
    }
    if (!(error instanceof Refused)) console.error(error);
    if (error.status !== 409) return;
    if (waiting > 1) note(`${error.message}. What was done on this page since is not kept.`);
    conflicts += 1;
    await reload().catch((other) => note(other.message));
  }).finally(() => { waiting -= 1; });
  return chain;
}

// Work that gives the object another mask: until it is done, the mask in sight can't be changed.
let replacing = 0;
function replace(work) {
  if (!isFree()) return undefined;
  replacing += 1;
  return inTurn(work).finally(() => { replacing -= 1; });
}

function isFree() {
  const isBusy = replacing > 0 || dragged?.kind === 'paint';
  if (isBusy) note('One moment: the mask is still being changed.');
  return !isBusy;
}

connection.onLost = () => note(`The server does not answer. ${waiting} ${waiting === 1 ? 'change waits' : 'changes wait'} `
  + 'and will be sent when it does; keep this page open.');
connection.onBack = () => note('The server answers again.');
window.addEventListener('beforeunload', (event) => { if (waiting > 0) event.preventDefault(); });

// MARK: The queue

// By key; and how many there are, so that no step looks at all of them.
let entries = new Map();
let [total, done] = [0, 0];

function matcher() {
  const [state, only] = [$('state').value, $('only').value];
  const text = $('text').value.trim().toLowerCase();
  return (object) => object[4] !== 'deleted' && (state === '' || object[4] === state)
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
  if (key === undefined) return showNothing('Nothing is left in this queue.');
  let found;
  try {
    found = await get(`object/${encodeURIComponent(key)}`);
  } catch (error) {
    if (number === stage) showNothing(`${key} can't be shown.`);
    throw error;
  }
  // A stroke that has begun ends on the object it was begun on.
  while (dragged?.kind === 'paint') await new Promise((done) => { dragged.onEnd = done; });
  if (number !== stage) return undefined;
  size = found.size;
  versions.set(found.object.key, found.object.version);
  take(found.object);
  showThreshold(0.5);
  since = Date.now();
  return view.fit(current.box);
}

// What judges or changes a mask needs one.
function enableButtons() {
  for (const button of document.querySelectorAll('[aria-label=Verdict] button, [aria-label=Mask] button')) {
    button.disabled = current === null;
  }
}

function showNothing(reason) {
  [current, mask] = [null, null];
  enableButtons();
  $('category').value = '';
  $('title').textContent = 'No object';
  $('facts').textContent = reason;
  view.show(0, null, null, null);
}

function showThreshold(value) {
  $('threshold').value = value;
  $('threshold-value').value = Number(value).toFixed(2);
}

function take(object) {
  current = object;
  enableButtons();
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
    versions.set(object.key, object.version);
    const known = entries.get(object.key);
    const short = [object.key, object.image, object.category, object.score, object.state, object.changed];
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
  if (object[4] !== 'deleted') total += sign;
  if (object[4] === 'accepted' || object[4] === 'rejected') done += sign;
}

function takeIndex(found) {
  [index, heads, total, done] = [found, found.heads, 0, 0];
  entries = new Map(index.objects.map((object) => [object[0], object]));
  for (const object of index.objects) count(object, 1);
}

async function reload() {
  const key = current?.key;
  versions.clear();
  takeIndex(await get('index'));
  filter(key);
  showProgress();
  const isThere = key && entries.has(key) && entries.get(key)[4] !== 'deleted';
  await open(isThere ? key : queue[place]?.[0]);
}

// To the next object of the queue, or the one before; what no longer belongs there is left out.
async function go(step) {
  const matches = matcher();
  const isHere = queue[place] && (current === null || queue[place][0] === current.key);
  if (isHere && !matches(queue[place])) queue.splice(place, 1);
  const stays = isHere && (current === null || queue[place]?.[0] === current.key);
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

const change = (object, fields) => ({
  key: object.key, version: versions.get(object.key) ?? object.version, ...fields,
});

// Shows an object's new mask, if the object is still in sight.
function retake(answer, key) {
  const object = answer.objects.find((known) => known.key === key);
  if (current?.key === key) take(object);
}

let judged = null;
const verdict = (kind, state) => {
  const object = current;
  // A key that is pressed again before the next object is there means this one.
  if (!object || judged === object.key) return;
  judged = object.key;
  inTurn(async () => {
    await send(kind, [change(object, { state })]);
    if (current?.key === object.key) await go(1);
  }).finally(() => { judged = null; });
};

const keepMask = (object, pixels) => {
  const counts = pixels.encode();
  return inTurn(async () => {
    await send('mask', [change(object, { counts })]);
    // The mask stays as it is on the page: the next stroke may have begun.
    if (current?.key === object.key) describe();
  });
};

function predict(object, box, threshold) {
  const body = { image: object.image, box };
  if (threshold !== undefined) body.threshold = threshold;
  return post('predict', body);
}

const redraw = (object, box) => replace(async () => {
  note('The network labels the box…');
  const found = await predict(object, box);
  const answer = await send('box', [change(object, { box, counts: found.counts, score: found.score })]);
  retake(answer, object.key);
  showThreshold(0.5);
});

const create = (object, box) => {
  const category = $('category').value;
  if (category === '' && index.categories.length > 0) {
    note('Choose a category first.');
    return;
  }
  replace(async () => {
    note('The network labels the box…');
    const found = await predict(object, box);
    const added = { image: object.image, box, counts: found.counts, score: found.score };
    if (category !== '') added.category = Number(category);
    const { key } = (await send('new', [added])).objects[0];
    place = queue.findIndex((entry) => entry[0] === key);
    await open(key);
  });
};

const click = (point, adds) => {
  const [object, counts] = [current, mask.encode()];
  return replace(async () => {
    const found = await post('click', {
      image: object.image, box: object.box, counts, x: Math.floor(point[0]), y: Math.floor(point[1]), adds,
    });
    retake(await send('mask', [change(object, { counts: found.counts })]), object.key);
  });
};

const split = () => {
  if (!current || !isFree()) return;
  const [object, parts] = [current, tools.split(mask)];
  if (parts.length < 2) {
    note('The mask is in one piece.');
    return;
  }
  if (parts.length > 1000) {
    note(`The mask is in ${parts.length} pieces; at most 1000 can be made objects. L keeps the largest.`);
    return;
  }
  const changes = parts.map((part, number) => {
    const fields = { counts: part.encode(), box: part.bounds() };
    if (number === 0) return fields;
    if (object.category !== null) fields.category = object.category;
    return { ...fields, image: object.image };
  });
  replace(async () => {
    const [first, ...others] = changes;
    retake(await send('split', [change(object, first), ...others]), object.key);
  });
};

const merge = (point) => {
  const [object, whole] = [current, mask.copy()];
  const [x, y] = point.map(Math.floor);
  return replace(async () => {
    const others = index.objects.filter((other) => other[1] === object.image && other[0] !== object.key
      && other[4] !== 'deleted');
    // Of several the smallest: a large one can be clicked where it is alone.
    let joined = null;
    for (const [key] of others) {
      const other = await get(`object/${key}`).catch(() => null);
      const found = other && Mask.decode(other.size, other.object.counts);
      if (!found?.get(x, y) || found.area() >= joined?.found.area()) continue;
      joined = { found, key, version: other.object.version };
    }
    if (!joined) return note('No other object has a mask there.');
    const { found, key, version } = joined;
    tools.union(whole, found);
    const answer = await send('merge', [
      change(object, { counts: whole.encode(), box: whole.bounds() }), { key, version, state: 'deleted' }]);
    return retake(answer, object.key);
  });
};

const turn = (name) => replace(async () => {
  if (heads[name] === null) return;
  const answer = await post(name, { head: heads[name] });
  learn(answer);
  const shown = answer.objects.find((object) => object.state !== 'deleted');
  note('');
  filter(shown?.key);
  await open(shown ? shown.key : queue[place]?.[0]);
});

const edit = (work) => {
  if (!current || !isFree()) return;
  work(mask);
  view.draw();
  keepMask(current, mask);
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

function paint(stroke, to) {
  tools.stroke(stroke.mask, stroke.last, to, Number($('brush').value), stroke.value);
  stroke.last = to;
  view.draw();
}

// A second finger at once means a pinch, later it is the hand that rests on the screen.
function isPinch(event) {
  if (dragged?.kind !== 'paint') return true;
  return event.pointerType === 'touch' && performance.now() - dragged.start < 250;
}

function giveUpStroke() {
  const stroke = dragged;
  dragged = null;
  if (current?.key === stroke.object.key) {
    mask = stroke.before;
    view.mask = mask;
  }
  stroke.onEnd?.();
}

$('mask').addEventListener('pointerdown', (event) => {
  if (!current || event.button > 1 || (pointers.size > 0 && !isPinch(event))) return;
  event.target.setPointerCapture(event.pointerId);
  const at = view.place(event);
  pointers.set(event.pointerId, at);
  const point = view.point(at);
  if (pointers.size === 2) {
    if (dragged?.kind === 'paint') giveUpStroke();
    view.draft = tool === 'polygon' ? view.draft : null;
    dragged = { kind: 'pinch' };
  } else if (tool === 'pan' || spaceIsDown || event.button === 1) {
    dragged = { kind: 'pan' };
  } else if (!isFree()) {
    dragged = null;
  } else if (tool === 'box' || tool === 'new') {
    dragged = { kind: tool, from: point, object: current };
  } else if (tool === 'brush' || tool === 'eraser') {
    dragged = {
      kind: 'paint', last: point, object: current, mask, before: mask.copy(), start: performance.now(),
      value: tool === 'brush' ? 1 : 0,
    };
    paint(dragged, point);
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
    paint(dragged, point);
  } else if (dragged.from) {
    const [from, to] = [dragged.from, point];
    view.draft = [from, [to[0], from[1]], to, [from[0], to[1]]];
    view.draw();
  }
  pointers.set(event.pointerId, at);
});

function release(event) {
  if (!pointers.delete(event.pointerId) || !dragged) return;
  const done = dragged;
  dragged = null;
  if (done.kind === 'paint') {
    keepMask(done.object, done.mask);
    done.onEnd?.();
  } else if (done.from) {
    view.draft = null;
    view.draw();
    const box = boxOf(done.from, view.point(view.place(event)));
    if (event.type === 'pointercancel' || done.object.key !== current?.key || box[2] < 1 || box[3] < 1) return;
    (done.kind === 'box' ? redraw : create)(done.object, box);
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
  9: ['whole picture', () => size && view.fit([0, 0, size.width, size.height], 1.04)],
  Enter: ['close the polygon', () => closePolygon(false)],
  Escape: ['give up what is being drawn', () => choose('pan')],
  '?': ['these keys', () => {
    $('keys').showModal();
    // The button at its end has the focus.
    $('keys').scrollTop = 0;
  }],
};

document.addEventListener('keydown', (event) => {
  if (event.key === ' ' && event.target === $('mask')) {
    spaceIsDown = true;
    event.preventDefault();
  }
  const isTyping = event.target.matches('input[type=search], select') || $('keys').open;
  if (isTyping || event.altKey) return;
  let name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    if (name !== 'z' && name !== 'y') return;
    if (event.shiftKey) name = 'y';
  }
  if (event.key === 'Enter' && event.target.matches('button')) return;
  const action = keys[name];
  // A key that is held down moves and resizes, it does not judge a hundred masks.
  if (!action || (event.repeat && !'jkzy[]'.includes(name))) return;
  event.preventDefault();
  action[1]();
});
document.addEventListener('keyup', (event) => { if (event.key === ' ') spaceIsDown = false; });
window.addEventListener('blur', () => { spaceIsDown = false; });

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
$('category').addEventListener('change', () => {
  const [object, category] = [current, $('category').value];
  if (!object || category === '') return;
  inTurn(async () => {
    await send('category', [change(object, { category: Number(category) })]);
    if (current?.key === object.key) describe();
  });
});
for (const id of ['state', 'only', 'text']) {
  $(id).addEventListener('input', () => inTurn(async () => {
    filter(undefined);
    await open(queue[0]?.[0]);
  }));
}
$('filters').addEventListener('submit', (event) => event.preventDefault());

// The slider shows each threshold as fast as the server answers; what it shows when it is let go is kept.
let slide = null;
$('threshold').addEventListener('input', () => {
  const value = Number($('threshold').value);
  $('threshold-value').value = value.toFixed(2);
  if (slide && slide.object.key !== current?.key) slide = null;
  if (!slide) {
    if (!current || !isFree()) return;
    slide = { object: current, image: size, mask: null, wanted: null, busy: null };
  }
  slide.wanted = value;
  slide.busy ??= follow(slide);
});

async function follow(sliding) {
  replacing += 1;
  try {
    while (sliding.wanted !== null) {
      const asked = sliding.wanted;
      sliding.wanted = null;
      const found = await predict(sliding.object, sliding.object.box, asked);
      sliding.mask = Mask.decode(sliding.image, found.counts);
      if (current?.key !== sliding.object.key) break;
      mask = sliding.mask;
      view.mask = mask;
      view.draw();
    }
  } catch (error) {
    note(error.message);
  }
  replacing -= 1;
  sliding.busy = null;
}

$('threshold').addEventListener('change', async () => {
  const sliding = slide;
  slide = null;
  await sliding?.busy;
  if (sliding?.mask) keepMask(sliding.object, sliding.mask);
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
