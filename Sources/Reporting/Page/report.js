"use strict";
// Data files call MAL.index and MAL.chunk, because a page opened from a disk may load scripts but
// not read files. Nothing of the data ever becomes markup: it is set as text only.
(() => {
  const PAGE = 48;
  const SIZES = ["small", "medium", "large", "other"];
  const STATES = ["mask", "changed by clean-up", "no mask"];
  const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const VALUES = new Map([...LETTERS].map((letter, value) => [letter, value]));
  const byId = (id) => document.getElementById(id);
  const chunks = new Map();
  const waiting = new Map();
  let data = null;
  let found = [];
  let page = 0;
  let open = -1;

  const make = (name, text, attributes) => {
    const node = document.createElement(name);
    if (text !== undefined) node.textContent = text;
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    return node;
  };
  const share = (value) => (value < 0 ? "–" : (value / 1000).toFixed(2));
  const category = (rank) => (data.category[rank] < 0 ? "no category" : data.categories[data.category[rank]]);
  const file = (rank) => (data.image[rank] < 0 ? "no image" : data.files[data.image[rank]]);

  window.MAL = {
    index(value) {
      data = value;
      document.body.dataset.boxes = String(data.id.length);
      start();
    },
    chunk(name, records) {
      chunks.set(name, records);
      if (chunks.size > 96) chunks.delete(chunks.keys().next().value);
    },
  };

  function load(name) {
    if (chunks.has(name)) return Promise.resolve(chunks.get(name));
    if (!waiting.has(name)) {
      waiting.set(name, new Promise((resolve) => {
        const script = make("script", undefined, { src: "data/" + name + ".js" });
        script.onload = () => { waiting.delete(name); script.remove(); resolve(chunks.get(name)); };
        script.onerror = () => { waiting.delete(name); script.remove(); resolve(undefined); };
        document.head.append(script);
      }));
    }
    return waiting.get(name);
  }

  // A card of the gallery, or the view of an opened mask.
  const CARD = { chunk: "c", size: () => data.chunkSize, folder: "thumbs" };
  const VIEW = { chunk: "v", size: () => data.viewChunkSize, folder: "views" };

  async function detail(rank, kind) {
    const records = await load(kind.chunk + Math.floor(rank / kind.size()));
    const record = records && records[rank % kind.size()];
    return record || null;
  }

  // Drawing

  function pixels(text, count) {
    const out = new Uint8Array(count);
    let place = 0, value = 0, length = 0, shift = 0;
    for (const letter of text) {
      const bits = VALUES.get(letter);
      length |= (bits & 31) << shift;
      shift += 5;
      if (bits & 32) continue;
      if (value) out.fill(1, place, place + length);
      place += length;
      value = 1 - value;
      length = 0;
      shift = 0;
    }
    return out;
  }

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

  function paint(image, mask, width, height, zoom, name, tint) {
    const [red, green, blue] = channels(color(name));
    const at = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x];
    const wide = width * zoom;
    for (let y = 0; y < height * zoom; y++) {
      for (let x = 0; x < wide; x++) {
        const cx = Math.floor(x / zoom), cy = Math.floor(y / zoom);
        if (!mask[cy * width + cx]) continue;
        const edge =
          (x % zoom < 2 && !at(cx - 1, cy)) || (x % zoom > 0 && !at(cx + 1, cy)) ||
          (y % zoom < 2 && !at(cx, cy - 1)) || (y % zoom > 0 && !at(cx, cy + 1));
        if (!edge && !tint) continue;
        const place = (y * wide + x) * 4;
        image.data[place] = red;
        image.data[place + 1] = green;
        image.data[place + 2] = blue;
        image.data[place + 3] = edge ? 255 : tint;
      }
    }
  }

  function draw(canvas, record) {
    const [width, height, , box, mask, before, truth] = record;
    const zoom = Math.min(Math.max(Math.floor(1600 / Math.max(width, height)), 1), 3);
    canvas.width = width * zoom;
    canvas.height = height * zoom;
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    const count = width * height;
    if (mask && byId("show-mask").checked) paint(image, pixels(mask, count), width, height, zoom, "mask", 90);
    if (before && byId("show-before").checked) paint(image, pixels(before, count), width, height, zoom, "before", 0);
    if (truth && byId("show-truth").checked) paint(image, pixels(truth, count), width, height, zoom, "truth", 0);
    context.putImageData(image, 0, 0);
    if (byId("show-box").checked) {
      context.strokeStyle = color("box");
      context.lineWidth = 2;
      const [left, top, right, bottom] = box.map((value) => value / 10 * zoom);
      context.strokeRect(left, top, right - left, bottom - top);
    }
  }

  function frame(rank, record, kind) {
    const holder = make("span", undefined, { class: "frame" });
    const [width, tall, hasPicture] = record;
    holder.style.aspectRatio = width + " / " + tall;
    if (hasPicture) {
      const picture = make("img", undefined, {
        src: kind.folder + "/" + Math.floor(rank / 1000) + "/" + rank + ".jpg", loading: "lazy", decoding: "async",
        alt: "",
      });
      holder.append(picture);
    }
    const canvas = make("canvas", undefined, { "aria-hidden": "true" });
    holder.append(canvas);
    draw(canvas, record);
    return holder;
  }

  // Gallery

  function describe(rank) {
    const parts = ["annotation " + data.id[rank], category(rank), SIZES[data.size[rank]]];
    if (data.state[rank] === 2) parts.push("no mask: " + data.reasons[data.reason[rank]]);
    if (data.score[rank] >= 0) parts.push("score " + share(data.score[rank]));
    if (data.iou[rank] >= 0) parts.push("IoU " + share(data.iou[rank]));
    if (data.state[rank] === 1) parts.push("changed by clean-up");
    return parts.join(", ");
  }

  function card(rank) {
    const button = make("button", undefined, { type: "button", class: "card", "aria-label": describe(rank) });
    button.dataset.rank = rank;
    const picture = make("span", undefined, { class: "picture" });
    const caption = make("span", undefined, { class: "caption" });
    const numbers = [];
    if (data.iou[rank] >= 0) numbers.push("IoU " + share(data.iou[rank]));
    if (data.score[rank] >= 0) numbers.push("score " + share(data.score[rank]));
    if (data.state[rank] === 2) numbers.push("no mask");
    caption.append(make("b", numbers.join(" · ")), make("span", category(rank) + " · " + SIZES[data.size[rank]]),
      make("span", "id " + data.id[rank] + (data.state[rank] === 1 ? " · cleaned" : "")));
    button.append(picture, caption);
    button.addEventListener("click", () => show(found.indexOf(rank)));
    detail(rank, CARD).then((record) => {
      if (!record || !picture.isConnected) return;
      const holder = frame(rank, record, CARD);
      if (record[0] / record[1] > 0.95) holder.style.width = "100%"; else holder.style.height = "100%";
      picture.append(holder);
    });
    const item = make("li");
    item.append(button);
    return item;
  }

  const pageCount = () => Math.max(1, Math.ceil(found.length / PAGE));

  function showPage(number, focus) {
    page = Math.min(Math.max(number, 0), pageCount() - 1);
    const first = page * PAGE;
    const ranks = found.slice(first, first + PAGE);
    byId("gallery").replaceChildren(...ranks.map(card));
    byId("page").value = page + 1;
    byId("page").max = pageCount();
    byId("of").textContent = "of " + pageCount();
    for (const button of document.querySelectorAll(".pages button")) {
      const back = button.dataset.go === "first" || button.dataset.go === "previous";
      button.disabled = back ? page === 0 : page === pageCount() - 1;
    }
    byId("found").textContent = found.length
      ? (first + 1) + "–" + (first + ranks.length) + " of " + found.length + " boxes"
        + (found.length < data.id.length ? " (of " + data.id.length + ")" : "")
      : "No box is like that.";
    document.body.dataset.found = String(found.length);
    document.body.dataset.page = String(page + 1);
    if (focus !== undefined) {
      const cards = byId("gallery").querySelectorAll(".card");
      const wanted = cards[focus < 0 ? cards.length - 1 : focus];
      if (wanted) wanted.focus();
    }
    remember();
  }

  const number = (id, otherwise) => {
    const value = parseFloat(byId(id).value);
    return Number.isFinite(value) ? Math.round(value * 1000) : otherwise;
  };

  function filter() {
    const text = byId("text").value.trim().toLowerCase();
    const wantedCategory = byId("category").value;
    const wantedSize = byId("size").value;
    const states = byId("state").value ? byId("state").value.split(",").map(Number) : null;
    const from = number("from", -1), to = number("to", 1000);
    const names = text ? data.files.map((name) => name.toLowerCase().includes(text)) : null;
    found = [];
    for (let rank = 0; rank < data.id.length; rank++) {
      if (wantedCategory !== "" && data.category[rank] !== Number(wantedCategory)) continue;
      if (wantedSize !== "" && data.size[rank] !== Number(wantedSize)) continue;
      if (states && !states.includes(data.state[rank])) continue;
      const score = data.score[rank];
      if ((from >= 0 && score < from) || (to < 1000 && (score > to || score < 0))) continue;
      if (names && !(data.image[rank] >= 0 && names[data.image[rank]])
        && !String(data.id[rank]).toLowerCase().includes(text)) continue;
      found.push(rank);
    }
    const sort = byId("sort").value;
    const none = (value) => (value < 0 ? 2000 : value);
    const orders = {
      worst: (a, b) => a - b,
      best: (a, b) => (data.state[a] === 2) - (data.state[b] === 2) || b - a,
      score: (a, b) => none(data.score[a]) - none(data.score[b]) || a - b,
      gap: (a, b) => gap(b) - gap(a) || a - b,
      file: (a, b) => data.order[a] - data.order[b],
    };
    if (sort !== "worst") found.sort(orders[sort]);
  }

  const gap = (rank) => (data.score[rank] < 0 || data.iou[rank] < 0 ? -1 : Math.abs(data.score[rank] - data.iou[rank]));

  // The state of the page is in its address, so that a view can be kept and shared.

  const FIELDS = ["text", "category", "size", "state", "from", "to", "sort"];

  function remember() {
    const parts = FIELDS.filter((id) => byId(id).value !== "" && !(id === "sort" && byId(id).value === "worst"))
      .map((id) => id + "=" + encodeURIComponent(byId(id).value));
    if (page > 0) parts.push("page=" + (page + 1));
    history.replaceState(null, "", "#" + parts.join("&"));
  }

  function recall() {
    let first = 0;
    for (const part of location.hash.slice(1).split("&")) {
      const [key, value] = part.split("=");
      let text = "";
      try { text = decodeURIComponent(value || ""); } catch { continue; }
      if (key === "page") first = (parseInt(text, 10) || 1) - 1;
      if (FIELDS.includes(key)) byId(key).value = text;
    }
    if (byId("sort").selectedIndex < 0) byId("sort").value = "worst";
    return first;
  }

  // One mask

  let zoom = 0; // screen pixels to one of the photograph; 0 fits the window
  let shown = null;

  function show(position) {
    if (position < 0 || position >= found.length) return;
    open = position;
    zoom = 0;
    const rank = found[position];
    byId("viewer-title").textContent = "Annotation " + data.id[rank] + ", " + category(rank);
    const facts = [["File", file(rank)], ["Size", SIZES[data.size[rank]]], ["State", STATES[data.state[rank]]]];
    if (data.state[rank] === 2) facts.push(["Reason", data.reasons[data.reason[rank]]]);
    if (data.score[rank] >= 0) facts.push(["Score", share(data.score[rank]) + " (estimated IoU)"]);
    if (data.iou[rank] >= 0) facts.push(["IoU", share(data.iou[rank]) + " with the truth"]);
    facts.push(["Place", (position + 1) + " of " + found.length]);
    byId("facts").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
    byId("back").disabled = position === 0;
    byId("forward").disabled = position === found.length - 1;
    byId("viewer-picture").replaceChildren();
    shown = null;
    look(rank, position);
    if (!byId("viewer").open) byId("viewer").showModal();
  }

  async function look(rank, position) {
    let kind = rank < data.views ? VIEW : CARD;
    let record = await detail(rank, kind);
    if (!record && kind === VIEW) {
      kind = CARD;
      record = await detail(rank, kind);
    }
    if (!record || open !== position) return;
    shown = { record, holder: frame(rank, record, kind) };
    byId("viewer-picture").replaceChildren(shown.holder);
    resize();
  }

  // What a picture's pixel takes of the screen, for the whole picture to be seen.
  function fitting() {
    const [width, height] = shown.record;
    const place = byId("viewer-picture");
    return Math.min(place.clientWidth / width, place.clientHeight / height, 8);
  }

  function resize() {
    if (!shown) return;
    const [width, , , , , , , thousandths] = shown.record;
    const own = thousandths / 1000;
    const scale = zoom ? zoom / own : fitting();
    shown.holder.style.width = Math.max(1, Math.floor(width * scale)) + "px";
    shown.holder.classList.toggle("blocks", scale >= 2);
    byId("zoom").textContent = Math.round(scale * own * 100) + " %";
  }

  function setZoom(value) {
    if (!shown) return;
    const place = byId("viewer-picture");
    const middle = [place.scrollLeft + place.clientWidth / 2, place.scrollTop + place.clientHeight / 2];
    const before = shown.holder.clientWidth;
    zoom = value && Math.min(Math.max(value, 0.05), 16);
    resize();
    const ratio = shown.holder.clientWidth / before;
    place.scrollLeft = middle[0] * ratio - place.clientWidth / 2;
    place.scrollTop = middle[1] * ratio - place.clientHeight / 2;
  }

  const zoomBy = (factor) => shown && setZoom((zoom || fitting() * shown.record[7] / 1000) * factor);

  function closed() {
    const position = open;
    open = -1;
    shown = null;
    if (position < 0) return;
    const wanted = Math.floor(position / PAGE);
    if (wanted !== page) showPage(wanted);
    const card = byId("gallery").querySelectorAll(".card")[position % PAGE];
    if (card) card.focus();
  }

  function arrows(event) {
    const cards = [...byId("gallery").querySelectorAll(".card")];
    const at = cards.indexOf(document.activeElement);
    if (at < 0) return;
    const row = cards.filter((card) => card.offsetTop === cards[0].offsetTop).length;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row, Home: -at, End: cards.length - 1 - at };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const next = at + steps[event.key];
    if (next >= cards.length && page + 1 < pageCount()) showPage(page + 1, 0);
    else if (next < 0 && page > 0) showPage(page - 1, -1);
    else if (cards[next]) cards[next].focus();
  }

  // Summary

  function panel(title, head, rows) {
    const box = make("section", undefined, { class: "panel" });
    const table = make("table");
    if (head) {
      const line = make("tr");
      for (const text of head) line.append(make("th", text, { scope: "col" }));
      const top = make("thead");
      top.append(line);
      table.append(top);
    }
    const body = make("tbody");
    for (const [name, ...cells] of rows) {
      const line = make("tr");
      line.append(make("th", name, { scope: "row" }));
      for (const cell of cells) {
        const place = make("td");
        if (cell instanceof Node) { place.className = "wide"; place.append(cell); } else place.textContent = cell;
        line.append(place);
      }
      body.append(line);
    }
    table.append(body);
    const list = make("div", undefined, { class: "list" });
    list.append(table);
    // What scrolls must be reached by keys.
    if (rows.length > 12) for (const [key, value] of [["tabindex", 0], ["role", "region"], ["aria-label", title]]) {
      list.setAttribute(key, value);
    }
    box.append(make("h3", title), list);
    return box;
  }

  const meter = (value, max, label) => make("meter", label, { value, min: 0, max: Math.max(max, 1), "aria-label": label });
  const mean = (total, count) => (count ? (total / count / 1000).toFixed(2) : "–");

  function tally(key, count) {
    const rows = Array.from({ length: count }, () => ({ all: 0, score: 0, scored: 0, iou: 0, measured: 0 }));
    for (let rank = 0; rank < data.id.length; rank++) {
      const place = key(rank);
      if (place < 0) continue;
      const row = rows[place];
      row.all++;
      if (data.score[rank] >= 0) { row.score += data.score[rank]; row.scored++; }
      if (data.iou[rank] >= 0) { row.iou += data.iou[rank]; row.measured++; }
    }
    return rows;
  }

  function histogram(title, values) {
    const bins = new Array(10).fill(0);
    for (const value of values) if (value >= 0) bins[Math.min(9, Math.floor(value / 100))]++;
    const most = Math.max(...bins);
    return panel(title, null, bins.map((count, bin) =>
      [(bin / 10).toFixed(1) + "–" + ((bin + 1) / 10).toFixed(1), meter(count, most, count + " boxes"), String(count)]));
  }

  function summarize() {
    const measured = data.iou.some((value) => value >= 0);
    const scored = data.score.some((value) => value >= 0);
    const [all] = tally(() => 0, 1);
    const without = data.state.filter((state) => state === 2).length;
    const cleaned = data.state.filter((state) => state === 1).length;
    const panels = [panel("Boxes", null, [
      ["boxes", String(data.id.length)], ["with a mask", String(data.id.length - without)],
      ["without a mask", String(without)], ["changed by clean-up", String(cleaned)],
      ["images", String(data.files.length)], ["mean score", mean(all.score, all.scored)],
      ...(measured ? [["mean IoU", mean(all.iou, all.measured)]] : []),
    ])];
    if (scored) panels.push(histogram("Scores", data.score));
    if (measured) panels.push(histogram("IoU with the truth", data.iou));
    const head = ["", "boxes", "score", ...(measured ? ["IoU"] : [])];
    const row = (name, value) =>
      [name, String(value.all), mean(value.score, value.scored), ...(measured ? [mean(value.iou, value.measured)] : [])];
    panels.push(panel("Sizes", head, tally((rank) => data.size[rank], 4)
      .map((value, place) => [value, place]).filter(([value]) => value.all)
      .map(([value, place]) => row(SIZES[place], value))));
    const kinds = tally((rank) => data.category[rank], data.categories.length)
      .map((value, place) => [value, place]).filter(([value]) => value.all).sort((a, b) => b[0].all - a[0].all);
    panels.push(panel("Categories" + (kinds.length > 12 ? " (" + kinds.length + ")" : ""), head,
      kinds.map(([value, place]) => row(data.categories[place], value))));
    if (without) {
      const counts = new Array(data.reasons.length).fill(0);
      for (const reason of data.reason) if (reason >= 0) counts[reason]++;
      const reasons = counts.map((count, place) => [count, place]).sort((a, b) => b[0] - a[0]);
      panels.push(panel("Why boxes have no mask" + (reasons.length > 12 ? " (" + reasons.length + ")" : ""), null,
        reasons.map(([count, place]) => [data.reasons[place], String(count)])));
    }
    byId("panels").replaceChildren(...panels);
    byId("about").textContent = data.masks + ": " + data.id.length + " boxes"
      + (data.truth ? ", compared with " + data.truth : "") + ". Worst first.";
  }

  function start() {
    const counts = tally((rank) => data.category[rank], data.categories.length);
    const names = data.categories.map((name, place) => [name, place]).filter(([, place]) => counts[place].all);
    names.sort((a, b) => (a[0] < b[0] ? -1 : 1));
    byId("category").append(make("option", "all", { value: "" }),
      ...names.map(([name, place]) => make("option", name + " (" + counts[place].all + ")", { value: place })));
    const measured = data.iou.some((value) => value >= 0);
    const sorts = [["worst", measured ? "lowest IoU" : "lowest score"], ["best", measured ? "highest IoU" : "highest score"]];
    if (measured) sorts.push(["score", "lowest score"], ["gap", "score and IoU apart"]);
    sorts.push(["file", "as in the file"]);
    byId("sort").append(...sorts.map(([value, name]) => make("option", name, { value })));
    byId("truth-layer").hidden = !measured;
    if (matchMedia("(max-width: 34rem)").matches) for (const id of ["summary", "controls"]) byId(id).open = false;
    summarize();
    const first = recall();
    filter();
    showPage(first);

    const again = () => { filter(); showPage(0); };
    let timer = 0;
    byId("filters").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(again, 120); });
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("filters").addEventListener("reset", () => setTimeout(again));
    byId("layers").addEventListener("change", () => showPage(page));
    byId("page").addEventListener("change", () => showPage((parseInt(byId("page").value, 10) || 1) - 1));
    document.querySelector(".pages").addEventListener("click", (event) => {
      const go = event.target.dataset && event.target.dataset.go;
      const pages = { first: 0, previous: page - 1, next: page + 1, last: pageCount() - 1 };
      if (go) showPage(pages[go]);
    });
    byId("gallery").addEventListener("keydown", arrows);
    byId("viewer").addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const factor = { "+": 1.5, "=": 1.5, "-": 1 / 1.5 }[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey || (step && event.target.id === "viewer-picture")) return;
      if (step) show(open + step);
      else if (factor) zoomBy(factor);
      else if (event.key === "0") setZoom(0);
      else if (event.key === "1") setZoom(1);
      else return;
      event.preventDefault();
    });
    byId("nearer").addEventListener("click", () => zoomBy(1.5));
    byId("farther").addEventListener("click", () => zoomBy(1 / 1.5));
    byId("own").addEventListener("click", () => setZoom(1));
    byId("fit").addEventListener("click", () => setZoom(0));
    addEventListener("resize", resize);
    byId("back").addEventListener("click", () => show(open - 1));
    byId("forward").addEventListener("click", () => show(open + 1));
    byId("close").addEventListener("click", () => byId("viewer").close());
    byId("viewer").addEventListener("close", closed);
    addEventListener("hashchange", () => { const wanted = recall(); filter(); showPage(wanted); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => showPage(page));
    document.body.dataset.ready = "yes";
  }
})();
