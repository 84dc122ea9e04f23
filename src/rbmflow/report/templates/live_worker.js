// Computes beside the page: starts of the Ising model in equilibrium, Gibbs chains of a machine, and what they read.
"use strict";

const MOST_CHAINS = 400, FEWEST_CHAINS = 64;
const WORK = 2 ** 25; // Weights that all chains of a flow pass in one iteration, and sites that they have times 128.
const QUARTERS = 4, AT_REST = 0.02, ONE_SIDED = 1.645; // As rbmflow.convergence has them.

// xoshiro128** (D. Blackman, S. Vigna, ACM Trans. Math. Softw. 47, 36 (2021)), seeded by splitmix32; uniform on [0, 1).
function generator(seed) {
  let mixed = seed >>> 0;
  const seeded = () => {
    mixed = (mixed + 0x9e3779b9) >>> 0;
    let z = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
  const turned = (x, by) => (x << by) | (x >>> (32 - by));
  let a = seeded(), b = seeded(), c = seeded(), d = seeded();
  return () => {
    const drawn = Math.imul(turned(Math.imul(b, 5), 7), 9), shifted = b << 9;
    c ^= a; d ^= b; b ^= c; a ^= d;
    c ^= shifted;
    d = turned(d, 11);
    return (drawn >>> 0) / 2 ** 32;
  };
}

// Both ends and the coupling of every bond of the torus; site = cell * basis + its number in the cell, x fastest.
function bondsOf(cells, basis, rows) {
  const count = cells.reduce((product, side) => product * side, 1), from = [], to = [], coupling = [];
  for (let cell = 0; cell < count; cell++) {
    for (const [start, end, displacement, strength] of rows) {
      let rest = cell, stride = 1, there = 0;
      for (let axis = cells.length - 1; axis >= 0; axis--) {
        const side = cells[axis], moved = (((rest % side) + displacement[axis]) % side + side) % side;
        there += stride * moved;
        rest = Math.floor(rest / side);
        stride *= side;
      }
      from.push(cell * basis + start);
      to.push(there * basis + end);
      coupling.push(strength);
    }
  }
  return { sites: count * basis, from: Int32Array.from(from), to: Int32Array.from(to), coupling: Float64Array.from(coupling) };
}

function energyPerSite(bonds, spins) {
  let energy = 0;
  for (let k = 0; k < bonds.from.length; k++) energy -= bonds.coupling[k] * spins[bonds.from[k]] * spins[bonds.to[k]];
  return energy / bonds.sites;
}

// Swendsen-Wang sweeps from a random configuration, Phys. Rev. Lett. 58, 86 (1987): right at T = 0 and infinity too.
function equilibrate(bonds, spins, temperature, sweeps, random) {
  const joins = bonds.coupling.map((strength) => 1 - Math.exp((-2 * strength) / temperature));
  const root = new Int32Array(bonds.sites), turns = new Int8Array(bonds.sites);
  const find = (site) => {
    while (root[site] !== site) site = root[site] = root[root[site]];
    return site;
  };
  for (let site = 0; site < bonds.sites; site++) spins[site] = random() < 0.5 ? 1 : -1;
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (let site = 0; site < bonds.sites; site++) root[site] = site;
    for (let k = 0; k < joins.length; k++) {
      if (spins[bonds.from[k]] === spins[bonds.to[k]] && random() < joins[k]) {
        const one = find(bonds.from[k]), other = find(bonds.to[k]);
        root[Math.max(one, other)] = Math.min(one, other);
      }
    }
    for (let site = 0; site < bonds.sites; site++) { // The root is the first site of a cluster.
      if (root[site] === site) turns[site] = random() < 0.5 ? 1 : -1;
      spins[site] *= turns[find(site)];
    }
  }
}

// A layer's side of the weights: doubled rows, and the fields on the other layer if all units of this one are down.
function halfOf(weights, from, to, at, bias) {
  const rows = new Float32Array(from * to), down = Float64Array.from(bias);
  for (let i = 0; i < from; i++) for (let j = 0; j < to; j++) {
    rows[i * to + j] = 2 * weights[at(i, j)];
    down[j] -= weights[at(i, j)];
  }
  return { rows, down, field: new Float64Array(to) };
}

function machineOf(told, sites) {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  const weights = Float64Array.from(new Int16Array(bytes(told.weights)), (whole) => whole * told.scale), hidden = told.hidden;
  return {
    hidden,
    toHidden: halfOf(weights, sites, hidden, (i, j) => i * hidden + j, new Float32Array(bytes(told.hidden_bias))),
    toVisible: halfOf(weights, hidden, sites, (j, i) => i * hidden + j, new Float32Array(bytes(told.visible_bias))),
  };
}

// Draw the units -1/+1 of a layer, given those of the other: up with probability 1 / (1 + exp(-2 field)).
function sample(units, { rows, down, field }, into, random) {
  const width = into.length;
  field.set(down);
  for (let i = 0; i < units.length; i++) {
    if (units[i] > 0) for (let j = 0, row = i * width; j < width; j++) field[j] += rows[row + j];
  }
  for (let j = 0; j < width; j++) into[j] = random() * (1 + Math.exp(-2 * field[j])) < 1 ? 1 : -1;
}

