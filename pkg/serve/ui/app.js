// SPDX-License-Identifier: Apache-2.0
//
// The dashboard. State comes by /steelyard/v1/stream as server-sent events, read with fetch, because
// EventSource cannot show a token. What is drawn is drawn once a frame at most, nodes on a canvas.
'use strict';

const $ = id => document.getElementById(id);
const nodes = new Map(); // slot -> node
let order = []; // of slots, by name
let chosen = -1, summary = null, waiting = {pods: [], more: 0}, decisions = [];
const history = []; // {cpu, gpu, waiting} a second
let control = null, dirty = new Set();

// ---- the stream ----

function status(text, bad) {
  $('status').textContent = text;
  $('status').classList.toggle('bad', !!bad);
}

const handlers = {
  summary(d) {
    summary = d;
    touch('summary');
  },
  allnodes(d) {
    nodes.clear();
    put(d);
  },
  nodes: put,
  waiting(d) {
    waiting = d;
    touch('waiting');
  },
  decisions(d) {
    decisions = d.decisions.concat(decisions).slice(0, 100);
    touch('decisions');
  },
};

function put(d) {
  let anew = false;
  for (const n of d.nodes) {
    anew = anew || !nodes.has(n.slot) || nodes.get(n.slot).name !== n.name;
    nodes.set(n.slot, n);
  }
  for (const slot of d.gone) anew = nodes.delete(slot) || anew;
  if (anew) sort();
  touch('map');
}

function sort() {
  const part = $('find').value.toLowerCase();
  order = [...nodes.keys()].filter(s => nodes.get(s).name.toLowerCase().includes(part));
  order.sort((a, b) => nodes.get(a).name.localeCompare(nodes.get(b).name, 'en', {numeric: true}));
}

async function listen(token) {
  control = new AbortController();
  status('connecting');
  const answer = await fetch('/steelyard/v1/stream', {
    headers: {Authorization: 'Bearer ' + token},
    signal: control.signal,
    cache: 'no-store',
  });
  if (!answer.ok) {
    const text = await answer.text();
    let why = text;
    try {
      why = JSON.parse(text).message;
    } catch (e) { /* it is the text */ }
    throw Object.assign(new Error(why), {code: answer.status});
  }
  sessionStorage.setItem('token', token);
  show(true);
  status('live');
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    const events = (rest + value).split('\n\n');
    rest = events.pop();
    for (const event of events) {
      const m = /^event: (\w+)\ndata: (.*)$/s.exec(event);
      if (m && handlers[m[1]]) handlers[m[1]](JSON.parse(m[2]));
    }
  }
}

async function stay(token) {
  for (let wait = 1; ; wait = Math.min(wait * 2, 30)) {
    try {
      await listen(token);
      wait = 1;
    } catch (e) {
      if (e.name === 'AbortError') return;
      if (e.code === 401 || e.code === 403) {
        sessionStorage.removeItem('token');
        show(false);
        status(e.message, true);
        return;
      }
      status(`not connected: ${e.message}`, true);
    }
    await new Promise(r => setTimeout(r, wait * 1000));
  }
}

function show(board) {
  $('board').hidden = !board;
  $('login').hidden = board;
  $('leave').hidden = !board;
  if (board) touch('map');
  else $('token').focus();
}

// ---- drawing ----

function touch(what) {
  if (!dirty.size) requestAnimationFrame(draw);
  dirty.add(what);
}

function draw() {
  const now = dirty;
  dirty = new Set();
  if (now.has('summary') && summary) drawSummary();
  if (now.has('map')) drawMap();
  if (now.has('waiting')) drawWaiting();
  if (now.has('decisions')) drawDecisions();
}

const percent = x => (x === undefined ? '' : Math.round(x * 100) + ' %');
const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function cell(row, text, name) {
  const td = document.createElement('td');
  td.textContent = text;
  if (name) td.className = name;
  row.append(td);
  return td;
}

function fill(id, list, write) {
  const body = document.createElement('tbody');
  for (const item of list) {
    const row = document.createElement('tr');
    write(row, item);
    body.append(row);
  }
  $(id).tBodies[0].replaceWith(body);
}

function waitingPods() {
  const q = summary.queue;
  return q.active + q.backoff + q.unschedulable + q.gated + q.gang;
}

