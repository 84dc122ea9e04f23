(async () => {
  "use strict";
  const at = (id) => document.getElementById("explorer" + (id ? "-" + id : ""));
  if (!globalThis.DecompressionStream) return;
  const data = await unpacked(at("data").textContent).json();
  const machine = at("machine"), classifier = at("classifier"), slider = at("iteration"), play = at("play");
  const plot = at("plot"), left = 56, upper = 30, lower = 262;
  let right = 890;
  const end = Math.max(data.top, ...data.positions);
  const x = (t) => left + ((right - left) * (t + 0.02 * end)) / (1.04 * end);

  const element = (name, attributes, parent = plot) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return parent.appendChild(made);
  };
  const line = (x1, y1, x2, y2, rest) => element("line", { x1, y1, x2, y2, stroke: "#222", ...rest });
  const label = (px, py, text, anchor = "middle") => {
    const made = element("text", { x: px, y: py, "text-anchor": anchor });
    String(text).split(/_([a-zA-Z]+)/).forEach((part, i) => {
      element("tspan", i % 2 ? { dy: 3, "font-size": 10 } : { dy: i ? -3 : 0 }, made).textContent = part;
    });
  };
  const path = (points) => points.map(([px, py], i) => (i ? "L" : "M") + px.toFixed(1) + " " + py.toFixed(1)).join("");
  const options = (select, names) => names.forEach((name, i) => select.add(new Option(name, i)));
  const deep = (values) => values.flat(Infinity).reduce((most, v) => Math.max(most, v), 0);

  function drawAxes(most) {
    line(left, lower, right, lower, { stroke: "#888" });
    data.positions.forEach((t, i) => {
      const mark = data.bins[i] === "inf" ? "∞" : Number.isInteger(data.bins[i]) && data.bins[i];
      if (mark !== false) { line(x(t), lower, x(t), lower + 4, { stroke: "#888" }); label(x(t), lower + 18, mark); }
    });
    label(left - 40, upper - 14, "class probability", "start");
    label((left + right) / 2, lower + 36, "temperature of the class (J/k_B)");
    const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1].find((s) => most / s <= 5) || 1;
    for (let p = 0; p <= most; p += step) label(left - 8, lower - ((lower - upper) * p) / most + 4, p.toFixed(2), "end");
    if (data.critical !== null) { line(x(data.critical), upper, x(data.critical), lower, {}); label(x(data.critical) - 4, upper - 6, "T_c", "end"); }
    if (data.peak !== null) { line(x(data.peak), upper, x(data.peak), lower, { "stroke-dasharray": "6 4" }); label(x(data.peak) + 4, upper - 6, "C_max", "start"); }
  }

  function drawProbabilities(m, c, t) {
    const most = 1.05 * data.unit * Math.max(deep(data.probability[m][c]), deep(data.null[m][c]), 1);
    const y = (p) => lower - ((lower - upper) * p * data.unit) / most;
    const curve = (values) => values.map((p, i) => [x(data.positions[i]), y(p)]);
    plot.replaceChildren();
    plot.setAttribute("viewBox", `0 0 ${right + 30} 310`);
    drawAxes(most);
    element("path", { d: path(curve(data.null[m][c])), fill: "none", stroke: "#222", "stroke-width": 1.4, "stroke-dasharray": "1.5 3" });
    label(right, y(data.null[m][c].at(-1)) - 6, "mixture", "end");
    data.starts.forEach((start, s) => {
      const mean = data.probability[m][c][s][t], error = data.error[m][c][s][t].map((e) => e || 0);
      const band = [...curve(mean.map((p, i) => p + error[i])), ...curve(mean.map((p, i) => p - error[i])).reverse()];
      element("path", { d: path(band) + "Z", fill: start.colour, opacity: 0.22 });
      element("path", { d: path(curve(mean)), fill: "none", stroke: start.colour, "stroke-width": 1.8, "stroke-linejoin": "round" });
    });
  }

  const shades = Array.from({ length: data.states }, (_, k) =>
    `color-mix(in srgb, #2d3a46 ${100 * k / (data.states - 1)}%, #f3efe6)`);
  function drawConfiguration(canvas, spins) {
    const [ly, lx] = data.lattice, pen = canvas.getContext("2d");
    canvas.width = lx;
    canvas.height = ly;
    for (let i = 0; i < spins.length; i++) {
      pen.fillStyle = shades[parseInt(spins[i], 36)];
      pen.fillRect(i % lx, Math.floor(i / lx), 1, 1);
    }
  }

  function drawExamples(m, t) {
    const kept = data.snapshots.filter((s) => s <= data.iterations[t]);
    const snapshot = Math.max(kept.length - 1, 0);
    data.starts.forEach((start, s) => {
      const box = at("examples").children[s];
      drawConfiguration(box.querySelector("canvas"), data.configurations[m][s][snapshot]);
      box.querySelector(".kept").textContent = "kept at iteration " + data.snapshots[snapshot];
      const reading = (v) => (v === null ? "no reading" : v === "inf" ? "∞" : Number(v).toFixed(3));
      box.querySelectorAll(".reading").forEach((cell, k) => { cell.textContent = reading(data.temperature[m][s][t][k]); });
    });
  }

  function draw() {
    // As wide as the page has room, so that letters keep their size.
    right = Math.max(plot.clientWidth, 300) - 30;
    const t = Number(slider.value);
    at("now").textContent = "iteration " + data.iterations[t];
    drawProbabilities(Number(machine.value), Number(classifier.value), t);
    drawExamples(Number(machine.value), t);
  }

  function csv() {
    const quoted = (name) => '"' + name.replaceAll('"', '""') + '"';
    const rows = ["machine,classifier,start,iteration,bin,probability_mean,probability_error,null_probability"];
    const value = (whole) => (whole === null ? "" : Number((whole * data.unit).toPrecision(6)));
    data.machines.forEach((name, m) => data.classifiers.forEach((by, c) => data.starts.forEach((start, s) =>
      data.iterations.forEach((iteration, t) => data.bins.forEach((bin, b) => rows.push([quoted(name), quoted(by), quoted(start.name), iteration, bin,
        value(data.probability[m][c][s][t][b]), value(data.error[m][c][s][t][b]), value(data.null[m][c][b])].join(",")))))));
    return rows.join("\n") + "\n";
  }

  let timer = null;
  function stop() { clearInterval(timer); timer = null; play.textContent = "play"; }
  play.addEventListener("click", () => {
    if (timer !== null) return stop();
    if (Number(slider.value) === Number(slider.max)) slider.value = 0;
    play.textContent = "pause";
    timer = setInterval(async () => {
      slider.value = Number(slider.value) + 1;
      draw();
      if (Number(slider.value) === Number(slider.max)) stop();
    }, 160);
  });
  options(machine, data.machines);
  options(classifier, data.classifiers);
  slider.max = data.iterations.length - 1;
  data.starts.forEach((start) => {
    const box = document.createElement("div");
    box.className = "example";
    const names = data.thermometers.map(() => '<tr><td class="by"></td><td class="reading"></td></tr>').join("");
    box.innerHTML = '<canvas></canvas><div><strong></strong><br><span class="kept quiet"></span><table><tbody>' + names + "</tbody></table></div>";
    box.querySelector("canvas").style.borderColor = start.colour;
    box.querySelector("strong").style.color = start.colour;
    box.querySelector("strong").textContent = "from " + start.name;
    box.querySelectorAll(".by").forEach((cell, k) => { cell.textContent = data.thermometers[k]; });
    at("examples").append(box);
  });
  for (const control of [machine, classifier, slider]) control.addEventListener("input", draw);
  at("csv").href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  at("still").hidden = true;
  at().hidden = false;
  addEventListener("resize", draw);
  draw();
})();
