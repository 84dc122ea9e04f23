(() => {
  "use strict";
  const at = (id) => document.getElementById("live-" + id);
  const data = JSON.parse(at("data").textContent);
  const machine = at("machine"), start = at("start"), play = at("play"), canvas = at("spins");
  const hot = Number(start.max), width = data.cells.at(-1) * data.basis;
  const sites = data.cells.reduce((product, side) => product * side, data.basis), height = sites / width;
  const AT_ONCE = Math.min(Math.max(data.iterations, 20), 100), MOST = 2000, KEPT = [0, 1, 2, 5, 10, 20, 40, 100, 200, 500, 1000];
  const EARLIER = 6; // Flows that stay in the picture, faint.
  const QUICK = 15, SLOW = 90; // Milliseconds between iterations, of a flow that is to be there soon, and of one to be watched.
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

  // The flow at hand: what it starts from, its readings, the spins of its first chain, and up to where it goes by itself.
  let flow = null, earlier = [], runs = 0, running = false, timer = 0, drawing = 0;

  // The worker has one question at a time. A start that is asked for meanwhile waits, and what is answered first is void.
  let worker = null, busy = false, wanted = null;
  function post(question) {
    busy = true;
    worker.postMessage(question);
  }

  function answered({ data: reading }) {
    busy = false;
    if (wanted) {
      post(wanted);
      wanted = null;
      return;
    }
    flow.readings.push(reading);
    flow.spins = reading.spins;
    if (KEPT.includes(reading.iteration)) flow.kept.push(reading);
    if (reading.iteration >= flow.until) rest();
    if (running) timer = setTimeout(advance, flow.pause);
    if (!running || !still || flow.pause !== QUICK) draw();
  }

  function advance() { if (!busy) post({}); }

  function begin(from, until = 0) {
    if (flow && flow.readings.length > 10) earlier.push(flow);
    earlier = earlier.filter((one) => one.machine === machine.value).slice(-EARLIER);
    flow = { from, machine: machine.value, readings: [], kept: [], until: 0, spins: from.spins };
    rest();
    at("now").textContent = from.spins ? "painted" : named(from.temperature);
    at("sentence").setAttribute("aria-busy", "true");
    const question = { begin: { ...from, machine: Number(machine.value), seed: ++runs } };
    if (busy) wanted = question; else post(question);
    if (until) go(until, QUICK);
  }

  function go(until, pause) {
    Object.assign(flow, { until, pause });
    running = true;
    if (pause !== QUICK) play.textContent = "pause";
    advance();
  }

  function rest() {
    clearTimeout(timer);
    running = false;
    play.textContent = "play";
  }

  // A value with its error in parentheses, two digits of it, as everywhere in the report.
  function withError(value, error) {
    if (!(error > 5e-7 && error < Infinity)) return value.toFixed(3);
    const decimals = Math.max(0, 1 - Number(error.toExponential(1).split("e")[1]));
    const digits = decimals > 1 ? Math.round(error * 10 ** decimals) : error.toFixed(decimals);
    return `${value.toFixed(decimals)}(${digits})`.replace("-", "−");
  }

  const named = (t) => (t === Infinity ? "∞ (hot)" : t === 0 ? "0 (cold)" : t.toFixed(2));

  function sentence() {
    const { iteration, temperature: [t, error], drift } = flow.readings.at(-1);
    const from = flow.from.spins ? "from the painted configuration" : `from T = ${named(flow.from.temperature)}`;
    const steps = iteration ? `after ${iteration} step${iteration > 1 ? "s" : ""}` : "at the start";
    let text = `${data.machines[flow.machine].name} ${from}: ${steps} T(E) `;
    if (Number.isNaN(t)) text += "cannot be read";
    else if (t > 3 * data.hottest) text += `> ${3 * data.hottest}`;
    else text += `= ${withError(t, error)}`;
    if (data.critical !== null && t <= 3 * data.hottest) {
      const away = t - data.critical;
      if (Math.abs(away) < 3 * error) text += ", within three errors of T_c";
      else text += `, ${Math.abs(away).toFixed(2)} ${away < 0 ? "below" : "above"} T_c`;
    }
    if (drift && drift.rests) text += "; at rest";
    else if (drift && drift.moves) text += `; still moving, by ${withError(drift.by, drift.error)} over the last quarter`;
    else if (drift) text += "; not shown to be at rest";
    return text + ".";
  }

  // Text with subscripts; those of an SVG are lowered by hand.
  function lettered(parent, text, make) {
    parent.replaceChildren(...text.split(/_(\w+)/).map((part, i) => {
      const made = make(i);
      made.textContent = part;
      return made;
    }));
  }

  const element = (parent, name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return parent.appendChild(made);
  };
  const label = (svg, x, y, text, attributes = {}) => {
    const made = element(svg, "text", { x, y, ...attributes });
    lettered(made, String(text), (i) => element(made, "tspan", i % 2 ? { dy: 3, "font-size": "0.85em" } : { dy: i ? -3 : 0 }));
  };
  const look = ({ from: { temperature } }) => (temperature === 0 ? "cold" : temperature === Infinity ? "hot" : "else");

  // Charts are drawn at their size on the screen, so that type stays readable on a phone.
  function chart(svg, title, top, ticks, values, known = []) {
    const wide = svg.clientWidth, high = svg.clientHeight, left = 34, right = wide - 30, upper = 26, lower = high - 24;
    const last = Math.max(AT_ONCE, ...[flow, ...earlier].map((one) => one.readings.length - 1));
    const x = (iteration) => left + ((right - left) * iteration) / last;
    const y = (value) => lower - ((lower - upper) * Math.min(Math.max(value, 0), top)) / top;
    const path = (points) => points.map(([i, value], k) => (k ? "L" : "M") + x(i).toFixed(1) + " " + y(value).toFixed(1)).join("");
    svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    svg.replaceChildren();
    label(svg, 0, 12, title);
    for (const tick of ticks) {
      element(svg, "line", { class: "grid", x1: left, x2: right, y1: y(tick), y2: y(tick) });
      label(svg, left - 7, y(tick) + 4, tick, { "text-anchor": "end" });
    }
    const every = [5, 10, 20, 50, 100, 200, 500].find((step) => last / step <= wide / 90) || 1000;
    for (let i = 0; i <= last; i += every) label(svg, x(i), high - 8, i || "start", { "text-anchor": "middle" });
    for (const [text, value] of known) {
      element(svg, "line", { class: "known", x1: left, x2: right, y1: y(value), y2: y(value) });
      label(svg, right + 6, y(value) + 4, text, { class: "known" });
    }
    for (const one of [...earlier, flow]) {
      const there = one.readings.map((reading, i) => [i, ...values(reading)]).filter(([, value]) => !Number.isNaN(value));
      const sure = there.filter(([, value, error]) => Number.isFinite(value) && Number.isFinite(error));
      if (one === flow && sure.length > 1) {
        const edge = (sign) => sure.map(([i, value, error]) => [i, value + sign * error]);
        element(svg, "path", { class: "band " + look(one), d: path([...edge(1), ...edge(-1).reverse()]) + "Z" });
      }
      element(svg, "path", { class: `flow ${look(one)}${one === flow ? " now" : ""}`, d: path(there) });
      if (one === flow && there.length) element(svg, "circle", { class: look(one), cx: x(there.at(-1)[0]), cy: y(there.at(-1)[1]), r: 3.5 });
    }
  }

  function fill(on, spins, marked = null) {
    const pen = on.getContext("2d");
    on.width = width;
    on.height = height;
    spins.forEach((spin, site) => {
      pen.fillStyle = site === marked ? "#d55e00" : spin > 0 ? "#2d3a46" : "#f3efe6";
      pen.fillRect(site % width, Math.floor(site / width), 1, 1);
    });
  }

  function draw() {
    if (!drawing) drawing = requestAnimationFrame(() => { drawing = 0; show(); });
  }

  function show() {
    if (flow.spins) fill(canvas, flow.spins, cursor);
    if (!flow.readings.length) return;
    const step = Math.ceil(data.hottest / 6), ticks = Array.from({ length: Math.floor(data.hottest / step) + 1 }, (_, i) => i * step);
    chart(at("temperature"), "T(E) in J/k_B along the iterations", data.hottest, ticks, (reading) => reading.temperature,
      data.critical === null ? [] : [["T_c", data.critical]]);
    chart(at("size"), "|m| per site", 1, [0, 0.5, 1], (reading) => reading.size);
    at("kept").replaceChildren(...flow.kept.map(({ iteration, spins }) => {
      const made = document.createElement("div");
      fill(made.appendChild(document.createElement("canvas")), spins);
      made.append(iteration || "start");
      return made;
    }));
    at("chains").textContent = flow.readings[0].chains;
    lettered(at("sentence"), sentence(), (i) => document.createElement(i % 2 ? "sub" : "span"));
    if (!running) offer();
    // A screen reader waits for the end of a flow.
    at("sentence").setAttribute("aria-busy", String(running));
  }

  function offer() {
    const rows = ["iteration,temperature,temperature_error,energy,energy_error,abs_magnetization,abs_magnetization_error"];
    for (const { iteration, temperature, energy, size } of flow.readings) rows.push([iteration, ...temperature, ...energy, ...size].join(","));
    URL.revokeObjectURL(at("csv").href);
    at("csv").href = URL.createObjectURL(new Blob([rows.join("\n") + "\n"], { type: "text/csv" }));
  }

  // Painting turns sites with the pointer, or at a cursor with the keyboard; all chains then begin from what is painted.
  let brush = 0, cursor = null;
  function turn(site, to) {
    if (flow.spins[site] === to) return;
    const spins = flow.spins.slice();
    spins[site] = to;
    begin({ spins });
    draw();
  }
  function siteAt({ clientX, clientY }) {
    const box = canvas.getBoundingClientRect();
    const place = (part, count) => Math.min(Math.max(Math.floor(part * count), 0), count - 1);
    return width * place((clientY - box.top) / box.height, height) + place((clientX - box.left) / box.width, width);
  }
  canvas.addEventListener("pointerdown", (event) => {
    if (!flow || !flow.spins) return;
    canvas.setPointerCapture(event.pointerId);
    cursor = null;
    brush = -flow.spins[siteAt(event)];
    turn(siteAt(event), brush);
  });
  canvas.addEventListener("pointermove", (event) => { if (brush) turn(siteAt(event), brush); });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { brush = 0; });
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -width, ArrowDown: width };
    if (event.key in moves) cursor = cursor === null ? 0 : (cursor + moves[event.key] + sites) % sites;
    else if (event.key === " " && cursor !== null) turn(cursor, -flow.spins[cursor]);
    else return;
    event.preventDefault();
    draw();
  });
  canvas.addEventListener("blur", () => { cursor = null; draw(); });

  function fromSlider() {
    const temperature = Number(start.value) >= hot ? Infinity : Number(start.value);
    start.setAttribute("aria-valuetext", named(temperature));
    begin({ temperature }, AT_ONCE);
  }
  start.addEventListener("input", fromSlider);
  machine.addEventListener("input", () => begin(flow.from, AT_ONCE));
  at("reset").addEventListener("click", () => begin(flow.from));
  at("step").addEventListener("click", () => { rest(); if (flow.readings.length <= MOST) advance(); });
  play.addEventListener("click", () => {
    if (play.textContent === "pause") { rest(); draw(); } else go(MOST, still ? 5 * SLOW : SLOW);
  });

  data.machines.forEach(({ name }, number) => machine.add(new Option(name, number)));
  try {
    worker = new Worker(URL.createObjectURL(new Blob([at("worker").textContent], { type: "text/javascript" })));
  } catch {
    at("still").textContent = "This browser has no workers for this page, which computing here needs.";
    return;
  }
  worker.addEventListener("message", answered);
  worker.postMessage({ told: data });
  at("still").hidden = true;
  at("bench").hidden = false;
  // Nothing is computed before it can be seen.
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    fromSlider();
    new ResizeObserver(draw).observe(at("temperature"));
  });
  seen.observe(at("bench"));
})();
