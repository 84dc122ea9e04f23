"""Tables and figures of the studies: python docs/results/make.py STORE STUDY [RUN ...], with a study of `WRITERS`.

Writes `docs/results/NAME/`: figures as PNG, tables as Markdown that the page of the study includes. The prose of the
pages is written by hand.
"""

import itertools
import json
import math
import sys
import tomllib
from pathlib import Path

import hypotheses
import matplotlib
import numpy as np
import xarray as xr

from rbmflow import figures, report
from rbmflow._format import with_error
from rbmflow.claims import distinct, machines_of, named
from rbmflow.execute.recording import total_seconds
from rbmflow.figures.style import STYLE_FILE
from rbmflow.report.page import duration
from rbmflow.report.tables import likelihood_table, measures_table, off_table, settling_table
from rbmflow.steps import machines_side_by_side, verdicts_of
from rbmflow.store import Address, Store

HERE = Path(__file__).parent
MAIN = ("V-64", "V-16", "H-64", "L-64")
SIZES = ("V-36", "V-81", "V-100", "V-225", "V-400")
NULLS = ("V-untrained-64", "V-gaussian-64", "mean-field-64", "zero-infinity-64")
GROUPS = {"main": MAIN, "sizes": SIZES, "nulls": NULLS}

DRAWN = {
    "temperature_flow": ("main", "sizes", "nulls"),
    "flow_ends": ("main", "sizes", "nulls"),
    "class_probabilities": ("main", "nulls"),
    "training_time": ("main", "sizes"),
    "off_manifold": ("main", "nulls"),
    "energy_flow": ("main",),
    "flow_observables": ("main",),
    "correlations": ("main",),
    "weight_products": ("main", "sizes"),
    "product_profiles": ("main", "sizes"),
    "spectra": ("main", "sizes"),
    "leading_vectors": ("main",),
    "fourier_content": ("main",),
    "projections": ("main",),
    "receptive_fields": ("main",),
    "mode_growth": ("main",),
    "weights_along_training": ("main",),
}
"""Which machines are drawn in which figure of the study `paper`; its report has all of them."""


def save(figure, folder, name):
    """Write one figure."""
    path = folder / f"{name}.png"
    with matplotlib.rc_context(fname=STYLE_FILE):
        figure.savefig(path, dpi=110, facecolor="white", metadata={"Software": None})
    print(f"{path.relative_to(HERE)} {path.stat().st_size / 1000:.0f} kB")