function drawSummary() {
  const all = summary.groups[0] ? summary.groups[0].used : {};
  const figures = {
    nodes: summary.nodes, pods: summary.pods, waiting: waitingPods(), binding: summary.queue.binding,
    cpu: percent(all.cpu), memory: percent(all.memory), gpu: percent(all.gpu),
    scheduled: summary.scheduled, errors: summary.errors, victims: summary.victims,
  };
  $('figures').replaceChildren(...Object.entries(figures).filter(([, v]) => v !== '').map(([k, v]) => {
    const div = document.createElement('div'), dt = document.createElement('dt'), dd = document.createElement('dd');
    dt.textContent = k;
    dd.textContent = v;
    div.append(dt, dd);
    return div;
  }));
  fill('groups', summary.groups.slice(1, 30), (row, g) => {
    cell(row, `${g.kind} ${g.name}`);
    cell(row, g.nodes);
    cell(row, Object.entries(g.used).map(([k, v]) => `${k} ${percent(v)}`).join(', '));
    cell(row, g.closed ? 'closed' : '');
  });
}

// Of a canvas with its size in real pixels; coordinates stay in CSS's.
function canvas(id, height) {
  const c = $(id), ratio = window.devicePixelRatio || 1, width = c.clientWidth;
  if (height) c.style.height = height + 'px';
  const h = height || c.clientHeight;
  if (c.width !== Math.round(width * ratio) || c.height !== Math.round(h * ratio)) {
    c.width = Math.round(width * ratio);
    c.height = Math.round(h * ratio);
  }
  const g = c.getContext('2d');
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, h);
  return {g, width, height: h};
}

setInterval(() => {
  if (!summary || $('board').hidden) return;
  const all = summary.groups[0] ? summary.groups[0].used : {};
  history.push({cpu: all.cpu || 0, gpu: all.gpu, waiting: waitingPods()});
  if (history.length > 300) history.shift();
  const {g, width, height} = canvas('history', 90);
  const most = Math.max(1, ...history.map(p => p.waiting));
  const line = (color, value) => {
    g.strokeStyle = style(color);
    g.lineWidth = 1.5;
    g.beginPath();
    history.forEach((p, i) => {
      const v = value(p);
      if (v !== undefined) g.lineTo(i * width / 300, height - 2 - v * (height - 4));
    });
    g.stroke();
  };
  line('--cpu', p => p.cpu);
  line('--gpu', p => p.gpu);
  line('--wait', p => p.waiting / most);
}, 1000);

function mix(a, b, t) {
  const hex = c => [1, 3, 5].map(i => parseInt(c.slice(i, i + 2), 16));
  const x = hex(a), y = hex(b);
  return `rgb(${x.map((v, i) => Math.round(v + (y[i] - v) * t)).join()})`;
}

let grid = {columns: 1, size: 16};

function valueOf(n, by) {
  if (by === 'weight') return 1 - n.weight[4];
  if (by === 'gpu') {
    if (!n.gpus) return undefined;
    const good = n.gpus.filter(x => x >= 0);
    return good.length ? good.reduce((a, b) => a + b, 0) / good.length / 1000 : 1;
  }
  return n[by];
}

function drawMap() {
  const width = $('map').clientWidth;
  if (!width) return;
  const gpus = order.some(s => nodes.get(s).gpus);
  // As large as all fit into about this area.
  let size = Math.floor(Math.sqrt(width * 420 / Math.max(order.length, 1)));
  size = Math.max(6, Math.min(size, 40));
  const columns = Math.max(1, Math.floor(width / size));
  const {g} = canvas('map', Math.max(1, Math.ceil(order.length / columns)) * size + 2);
  const low = style('--low'), mid = style('--mid'), high = style('--high'), off = style('--off');
  const held = style('--held'), text = style('--text'), gpu = style('--gpu'), card = style('--card');
  const shades = [];
  for (let i = 0; i <= 20; i++) shades.push(i < 10 ? mix(low, mid, i / 10) : mix(mid, high, (i - 10) / 10));
  const by = $('colour').value;
  grid = {columns, size};
  order.forEach((slot, i) => {
    const n = nodes.get(slot), x = (i % columns) * size + 1, y = Math.floor(i / columns) * size + 1, s = size - 1;
    const v = valueOf(n, by);
    g.fillStyle = !n.ready ? off : n.cordoned ? held : v === undefined ? card : shades[Math.round(Math.min(v, 1) * 20)];
    g.fillRect(x, y, s, s);
    if (gpus && n.gpus && size >= 12) {
      const across = Math.ceil(Math.sqrt(n.gpus.length)), part = (s - 2) / across;
      n.gpus.forEach((u, k) => {
        const cx = x + 1 + (k % across) * part, cy = y + 1 + Math.floor(k / across) * part;
        g.strokeStyle = text;
        g.globalAlpha = .35;
        g.strokeRect(cx + .5, cy + .5, part - 1, part - 1);
        g.globalAlpha = 1;
        g.fillStyle = u < 0 ? off : gpu;
        const h = (part - 1) * (u < 0 ? 1 : u / 1000);
        g.fillRect(cx, cy + part - 1 - h, part - 1, h);
      });
    }
    if (slot === chosen) {
      g.strokeStyle = text;
      g.lineWidth = 2;
      g.strokeRect(x, y, s, s);
    }
  });
  describe();
}

