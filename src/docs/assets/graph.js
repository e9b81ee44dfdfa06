// The lineage as a drawing: nodes stand in columns by group and distance, edges run from left to right.

const BOX = { width: 184, height: 30, gapX: 52, gapY: 12, head: 30 };
const MOST = 160;

// Ancestors or descendants, nearest first.
function relatives(id, key, limit) {
  const seen = new Set([id]);
  let ring = [id];
  while (ring.length && seen.size < limit) {
    const next = [];
    for (const one of ring) {
      for (const other of nodes[one][key] || []) {
        if (!nodes[other] || nodes[other].kind === "test" || seen.has(other) || seen.size >= limit) continue;
        seen.add(other);
        next.push(other);
      }
    }
    ring = next;
  }
  return seen;
}

// Columns of nodes: groups follow each other; within a group a node stands after its parents of the group.
function columnsOf(ids) {
  const chosen = new Set(ids);
  const groups = site.groups.map((group) => group.id);
  const depth = new Map();
  const visit = (id, path) => {
    if (depth.has(id)) return depth.get(id);
    if (path.has(id)) return 0;
    path.add(id);
    let found = 0;
    for (const parent of nodes[id].parents || []) {
      if (chosen.has(parent) && nodes[parent].group === nodes[id].group) found = Math.max(found, visit(parent, path) + 1);
    }
    path.delete(id);
    depth.set(id, found);
    return found;
  };
  const columns = [];
  for (const group of groups) {
    const own = ids.filter((id) => nodes[id].group === group);
    const lanes = [];
    for (const id of own) {
      const place = visit(id, new Set());
      (lanes[place] = lanes[place] || []).push(id);
    }
    lanes.forEach((lane, place) => columns.push({ group, first: place === 0, ids: lane }));
  }
  return columns;
}

// Edges with the places that they pass: one that skips columns has a bend in each, so that it runs between the nodes of
// that column and not behind them.
function chains(ids, columns) {
  const chosen = new Set(ids);
  const column = new Map();
  columns.forEach((one, index) => one.ids.forEach((id) => column.set(id, index)));
  const edges = [];
  for (const to of ids) {
    for (const from of nodes[to].parents || []) {
      if (!chosen.has(from)) continue;
      const chain = [from];
      for (let index = column.get(from) + 1; index < column.get(to); index += 1) {
        const bend = "bend " + edges.length + " " + index;
        columns[index].ids.push(bend);
        column.set(bend, index);
        chain.push(bend);
      }
      edges.push({ from, to, chain: chain.concat([to]) });
    }
  }
  return { edges, column };
}

// Places nodes so that edges cross little: columns are ordered by the middle of their neighbours, to and fro; then
// each node moves towards its neighbours as far as the others leave room.
function place(ids) {
  const columns = columnsOf(ids);
  const { edges, column } = chains(ids, columns);
  const near = new Map([...column.keys()].map((id) => [id, []]));
  for (const { chain } of edges) {
    for (let index = 1; index < chain.length; index += 1) {
      near.get(chain[index]).push(chain[index - 1]);
      near.get(chain[index - 1]).push(chain[index]);
    }
  }
  const size = (id) => (nodes[id] ? BOX.height + BOX.gapY : 9);
  const half = (id) => (nodes[id] ? BOX.height / 2 : 0);
  const y = new Map();
  columns.forEach((one) => {
    let top = 0;
    one.ids.forEach((id) => { y.set(id, top); top += size(id); });
  });
  const middle = (id, side) => {
    const others = near.get(id).filter((other) => side(column.get(other), column.get(id)));
    if (!others.length) return y.get(id);
    return others.reduce((sum, other) => sum + y.get(other) + half(other), 0) / others.length - half(id);
  };
  const settle = (one, wish) => {
    const order = one.ids.map((id) => [wish(id), id]).sort((a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : 1));
    one.ids = order.map((pair) => pair[1]);
    // Nodes that want the same room share it around the middle of their wishes.
    const blocks = [];
    for (const [wanted, id] of order) {
      blocks.push({ ids: [id], height: size(id), sum: wanted, top: wanted });
      while (blocks.length > 1) {
        const last = blocks[blocks.length - 1];
        const before = blocks[blocks.length - 2];
        if (before.top + before.height <= last.top) break;
        blocks.pop();
        const joined = blocks[blocks.length - 1];
        joined.sum += last.sum - last.ids.length * before.height;
        joined.ids = before.ids.concat(last.ids);
        joined.height = before.height + last.height;
        joined.top = joined.sum / joined.ids.length;
      }
    }
    for (const block of blocks) {
      let top = block.top;
      block.ids.forEach((id) => { y.set(id, top); top += size(id); });
    }
  };
  const left = (other, own) => other < own;
  const right = (other, own) => other > own;
  for (let round = 0; round < 8; round += 1) {
    columns.forEach((one) => settle(one, (id) => middle(id, left)));
    [...columns].reverse().forEach((one) => settle(one, (id) => middle(id, right)));
  }
  columns.forEach((one) => settle(one, (id) => (middle(id, left) + middle(id, right)) / 2));
  const top = Math.min(...y.values());
  const places = new Map();
  for (const [id, index] of column) {
    places.set(id, { x: index * (BOX.width + BOX.gapX), y: Math.round(y.get(id) - top) + BOX.head });
  }
  const height = Math.max(...[...places].map(([id, spot]) => spot.y + 2 * half(id)));
  return { places, columns, edges, width: columns.length * (BOX.width + BOX.gapX) - BOX.gapX, height };
}

