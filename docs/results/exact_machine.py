"""A machine whose law is known, through flows, thermometers and likelihood: python docs/results/exact_machine.py.

One hidden unit a bond makes an Ising model (see exact-machine.md). Writes the figure and the table of that page.
"""

from pathlib import Path

import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib import pyplot as plt

import rbmflow as rf
from rbmflow._format import with_error
from rbmflow.equilibrium.enumerated import all_states
from rbmflow.exact.slice_transfer import slice_transfer
from rbmflow.figures.style import STYLE_FILE

FOLDER = Path(__file__).parent / "exact-machine"
CHAINS, ITERATIONS = 2000, 400
RELATIVE = (0.8, 1.0, 1.5)
"""Temperatures over T_c."""


class System:
    """Ising spins with a sign on every bond, and what they are at every temperature."""

    def __init__(self, name, lattice, glass=False):
        self.name, self.lattice, self.glass = name, lattice, glass
        self.model = rf.ising(lattice)
        numbers = jnp.arange(lattice.sites).reshape(lattice.shape)
        ends = [np.reshape(lattice.across(bond, numbers), (2, -1)) for bond in lattice.bonds]
        self.ends = np.concatenate(ends, axis=1)
        signs = np.random.default_rng(1801).choice([-1, 1], self.ends.shape[1])
        self.signs = signs if glass else np.ones_like(signs)
        if glass:
            self.levels = self.energy(all_states(self.model)).astype(float)

    def energy(self, spins):
        """Total energies of configurations."""
        rows = np.asarray(spins).reshape(*np.shape(spins)[: -len(self.lattice.shape)], -1)
        bonds = zip(*self.ends, self.signs, strict=True)
        return sum(-sign * rows[..., here].astype(np.int32) * rows[..., there] for here, there, sign in bonds)

    def log_partition(self, temperature):
        """Exact ln Z: all configurations of the glass, else transfer matrices."""
        if self.glass:
            return float(np.log(np.sum(np.exp(-self.levels / temperature))))
        return slice_transfer(self.model).log_partition(temperature)

    def energy_and_heat(self, temperature, step=1e-3):
        """Mean of the energy and dE/dT per site, by differences of ln Z over 1/T."""
        below, here, above = (self.log_partition(1 / (1 / temperature + k * step)) for k in (-1, 0, 1))
        variance = (above - 2 * here + below) / step**2
        return -(above - below) / (2 * step) / self.lattice.sites, variance / temperature**2 / self.lattice.sites

    def machine(self, temperature):
        """One hidden unit a bond: cosh 2w = exp 2K."""
        weight, bonds = np.arccosh(np.exp(2 / temperature)) / 2, np.arange(self.ends.shape[1])
        weights = np.zeros((self.lattice.sites, bonds.size))
        np.add.at(weights, (self.ends[0], bonds), weight)
        np.add.at(weights, (self.ends[1], bonds), weight * self.signs)
        return rf.RBM.from_weights(weights, None, None, units="-1/+1", axes="visible, hidden", shape=self.lattice.shape)


SYSTEMS = [
    System("square, L = 10", rf.square(10)),
    System("triangular, L = 8", rf.triangular(8)),
    System("honeycomb, L = 5", rf.honeycomb(5)),
    System("square, L = 4, random signs", rf.square(4), glass=True),
]


def followed(key, system, temperature):
    """T along flows from cold and hot with errors, ln Z by annealing and known, of the machine of a temperature."""
    machine = system.machine(temperature)
    known, heat = system.energy_and_heat(temperature)
    paths = {}
    for number, (start, make) in enumerate((("cold", rf.cold), ("hot", rf.hot))):
        flow = rf.iterate(key + number, machine, make(key + 10 + number, system.model, CHAINS), ITERATIONS)
        energies = system.energy(flow.configurations) / system.lattice.sites
        mean, error = energies.mean(axis=1), energies.std(axis=1) / np.sqrt(CHAINS)
        paths[start] = temperature + (mean - known) / heat, error / heat
    annealed = rf.log_partition(key, machine)
    bonds = system.ends.shape[1]
    exact = system.log_partition(temperature) + bonds * (np.log(2) + 1 / temperature)
    return paths, annealed, exact


def main():
    """Run all, draw, and write the table."""
    FOLDER.mkdir(exist_ok=True)
    head = "| bonds | T | T(E) from cold | T(E) from hot | deviations / error | ln Z annealed - exact |"
    rows = [head, "|---|---|---|---|---|---|"]
    with matplotlib.rc_context(fname=STYLE_FILE):
        figure, axes = plt.subplots(1, len(SYSTEMS), figsize=(11, 3.2), sharex=True, constrained_layout=True)
        for number, (system, axis) in enumerate(zip(SYSTEMS, axes, strict=True)):
            critical = rf.critical_temperature(system.model)
            for place, part in enumerate(RELATIVE):
                temperature = part * critical
                paths, annealed, exact = followed(100 * number + place, system, temperature)
                ends = {start: (values[-1], errors[-1]) for start, (values, errors) in paths.items()}
                off = [f"{(value - temperature) / error:.1f}" for value, error in ends.values()]
                told = [with_error(*one) for one in ends.values()]
                away = with_error(annealed.value - exact, annealed.error)
                rows.append(
                    f"| {system.name} | {temperature:.4f} | {told[0]} | {told[1]} | {', '.join(off)} | {away} |"
                )
                axis.axhline(temperature, color="0.6", linewidth=0.8)
                for start, colour in (("cold", "tab:blue"), ("hot", "tab:red")):
                    axis.plot(np.arange(1, ITERATIONS + 1), paths[start][0][-ITERATIONS:], color=colour)
            axis.set(title=system.name, xscale="log", xlabel="iteration", ylim=(0.4 * critical, 2 * critical))
        axes[0].set_ylabel("T(E), linear about each T, J/k_B")
        figure.savefig(FOLDER / "flows.png", dpi=110, facecolor="white", metadata={"Software": None})
    (FOLDER / "ends.md").write_text("\n".join(rows) + "\n")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