function describe() {
  const n = nodes.get(chosen);
  if (!n) {
    $('node').textContent = order.length ? 'Choose a node.' : 'There is no such node.';
    return;
  }
  const w = n.weight, lines = [
    `${n.name} (pool ${n.pool || 'default'})${n.ready ? '' : ', not ready'}${n.cordoned ? ', cordoned' : ''}`,
    `${n.pods} pods; requested: cpu ${percent(n.cpu)}, memory ${percent(n.memory)}; fullest resource in use: ${percent(n.used)}`,
    `weight ${w[4]} = capacity ${w[0]} x performance ${w[1]} x headroom ${w[2]} x reliability ${w[3]}`,
  ];
  if (n.gpus) lines.push('GPUs in use: ' + n.gpus.map((u, i) => `${i}: ${u < 0 ? 'out' : percent(u / 1000)}`).join(', '));
  $('node').replaceChildren(...lines.map(l => {
    const p = document.createElement('div');
    p.textContent = l;
    return p;
  }));
}

function drawWaiting() {
  $('more').textContent = waiting.more ? `and ${waiting.more} more` : `${waiting.pods.length}`;
  fill('waiting', waiting.pods, (row, p) => {
    cell(row, `${p.namespace}/${p.name}`);
    cell(row, p.queue);
    cell(row, p.priority);
    cell(row, p.attempts);
    cell(row, p.why || '');
  });
}

function drawDecisions() {
  fill('decisions', decisions, (row, d) => {
    cell(row, d.at.slice(11, 19));
    cell(row, `${d.namespace}/${d.name}`);
    cell(row, d.node ? `${d.node}, of ${d.feasible}` : d.why || d.result, d.result);
    cell(row, Object.entries(d.points || {}).map(([k, v]) => `${k} ${v}`).join(', '), 'points');
  });
}

// ---- hands ----

function choose(i) {
  if (i < 0 || i >= order.length) return;
  chosen = order[i];
  touch('map');
}
$('map').addEventListener('click', e => {
  const r = $('map').getBoundingClientRect();
  choose(Math.floor((e.clientY - r.top) / grid.size) * grid.columns + Math.floor((e.clientX - r.left) / grid.size));
});
$('map').addEventListener('keydown', e => {
  const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -grid.columns, ArrowDown: grid.columns}[e.key];
  if (!step) return;
  e.preventDefault();
  const at = order.indexOf(chosen);
  choose(at < 0 ? 0 : at + step);
});
$('find').addEventListener('input', () => {
  sort();
  touch('map');
});
$('colour').addEventListener('change', () => touch('map'));
window.addEventListener('resize', () => touch('map'));

const themes = ['system', 'light', 'dark'];
function setTheme(t) {
  if (t === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = t;
  $('theme').textContent = 'theme: ' + t;
  localStorage.setItem('theme', t);
  touch('map');
}
$('theme').addEventListener('click', () => {
  const t = localStorage.getItem('theme') || 'system';
  setTheme(themes[(themes.indexOf(t) + 1) % themes.length]);
});
setTheme(localStorage.getItem('theme') || 'system');

$('login').addEventListener('submit', e => {
  e.preventDefault();
  const token = $('token').value.trim();
  $('token').value = '';
  stay(token);
});
$('leave').addEventListener('click', () => {
  sessionStorage.removeItem('token');
  if (control) control.abort();
  nodes.clear();
  order = [];
  show(false);
  status('not connected');
});
if (sessionStorage.getItem('token')) stay(sessionStorage.getItem('token'));