// The line of an edge: level across the columns that it passes, bent between them.
function course(edge, places) {
  let line = "";
  for (let index = 1; index < edge.chain.length; index += 1) {
    const first = index === 1;
    const last = index === edge.chain.length - 1;
    const from = places.get(edge.chain[index - 1]);
    const to = places.get(edge.chain[index]);
    const [x1, y1] = [from.x + BOX.width, first ? edge.fromY : from.y];
    const [x2, y2] = [to.x, last ? edge.toY : to.y];
    const bend = Math.max(24, Math.abs(x2 - x1) / 2);
    line += (first ? "M" : "L") + x1 + " " + y1 + " C" + [x1 + bend, y1, x2 - bend, y2, x2, y2].join(" ");
  }
  return line;
}

function shortened(text, most) {
  return text.length <= most ? text : text.slice(0, most - 1) + "…";
}

// Where an edge leaves or enters a node: several share the height, so that each can be followed.
function ports(edges, places) {
  const spread = (key, next) => {
    const byNode = new Map();
    edges.forEach((edge) => byNode.set(edge[key], (byNode.get(edge[key]) || []).concat([edge])));
    for (const own of byNode.values()) {
      own.sort((a, b) => places.get(next(a)).y - places.get(next(b)).y);
      const room = Math.min(BOX.height - 10, (own.length - 1) * 4);
      own.forEach((edge, index) => {
        const share = own.length === 1 ? 0 : index / (own.length - 1) - 0.5;
        edge[key + "Y"] = places.get(edge[key]).y + BOX.height / 2 + share * room;
      });
    }
  };
  spread("from", (edge) => edge.chain[1]);
  spread("to", (edge) => edge.chain[edge.chain.length - 2]);
}

// The sign of a state: told by its shape as well as by its colour.
function mark(state, x, y) {
  if (state === "bad") return `M${x} ${y - 5} L${x + 5} ${y + 4} L${x - 5} ${y + 4} Z`;
  if (state === "warn") return `M${x - 4} ${y - 4} h8 v8 h-8 Z`;
  return `M${x - 4} ${y} a4 4 0 1 0 8 0 a4 4 0 1 0 -8 0 Z`;
}

// The drawing of some nodes. `focus` is marked and cannot be followed.
function graph(ids, focus) {
  const { places, columns, edges, width, height } = place(ids);
  ports(edges, places);
  const margin = 12;
  const svg = drawing("svg", {
    class: "graph", role: "group", "aria-label": "Lineage of " + plural(ids.length, "node"),
    viewBox: [-margin, -margin, width + 2 * margin, height + 2 * margin].join(" "),
    width: width + 2 * margin, height: height + 2 * margin,
  });
  const titles = new Map(site.groups.map((group) => [group.id, group.title]));
  columns.forEach((column, index) => {
    if (!column.first) return;
    const count = columns.filter((other) => other.group === column.group).length;
    const x = index * (BOX.width + BOX.gapX);
    svg.append(drawing("rect", {
      class: "lane " + column.group, x: x - 10, y: -6, rx: 8,
      width: count * (BOX.width + BOX.gapX) - BOX.gapX + 20, height: height + 14,
    }), drawing("text", { class: "lane-title", x, y: 12 }, titles.get(column.group)));
  });
  const drawnEdges = edges.map((edge) => {
    const path = drawing("path", { class: "edge", d: course(edge, places) });
    svg.append(path);
    return { ...edge, path };
  });
  const drawnNodes = new Map();
  for (const id of ids) {
    const node = nodes[id];
    const { x, y } = places.get(id);
    const state = sign(node);
    const room = state ? 22 : 25;
    // The lane says the layer, so that names of schemas would only take room.
    const name = DESCRIBED.includes(node.kind) ? node.label : node.name;
    const own = drawing("a", {
      class: "node " + node.group + " " + node.kind + (id === focus ? " focus" : ""), href: address(id),
      "aria-label": node.kind + " " + node.label,
    },
    drawing("title", {}, node.label + (node.summary ? "\n" + node.summary : "")),
    drawing("rect", { x, y, width: BOX.width, height: BOX.height, rx: node.kind === "exposure" ? 15 : 5 }),
    drawing("text", { x: x + 10, y: y + 19.5 }, shortened(name, room)),
    state && drawing("path", { class: "sign " + state, d: mark(state, x + BOX.width - 12, y + BOX.height / 2) }));
    const lift = (on) => () => {
      svg.classList.toggle("lifted", on);
      const family = new Set([...relatives(id, "parents", Infinity), ...relatives(id, "children", Infinity)]);
      const up = relatives(id, "parents", Infinity);
      const down = relatives(id, "children", Infinity);
      drawnNodes.forEach((drawn, other) => drawn.classList.toggle("lit", on && family.has(other)));
      drawnEdges.forEach((edge) => {
        const lit = (up.has(edge.from) && up.has(edge.to)) || (down.has(edge.from) && down.has(edge.to));
        edge.path.classList.toggle("lit", on && lit);
      });
    };
    for (const [name, on] of [["mouseenter", true], ["mouseleave", false], ["focus", true], ["blur", false]]) {
      own.addEventListener(name, lift(on));
    }
    drawnNodes.set(id, own);
    svg.append(own);
  }
  return svg;
}