def table(header, rows):
    """Lines of a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def write_tables(tables, folder):
    """Write tables under their names."""
    for name, text in tables.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


def figure_link(row, folder):
    """A link to the first figure of a verdict that the page has, of the main machines where there are groups."""
    files = [folder / f"{name}{end}.png" for name in row.figures for end in ("-main", "")]
    return next((f" ([figure]({folder.name}/{file.name}))" for file in files if file.exists()), "")


def verdict_table(verdicts, folder):
    """One row a claim that was tested: the verdict, its figure, and what decided it."""

    def told(row):
        parts = []
        for side, word in (("supports", "for"), ("contradicts", "against"), ("open", "open")):
            found = [f"{one.of}: {one.measured}" for one in row.of(side)]
            if found:
                parts.append(f"**{word}** " + "; ".join(found))
        return "<br>".join(parts)

    rows = [
        (
            f"`{row.id}`",
            f"{row.words} ({row.source})" if row.source else row.words,
            row.rule[1],
            f"**{row.verdict}**{figure_link(row, folder)}",
            told(row),
        )
        for row in verdicts
        if row.judgements
    ]
    untested = ", ".join(f"`{row.id}`" for row in verdicts if not row.judgements)
    return table(("claim", "statement", "rule, in short", "verdict", "measured"), rows) + (
        f"\nNot tested by this run: {untested}.\n" if untested else ""
    )


def provenance(records, store):
    """What it takes to repeat the run, and what it took."""
    steps = {row["hash"]: row for record in records for row in record["steps"]}
    about = [store.provenance(Address(row["kind"], row["hash"])) for row in steps.values()]
    spec = tomllib.loads(records[0]["spec_toml"])
    of_cpu = total_seconds(one.get("cpu_seconds") for one in about)
    trained = any(row["kind"] in ("machine", "learner") for row in steps.values())
    seeds = f", {spec.get('seeds', 3)} independent trainings of each machine" if trained else ""
    versions = ", ".join(f"{name} {version}" for name, version in about[-1]["versions"].items())
    revisions = ", ".join(sorted({str(one["revision"]) for one in about}))
    return table(
        ("what", ""),
        [
            ("root seed, seeds" if seeds else "root seed", f"{spec.get('seed', 0)}{seeds}"),
            ("steps", str(len(about))),
            ("CPU time", "not told by all steps" if of_cpu is None else duration(of_cpu)),
            ("wall time, of all steps together", duration(sum(one["seconds"] for one in about))),
            ("started", min(one["started"] for one in about)[:16].replace("T", " ") + " UTC"),
            ("device", ", ".join(sorted({one["device"] for one in about}))),
            ("versions", versions),
            ("source revision", revisions),
        ],
    )


def write_paper(store, run, folder):
    """Figures and tables of the study `paper`."""
    results = results_of(store, run)
    for name, groups in DRAWN.items():
        for group in groups:
            part = results.sel(machine=[label for label in GROUPS[group] if label in results["machine"].values])
            chosen = {"classifier": "neural"} if name == "class_probabilities" else {}
            save(figures.FIGURES[name](part, **chosen), folder, f"{name}-{group}")
    save(figures.calibration(results), folder, "calibration")
    save(figures.renormalization(results), folder, "renormalization")
    tables = {
        "verdicts": verdict_table(verdicts_of(results), folder),
        "ends": table(*report.ends_table(results)),
        "settling": table(*settling_table(results)),
        "off": table(*off_table(results)),
        "weights": table(*measures_table(results)),
        "likelihood": table(*likelihood_table(results)),
        "provenance": provenance([run], store),
    }
    write_tables(tables, folder)


def write_fixed_point(store, run, folder):
    """Figures and tables of the study `fixed-point`, as far as its points are there."""
    there, records = [], []
    for point in run["points"]:
        record = store.read_run(point["run"])
        if store.state(Address("results", point["results"])) == "done":
            there.append(store.read(Address("results", point["results"])))
            records.append(record)
    print(f"{len(there)} of {len(run['points'])} points are there")
    verdicts, machines = verdicts_of(*there), machines_side_by_side(*there)
    for name in ("study_ends", "study_excess", "study_training_time"):
        save(getattr(figures, name)(machines), folder, name)
    starts = [str(start) for start in machines["start"].values]
    rows = []
    for name in machines["machine"].values:
        here = machines.sel(machine=name)
        ends = [
            # The joined error of seeds and chains.
            with_error(float(here["end_temperature"].sel(start=s)), float(here["end_error"].sel(start=s)))
            for s in starts
        ]
        converged = "yes" if bool(here["converged"]) else "no"
        known = [f"{float(here[one]):.3f}" for one in ("specific_heat_peak_temperature", "mixture_temperature")]
        excess = with_error(float(here["excess"]), float(here["excess_error"]))
        rows.append([name, *ends, int(here["seeds"]), converged, *known, excess])
    header = (
        "machine",
        *(f"T(E) from {start}" for start in starts),
        "seeds",
        "converged",
        "T of C_max",
        "T of mixture",
        "excess nats",
    )
    tables = {
        "verdicts": verdict_table(verdicts, folder),
        "ends": table(header, rows),
        "provenance": provenance(records, store),
    }
    write_tables(tables, folder)


NEAR = 0.05
"""Distance of abs m from its end that counts as having arrived; what theirs was is not written."""

THEIRS = {"cold": "at most 5", "hot": "20 to 25"}
"""Iterations that the flows of arXiv:2006.10176 needed."""


def write_veiga_vicente(store, run, folder):
    """Figures and tables of the machine of arXiv:2006.10176, beside its single numbers."""
    results = results_of(store, run)
    for name in ("temperature_flow", "flow_observables", "weights_along_training", "leading_vectors"):
        save(getattr(figures, name)(results), folder, name)
    here = results.isel(machine=0)
    last = slice(-(here.sizes["iteration"] // 4), None)
    rows = []
    for start, theirs in THEIRS.items():
        at = here.sel(start=start)
        mean, error = (float(at[f"abs_magnetization_{one}"][last].mean()) for one in ("mean", "error"))
        near = int(np.argmax(np.abs(at["abs_magnetization_mean"].values - mean) < NEAR))
        needed = float(at["iterations_needed"].sel(thermometer="magnetization"))
        peak = float(at["bin"][at["probability_mean"].sel(classifier="neural").isel(iteration=-1).values.argmax()])
        stays = "no end" if math.isnan(needed) else f"{needed:.0f}"
        rows.append([start, with_error(mean, error), "0.651", f"{peak:g}", "2.5", near, theirs, stays])
    header = (
        *("start", "mean abs m at the end", "theirs", "neural class at the end", "theirs"),
        *(f"first within {NEAR} of that abs m, iterations", "theirs", "stays there within its error from"),
    )
    tables = {
        "magnetization": table(header, rows),
        "verdicts": verdict_table(verdicts_of(results), folder),
        "ends": table(*report.ends_table(results)),
        "settling": table(*settling_table(results)),
        "off": table(*off_table(results)),
        "likelihood": table(*likelihood_table(results)),
        "provenance": provenance([run], store),
    }
    write_tables(tables, folder)


def there(store, *runs):
    """Results and records of the points of runs that are there."""
    found, records = [], []
    for record in runs:
        for point in record.get("points", [{"run": record["run"]}]):
            one = store.read_run(point["run"])
            if "steps" not in one:  # A point that is not done has no record of its own.
                continue
            last = Address(one["steps"][-1]["kind"], one["steps"][-1]["hash"])
            if store.state(last) == "done":
                found.append(store.read(last))
                records.append(one)
    print(f"{len(found)} points are there")
    return found, records


def write_why(store, run, folder, *further):
    """Figures and tables of the study of why machines end where they do, as far as its points are there."""
    found, records = there(store, run, *further)
    machines = named(distinct(machines_of(*found)))
    balance, drifts, ends = [], [], []
    for machine in machines:
        here = machine.results
        name = f"{machine.name}, L = {machine.length}"
        law = machine.measured("stationary_temperature_mean")
        told = [str(machine.measured("excess_mean")), str(law), f"{machine.number('null_temperature'):.3f}"]
        flows = [str(flow.end) for flow in machine.flows]
        ends.append([name, *told, *flows, machine.effort[1], "yes" if machine.end is not None else "no"])
        if "balance_mean" not in here or not np.isfinite(here["balance_mean"]).any():
            continue
        for kind in ("balance", "balance_energy"):
            row = [str(machine.measured(f"{kind}_mean", gibbs_steps=k)) for k in here["gibbs_steps"].values]
            balance.append([name, {"balance": "⟨v h⟩", "balance_energy": "E"}[kind], *row])
        for horizon in here["horizon"].values:
            at = here.sel(horizon=horizon)
            zeros = [
                with_error(float(at[f"drift_{of}_vanishes"]), float(at[f"drift_{of}_vanishes_error"]))
                for of in ("energy", "abs_magnetization")
            ]
            off = at["drift_off_curve_mean"]
            largest = int(np.nanargmax(np.abs(off.values)))
            told_off = with_error(float(off[largest]), float(at["drift_off_curve_error"][largest]))
            drifts.append([name, int(horizon), *zeros, told_off, f"{float(at['drift_temperature'][largest]):.2f}"])
    # Those that are alike but for their estimator.
    drawn = [one for one in machines if one.length == 6 and len(one.temperatures) == 25 and one.kind == "V"]
    if drawn:
        needed = [name for name in figures.FIGURES["drift_fields"].needs if name != "critical_temperature"]
        rows = [
            one.results[needed].expand_dims(
                machine=[
                    one.name.replace("25 epochs, batch 100, learning_rate 0.01, CD, schedule constant", "CD, constant")
                ]
            )
            for one in drawn
        ]
        side = xr.concat(rows, "machine", join="inner", coords="minimal", compat="override")
        shared = {name: found[0][name] for name in ("temperature", "bin")}
        side = side.assign(critical_temperature=found[0]["critical_temperature"]).assign_coords(shared)
        save(figures.drift_fields(side), folder, "drift_fields")
    verdicts = [
        row
        for row in verdicts_of(*found)
        if row.id in ("k-step-balance", "one-temperature-ends-there", "perfect-ends-in-mixture")
    ]
    tables = {
        "balance": table(("machine", "change of", *(f"{k} steps" for k in (1, 3, 10, 30, 100))), balance),
        "drifts": table(
            (
                "machine",
                "iterations",
                "ΔE vanishes at",
                "Δabs m vanishes at",
                "largest abs m off the laws",
                "there T is",
            ),
            drifts,
        ),
        "ends": table(
            (
                "machine",
                "excess nats",
                "T\\* of p(v)",
                "mixture",
                "T(E) from cold",
                "from hot",
                "iterations",
                "converged",
            ),
            ends,
        ),
        "verdicts": verdict_table(verdicts, folder),
        "provenance": provenance(records, store),
    }
    write_tables(tables, folder)


def write_left_open(store, run, folder):
    """Ends and relaxation times by the number of hidden units, and leading eigenvalues of T = 0 with weight decay."""
    found, records = there(store, run)
    rows, spectra = [], []
    for machine in named(distinct(machines_of(*found))):
        if machine.temperatures[-1] == 0:
            decay = f"{machine.recipe['training.weight_decay']:g}"
            of = ("first_share", "above_edge")
            shares = [str(machine.measured("weight_final_mean", final_measure=name)) for name in of]
            spectra.append([decay, machine.seeds, *shares])
            continue
        hidden, sites = machine.hidden, machine.length**2
        names = ("excess_mean", "stationary_temperature_mean", "relaxation_time")
        told = [str(machine.measured(name)) for name in names]
        of = f"L = {machine.length}, {machine.recipe['training.estimator']}"
        flows = [str(flow.end) for flow in machine.flows]
        rows.append([of, f"{hidden} of {sites}", *told, *flows, "yes" if machine.end is not None else "no"])
    flowing = [one for one in found if (one["start"] == "hot").any() and one["iteration"].max() > 100]
    save(figures.study_ends(machines_side_by_side(*flowing)), folder, "study_ends")
    header = ("recipe", "N_h of N_v", "excess nats", "T\\* of p(v)", "relaxation time", "T(E) from cold", "from hot")
    tables = {
        "ends": table((*header, "converged"), rows),
        "spectra": table(
            ("weight decay", "seeds", "share of the largest eigenvalue", "eigenvalues above the random edge"), spectra
        ),
        "verdicts": verdict_table(verdicts_of(*found), folder),
        "provenance": provenance(records, store),
    }
    write_tables(tables, folder)


def write_controls(store, run, folder):
    """Ends of machines that learnt no lattice beside one that did, by every thermometer."""
    found, records = there(store, run)
    rows = []
    for machine in distinct(machines_of(*found)):
        here = machine.results
        for start in here["start"].values:
            at = here.sel(start=start)
            ends = [
                with_error(
                    float(at["end_temperature"].sel(thermometer=one)), float(at["end_error"].sel(thermometer=one))
                )
                for one in here["thermometer"].values
            ]
            last = [float(at[f"abs_magnetization_{end}"].isel(iteration=-1)) for end in ("mean", "error")]
            rows.append([machine.name, start, with_error(*last), *ends, machine.measured("excess_mean")])
    header = ("machine", "start", "abs m", *(f"T({one})" for one in found[0]["thermometer"].values), "excess nats")
    judged = [row for row in verdicts_of(*found) if row.id in ("topology-free", "neural-cannot-tell")]
    tables = {
        "ends": table(header, rows),
        "verdicts": verdict_table(judged, folder),
        "provenance": provenance(records, store),
    }
    write_tables(tables, folder)


def write_good(store, run, folder, *further):
    """Figures and tables of the study of good machines, as far as its points are there."""
    found, records = there(store, run, *further)
    machines = machines_side_by_side(*found)
    for name in ("study_candidates", "study_ends"):
        save(getattr(figures, name)(machines), folder, name)
    # The course of a training is drawn of the good ones at L = 10: all would hide one another.
    good = (machines["excess"] < 0.3) & (machines["length"] == 10)
    whole = [len(json.loads(str(one))["temperatures"]) == 25 for one in machines["recipe"].values]
    save(figures.study_law(machines.isel(machine=np.flatnonzero(good.values & whole))), folder, "study_law")
    rows = []
    for machine in named(distinct(machines_of(*found))):
        here = machine.results
        share, to_mixture, to_ising = (
            float(here[name].mean())
            for name in ("effective_share", "stationary_mixture_overlap", "stationary_ising_overlap")
        )
        star, time = (machine.measured(name) for name in ("stationary_temperature_mean", "relaxation_time"))
        # A snapshot at the length of the flows of the paper, from cold and hot.
        early = [
            float(here["temperature_mean"].sel(thermometer="energy", start=s, iteration=40)) for s in ("cold", "hot")
        ]
        rows.append(
            [
                machine.name if f"L = {machine.length}" in machine.name else f"{machine.name}, L = {machine.length}",
                machine.updates,
                machine.seeds,
                machine.measured("excess_mean"),
                f"{float(here['ising_divergence']):.2f}",
                star,
                f"{machine.number('null_temperature'):.3f}",
                f"{float(here['specific_heat_peak_temperature']):.3f}",
                f"{share:.2f}" if math.isfinite(share) else "summed",
                f"{to_mixture:.2f}, {to_ising:.2f}",
                f"{time}" if math.isfinite(time.value) else "longer than the flow",
                f"{early[0]:.2f}, {early[1]:.2f}",
                "yes" if machine.end is not None else "no",
            ]
        )
    header = (
        *("machine", "updates", "seeds", "excess nats", "mixture to one T", "T\\* of p(v)", "mixture", "C maximum"),
        *(
            "share",
            "overlap with mixture, with T\\*",
            "relaxation time, iterations",
            "T(E) at iteration 40, cold and hot",
        ),
        "flow converged",
    )
    tables = {
        "machines": table(header, rows),
        "verdicts": verdict_table(verdicts_of(*found), folder),
        "provenance": provenance(records, store),
    }
    write_tables(tables, folder)


def write_systems(store, run, folder):
    """The figure and tables of studies of other lattices and models: ends beside the candidates of each."""
    records = [store.read_run(point["run"]) for point in run["points"]]
    found = [results_of(store, record) for record in records]
    machines = machines_side_by_side(*found)
    save(figures.study_ends(machines), folder, "study_ends")
    law = machines.get("stationary_temperature")
    has_law = law is not None and bool(np.isfinite(law).all())
    if has_law:
        save(figures.study_candidates(machines), folder, "study_candidates")
    has_critical = bool(np.isfinite(machines["critical_temperature"]).all())
    names = ("critical_temperature", "specific_heat_peak_temperature", "mixture_temperature")
    rows = []
    for place, one in enumerate(found):
        here = machines.isel(machine=place)
        ends = [(float(here["end_temperature"][at]), float(here["end_error"][at])) for at in range(2)]
        critical = float(here["critical_temperature"])
        over = [with_error(value / critical, error / critical) for value, error in ends]
        known = [f"{float(here[name]):.3f}" if np.isfinite(here[name]) else "none" for name in names]
        row = [f"{one.attrs['model']}, {one.attrs['lattice']}", recipe_of(here), *known]
        if has_law:
            names_of_law = ("excess", "stationary_temperature")
            told = [with_error(float(here[one]), float(here[f"{one}_error"])) for one in names_of_law]
            row += [f"{told[0]} of {float(here['ising_divergence']):.3f}", told[1]]
        row += [with_error(*one) for one in ends] + ([", ".join(over)] if has_critical else [])
        rows.append([*row, "yes" if here["converged"] else "no"])
    of_law = ("excess, of one temperature", "T\\* of p(v)") if has_law else ()
    over = ("over T_c",) if has_critical else ()
    known = ("model", "recipe", "T_c", "C maximum", "mixture")
    header = (*known, *of_law, "T(E) from cold", "from hot", *over, "converged")
    tables = {
        "ends": table(header, rows),
        "verdicts": verdict_table(verdicts_of(*found), folder),
        "provenance": provenance(records, store),
    }
    write_tables(tables, folder)


def recipe_of(machine):
    """Estimator, code and field of a machine of one of these studies."""
    recipe = json.loads(str(machine["recipe"].values))
    told = [recipe["training.estimator"]]
    told += [f"{recipe['machine.code']} units"] if recipe.get("machine.code", "one-hot") != "one-hot" else []
    told += [f"h = {recipe['model.field']:g}"] if recipe.get("model.field") else []
    return ", ".join(told)


def write_swendsen(store, run, folder):
    """The figures and tables of the study of block spins: every step of every model by itself."""
    records = [store.read_run(point["run"]) for point in run["points"]]
    found = [results_of(store, record) for record in records]
    rows = []
    for one in found:
        called = f"{one.attrs['model']}, {one.attrs['lattice'].partition(' ')[0]}"
        save(figures.stability(one), folder, called.lower().replace(", ", "-").replace(" ", "-"))
        for step in range(one.sizes["blocked_to"]):
            here = one.isel(blocked_to=step)
            told = [
                with_error(*(float(here[f"stability_{name}"].sel(sector=sector, rank=rank)) for name in pair))
                for sector in ("even", "odd")
                for pair, rank in (
                    (("eigenvalue", "eigenvalue_error"), 1),
                    (("exponent", "exponent_error"), 1),
                    (("exponent", "exponent_error"), 2),
                )
            ]
            side = int(here["blocked_to"])
            known = [f"{float(here['stability_known'].sel(sector=sector)):.4g}" for sector in ("even", "odd")]
            rows.append([called, f"{2 * side} to {side}", *told[:2], known[0], told[2], *told[3:5], known[1], told[5]])
    header = (
        *("model, lattice", "step", "even eigenvalue", "y_T", "known", "next even y"),
        *("odd eigenvalue", "y_h", "known", "next odd y"),
    )
    tables = {
        "exponents": table(header, rows),
        "verdicts": verdict_table([row for row in verdicts_of(*found) if row.id == "block-spin-exponents"], folder),
        "provenance": provenance(records, store),
    }
    write_tables(tables, folder)


def write_de_mello_koch(store, run, folder):
    """Figures and tables of scale invariance: dimensions along the flows, and what hidden units see."""
    records = [store.read_run(point["run"]) for point in run["points"]]
    results, *others = (results_of(store, record) for record in records)
    for name in ("scaling_dimensions", "axis_correlations", "hidden_decays"):
        save(figures.FIGURES[name](results), folder, name)
    rows, shown = [], [0, 1, 10, int(results["fitted"].values[-1])]
    for place, start in np.ndindex(results.sizes["machine"], results.sizes["start"]):
        here = results.isel(machine=place, start=start)
        told = []
        for field in ("spin", "energy"):
            for iteration in shown:
                one = here.sel(field=field, fitted=iteration)
                mean, error = (float(one[f"scaling_dimension_mean{end}"]) for end in ("", "_error"))
                told.append(with_error(mean, error) if math.isfinite(mean) else "no fit")
        rows.append([str(here["machine"].values), str(here["start"].values), *told])
    header = ("machine", "start", *(f"x of the {of}, iteration {at}" for of in ("spin", "energy") for at in shown))
    tables = {"dimensions": table(header, rows)}
    ordered = results.sortby("distance")
    rows = []
    for place, distance in enumerate(ordered["distance"].values):
        here = ordered.isel(displacement=place)
        own = [
            with_error(float(one["hidden_decay_mean"]), float(one["hidden_decay_mean_error"]))
            for one in (here.isel(machine=row) for row in range(here.sizes["machine"]))
        ]
        known = [f"{float(here[f'{of}_decay_mean'].mean()):.3f}" for of in ("block", "site")]
        rows.append([f"{distance:.3g}", *own, *known])
    header = ("distance", *map(str, results["machine"].values), "block spins", "single spins")
    tables |= {
        "decays": table(header, rows),
        "ends": table(*report.ends_table(results)),
        "likelihood": table(*likelihood_table(results)),
        "others": further_points(others),
        "verdicts": verdict_table(verdicts_of(results, *others), folder),
        "provenance": provenance(records, store),
    }
    write_tables(tables, folder)


def further_points(points):
    """Ends of the flows and decay of the correlators of machines with fewer hidden units, and of stacks."""
    rows = []
    for machine in named(machines_of(*points)):
        here = machine.results
        last = {"fitted": here["fitted"].values[-1]}
        dimensions = [
            [
                machine.measured("scaling_dimension_mean", field=field, start=start, **last)
                for start in here["start"].values
            ]
            for field in ("spin", "energy")
        ]
        far = here.isel(displacement=int(np.argmax(here["distance"].values)))
        decay = with_error(float(far["hidden_decay_mean"]), float(far["hidden_decay_mean_error"]))
        side, block = float(here["block_side"]), float(far["block_decay_mean"])
        told = [", ".join(str(one) if math.isfinite(one.value) else "no fit" for one in row) for row in dimensions]
        rows.append([machine.name, *told, decay, f"{block:.3f} ({side:g})"])
    ends = (f"x of the {of} at the end, from cold, hot and T_c" for of in ("spin", "energy"))
    return table(("machine", *ends, "hidden decay at the largest distance", "block spins (side)"), rows)


def write_mehta_schwab(store, run, folder):
    """Figures and tables of stacks: every layer as a change of scale, beside block spins and random weights."""
    records = [store.read_run(point["run"]) for point in run["points"]]
    found = [results_of(store, record) for record in records]
    exponents, fields = [], []
    for machine in named(machines_of(*found)):
        here, penalty = machine.results, machine.recipe["training.l1_penalty"]
        called = f"{machine.length}-penalty-{penalty:g}".replace(".", "-")
        for name in ("layer_scaling", "layer_fields"):
            save(figures.FIGURES[name](here.expand_dims("machine")), folder, f"{name}-{called}")
        for layer, change in itertools.product(here["layer"].values.tolist(), here["change"].values):
            at = {"layer": layer, "change": change}
            told = [machine.measured("layer_exponent_mean", **at, sector=sector) for sector in ("even", "odd")]
            # Of b^y with b = 2.
            powers = [with_error(2**one.value, math.log(2) * 2**one.value * one.error) for one in told]
            step = f"{machine.length >> (layer - 1)} to {machine.length >> layer}"
            exponents.append(
                [machine.length, f"{penalty:g}", layer, step, change, powers[0], told[0], powers[1], told[1]]
            )
            number, share = (machine.measured(f"layer_{name}_mean", **at) for name in ("participation", "share"))
            fields.append([machine.length, f"{penalty:g}", layer, change, number, 4**layer, share])
    of = ("L", "L1 penalty", "layer")
    header = (
        *of,
        "cells",
        "change of scale",
        "even eigenvalue (2)",
        "y_T (1)",
        "odd eigenvalue (3.668)",
        "y_h (1.875)",
    )
    wanted = ("stack-fields-blocks", "stack-exponents")
    tables = {
        "exponents": table(header, exponents),
        "fields": table((*of, "change of scale", "spins of a field", "of a block", "share in one block"), fields),
        "verdicts": verdict_table([row for row in verdicts_of(*found) if row.id in wanted], folder),
        "provenance": provenance(records, store),
    }
    write_tables(tables, folder)


def write_recipes(store, run, folder):
    """Figures and tables of a study of recipes; its machines side by side stand beside them as netCDF."""
    records = [store.read_run(point["run"]) for point in run["points"]]
    found = [results_of(store, record) for record in records]
    machines = machines_side_by_side(*found)
    machines.to_netcdf(folder / "machines.nc", encoding={name: {"zlib": True} for name in machines.data_vars})
    save(figures.study_candidates(machines), folder, "study_candidates")
    hypotheses.write(folder)
    tables = {
        "machines": recipe_table(machines),
        "verdicts": verdict_counts(verdicts_of(*found)),
        "provenance": provenance(records, store),
    }
    write_tables(tables, folder)


def write_learning(store, run, folder):
    """T* along every training beside its prediction."""
    records = [store.read_run(point["run"]) for point in run["points"]]
    found = [results_of(store, record) for record in records]
    machines = machines_side_by_side(*found)
    save(figures.study_predicted(machines), folder, "study_predicted")
    rates = {str(one.artifact): one.results["predicted_rate"] for one in distinct(machines_of(*found))}
    rows, courses = [], []
    for number, name in enumerate(machines["machine"].values):
        here = machines.isel(machine=number)
        rate = rates[str(here["artifact"].values)]
        star, theory = (here[f"{kind}_temperature_mean"] for kind in ("checkpoint_stationary", "predicted"))
        error = here["checkpoint_stationary_temperature_mean_error"]
        away = star - theory
        inside = np.isfinite(away.values) & (
            theory.values <= json.loads(str(here["recipe"].values))["temperatures"][-1]
        )
        told = [
            f"{int(here['update'][at])}: {with_error(float(star[at]), float(error[at]))} ({float(theory[at]):.3f})"
            for at in np.flatnonzero(inside)[1:]
        ]
        courses.append((name, "; ".join(told)))
        rows.append(
            (
                *(name, int(here["length"]), int(here["updates"]), f"{float(here['mixture_temperature']):.3f}"),
                with_error(float(star[-1]), float(error[-1])),
                f"{float(theory[-1]):.3f}",
                f"{np.sqrt(np.mean(away.values[inside] ** 2)):.3f}",
                f"{np.abs(away.values[inside]).max():.3f}",
                "" if np.isnan(rate).all() else f"{float(rate.min()):.3f}",
            )
        )
    header = (
        "machine",
        "L",
        "updates",
        "mixture",
        "T\\* at the end",
        "predicted",
        "rms",
        "largest",
        "stable rate up to",
    )
    tables = {
        "machines": table(header, rows),
        "courses": table(("machine", "after so many updates: T\\* (predicted)"), courses),
        "verdicts": verdict_table([row for row in verdicts_of(*found) if row.id == "law-predicted"], folder),
        "provenance": provenance(records, store),
    }
    write_tables(tables, folder)


def recipe_table(machines):
    """Every recipe with its excess and T*, the best first."""
    learnt = machines["excess"].values / machines["ising_divergence"].values
    star, error = (machines[f"stationary_temperature{end}"].values for end in ("", "_error"))
    rows = [
        (
            str(machines["machine"].values[row]),
            int(machines["length"].values[row]),
            int(machines["updates"].values[row]),
            with_error(float(machines["excess"].values[row]), float(machines["excess_error"].values[row])),
            f"{learnt[row]:.2f}",
            with_error(float(star[row]), float(error[row])),
            f"{machines['mixture_temperature'].values[row]:.3f}",
            f"{machines['specific_heat_peak_temperature'].values[row]:.3f}",
        )
        for row in np.argsort(learnt)
    ]
    header = ("machine", "L", "updates", "excess nats", "over that of one T", "T\\* of p(v)", "mixture", "C maximum")
    return table(header, rows)


def verdict_counts(verdicts):
    """Of so many machines how many are for a claim, against it, and leave it open."""
    sides = ("supports", "contradicts", "open")
    rows = [
        (f"`{row.id}`", row.words, f"**{row.verdict}**", *(len(row.of(side)) for side in sides)) for row in verdicts
    ]
    return table(("claim", "statement", "verdict", "for", "against", "open"), [row for row in rows if any(row[3:])])


def results_of(store, run):
    """The results that a run ends with."""
    last = run["steps"][-1]
    return store.read(Address(last["kind"], last["hash"]))


OF_ONE_TEMPERATURE = {"thermodynamics": ("thermodynamics", "quantity"), "couplings": ("coupling", "cluster")}
"""Variable and axis of each figure of machines of one temperature."""


def write_one_temperature(store, run, folder):
    """Figures and tables of a study of machines of one temperature each, against the model there.

    Further points of a sweep are of more temperatures, for what marks the transition in the weights.
    """
    records = [store.read_run(point["run"]) for point in run.get("points", [{"run": run["run"]}])]
    results, *of_grids = found = [results_of(store, record) for record in records]
    by_temperature = results.isel(machine=np.lexsort((results["hidden_units"], results["training_temperature"])))
    left_out = {"cossu-decelle": "thermodynamics", "gu-zhang": "couplings"}.get(folder.name)
    tables = {}
    for name, (variable, axis) in OF_ONE_TEMPERATURE.items():
        if name == left_out:
            continue
        save(getattr(figures, name)(results), folder, name)
        rows = []
        for place, machine in enumerate(by_temperature["machine"].values):
            here = by_temperature.isel(machine=place)
            cells = (here[f"{variable}_{one}"].values for one in ("mean", "mean_error", "exact"))
            told = (f"{with_error(mean, error)} / {exact:.3f}" for mean, error, exact in zip(*cells, strict=True))
            rows.append([machine, *told])
        header = ("machine", *(str(name).replace("_", " ") for name in results[axis].values))
        tables[name] = table(header, rows)
    for one in of_grids:
        save(figures.weight_indicators(one), folder, "weight_indicators")
        tables["indicators"] = indicator_table(one)
    tables |= {
        "likelihood": table(*likelihood_table(by_temperature)),
        "verdicts": verdict_table(verdicts_of(*found), folder),
        "provenance": provenance(records, store),
    }
    write_tables(tables, folder)


def indicator_table(results):
    """What could mark the transition in the weights, by the temperature that a machine has learnt."""
    names = ("largest_eigenvalue", "first_share", "effective_modes")
    rows = []
    for place in np.argsort(results["training_temperature"].values):
        here = results.isel(machine=place)
        cells = (
            (float(here[f"weight_final_{end}"].sel(final_measure=one)) for end in ("mean", "error")) for one in names
        )
        rows.append([f"{float(here['training_temperature']):.4g}", *(with_error(*pair) for pair in cells)])
    return table(("temperature", "largest eigenvalue", "its share", "effective modes"), rows)


WRITERS = {
    "paper": write_paper,
    "fixed-point": write_fixed_point,
    "veiga-vicente": write_veiga_vicente,
    "veiga-vicente-controls": write_controls,
    "left-open": write_left_open,
    "good": write_good,
    **dict.fromkeys(("lattices", "models", "giataganas-potts", "funai-giataganas"), write_systems),
    "swendsen": write_swendsen,
    "de-mello-koch": write_de_mello_koch,
    "mehta-schwab": write_mehta_schwab,
    **dict.fromkeys(("recipes", "candidates", "estimators"), write_recipes),
    **dict.fromkeys(("torlai-melko", "cossu-decelle", "gu-zhang"), write_one_temperature),
    "learning": write_learning,
    "why": write_why,
}

store, name, *asked = Store(sys.argv[1]), *sys.argv[2:]
target = HERE / name
target.mkdir(exist_ok=True)
run, *further = (store.find_run(one) for one in asked or [name])
WRITERS[name](store, run, target, *further)