function meanAndError(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return [mean, Math.sqrt(squares / (values.length - 1) / values.length)];
}

// What is told at depths -ln((E - E_0) / (E_inf - E_0)), interpolated at that of this energy; infinite in the ground state.
function atEnergy({ depth, ground_energy: ground, free_energy: free }, values, energy) {
  const asked = -Math.log((energy - ground) / (free - ground));
  if (!(asked < 30)) return Infinity;
  const next = depth.findIndex((known) => known >= asked), above = next < 0 ? depth.length - 1 : Math.max(next, 1);
  const part = (asked - depth[above - 1]) / (depth[above] - depth[above - 1]);
  return values[above - 1] + part * (values[above] - values[above - 1]);
}

// The temperature at which equilibrium has this energy.
function temperatureOf(model, energy) {
  return energy >= model.free_energy ? Infinity : 1 / atEnergy(model, model.coupling, energy);
}

// Half the distance of the temperatures at one error to either side, or that to the cold one where the hot is not finite.
function temperatureError(model, energy, error) {
  const [cold, here, hot] = [energy - error, energy, energy + error].map((one) => temperatureOf(model, one));
  return Number.isFinite(hot) ? (hot - cold) / 2 : here - cold;
}

class Flow {
  constructor(model, bonds, machine, { temperature, spins, seed }) {
    Object.assign(this, { model, bonds, machine, random: generator(seed) });
    const cost = Math.max(bonds.sites * machine.hidden, 128 * bonds.sites);
    this.chains = Math.max(FEWEST_CHAINS, Math.min(MOST_CHAINS, Math.floor(WORK / cost)));
    this.painted = spins !== undefined;
    this.units = Array.from({ length: this.chains }, () => Int8Array.from(spins || { length: bonds.sites }));
    const sweeps = 30 + Math.ceil(Math.max(...model.cells) / 2);
    if (!this.painted) for (const one of this.units) equilibrate(bonds, one, temperature, sweeps, this.random);
    this.hidden = new Int8Array(machine.hidden);
    this.energies = [this.measured()];
  }

  measured() { return Float64Array.from(this.units, (spins) => energyPerSite(this.bonds, spins)); }

  step() {
    for (const spins of this.units) {
      sample(spins, this.machine.toHidden, this.hidden, this.random);
      sample(this.hidden, this.machine.toVisible, spins, this.random);
    }
    this.energies.push(this.measured());
  }

  temperature([energy, error], least) {
    // Of chains that agree, one may have had the least excitation. A curve that was measured has an error of its own.
    const ofCurve = atEnergy(this.model, this.model.energy_error, energy);
    const whole = Math.hypot(Math.max(error, least), Number.isFinite(ofCurve) ? ofCurve : 0);
    return [temperatureOf(this.model, energy), temperatureError(this.model, energy, whole)];
  }

  // The change from the third to the last quarter of the flow, and whether it is shown to be less than counts.
  drift() {
    const quarter = Math.floor((this.energies.length - 1) / QUARTERS);
    if (quarter < 2) return null;
    const over = (part, chain) => part.reduce((sum, energies) => sum + energies[chain], 0) / quarter;
    const before = this.energies.slice(-2 * quarter, -quarter), last = this.energies.slice(-quarter);
    const ends = Float64Array.from(this.units, (_, chain) => over(last, chain));
    const moved = ends.map((end, chain) => end - over(before, chain));
    const [end] = meanAndError(ends), [change, error] = meanAndError(moved);
    const by = temperatureOf(this.model, end) - temperatureOf(this.model, end - change);
    const doubt = temperatureError(this.model, end, error);
    return { by, error: doubt, rests: Math.abs(by) + ONE_SIDED * doubt < AT_REST, moves: Math.abs(by) > 3 * doubt };
  }

  reading() {
    const energy = meanAndError(this.energies.at(-1)), sizes = this.units.map((spins) => Math.abs(meanAndError(spins)[0]));
    const alike = this.painted && this.energies.length === 1;
    const temperature = this.temperature(energy, alike ? 0 : this.model.gap / this.chains);
    return { iteration: this.energies.length - 1, chains: this.chains, energy, temperature, size: meanAndError(sizes),
      drift: this.drift(), spins: this.units[0].slice() };
  }
}

let model = null, bonds = null, flow = null;
onmessage = ({ data: { told, begin } }) => {
  if (told) {
    const known = (values) => values.map((value) => value ?? NaN);
    model = { ...told, coupling: known(told.coupling), energy_error: known(told.energy_error) };
    bonds = bondsOf(model.cells, model.basis, model.bonds);
    return;
  }
  if (begin) flow = new Flow(model, bonds, machineOf(model.machines[begin.machine], bonds.sites), begin);
  else flow.step();
  postMessage(flow.reading());
};