// A drawing in a frame that scrolls: it is enlarged with buttons, or Ctrl and the wheel, and moved by dragging.
function framed(svg) {
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const frame = element("div", { class: "frame", tabindex: 0, role: "region", "aria-label": "Lineage, scrolls" }, svg);
  let scale = 1;
  const resize = (wanted, x, y) => {
    const before = scale;
    scale = Math.min(Math.max(wanted, 0.2), 2.5);
    svg.setAttribute("width", Math.round(width * scale));
    svg.setAttribute("height", Math.round(height * scale));
    // What was under the pointer, or in the middle, stays there.
    frame.scrollLeft = (frame.scrollLeft + x) * (scale / before) - x;
    frame.scrollTop = (frame.scrollTop + y) * (scale / before) - y;
  };
  const fitting = () => (frame.clientWidth - 2) / width;
  const zoom = (factor) => resize(scale * factor, frame.clientWidth / 2, frame.clientHeight / 2);
  frame.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const edge = frame.getBoundingClientRect();
    resize(scale * (event.deltaY > 0 ? 1 / 1.15 : 1.15), event.clientX - edge.left, event.clientY - edge.top);
  }, { passive: false });
  let grip = null;
  let moved = false;
  frame.addEventListener("pointerdown", (event) => {
    moved = false;
    if (event.button === 0 && event.pointerType === "mouse") {
      grip = { x: event.clientX, y: event.clientY, left: frame.scrollLeft, top: frame.scrollTop };
    }
  });
  frame.addEventListener("pointermove", (event) => {
    if (!grip) return;
    const [x, y] = [event.clientX - grip.x, event.clientY - grip.y];
    if (Math.abs(x) + Math.abs(y) > 4) moved = true;
    frame.scrollLeft = grip.left - x;
    frame.scrollTop = grip.top - y;
  });
  for (const name of ["pointerup", "pointerleave"]) frame.addEventListener(name, () => { grip = null; });
  // A drag that began on a node does not follow its link.
  frame.addEventListener("click", (event) => { if (moved) event.preventDefault(); }, true);
  frame.addEventListener("dragstart", (event) => event.preventDefault());
  // The size is known once the frame stands in the page. It is never shrunk so far that names cannot be read.
  requestAnimationFrame(() => {
    resize(Math.min(1, Math.max(fitting(), 0.82)), 0, 0);
    const focus = svg.querySelector(".focus rect");
    if (focus) frame.scrollLeft = (Number(focus.getAttribute("x")) + BOX.width / 2) * scale - frame.clientWidth / 2;
  });
  const button = (text, label, act) => element("button", { type: "button", title: label, "aria-label": label, onclick: act }, text);
  return element("div", { class: "drawing" }, frame, element("div", { class: "zoom" },
    button("+", "Enlarge", () => zoom(1.25)), button("−", "Shrink", () => zoom(0.8)),
    button("Fit", "Show all", () => resize(Math.min(1, fitting()), 0, 0))));
}

// The nodes around one: all of its relatives, or the nearest.
function around(id, limit) {
  const up = relatives(id, "parents", limit);
  const down = relatives(id, "children", limit);
  return inOrder(new Set([...up, ...down]));
}

function inOrder(chosen) {
  return Object.keys(nodes).filter((id) => chosen.has(id)).sort((a, b) => (nodes[a].label < nodes[b].label ? -1 : 1));
}
