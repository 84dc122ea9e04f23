"""Studies: what shipped specs say of the papers that they replicate."""

import math
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import synthetic_results
from rbmflow import spec
from rbmflow._checks import InvalidInput
from rbmflow._format import with_error
from rbmflow._variables import RESULTS
from rbmflow.claims import CLAIMS, Judgement, Verdict
from rbmflow.cli import main
from rbmflow.spec import toml_files

WHERE = {"machine": "V-64", "start": "hot", "thermometer": "energy"}
STUDY = '\n[study]\nclaims = ["V-to-Tc"]\nfound = "not run yet"\n'


def test_every_shipped_spec_but_quick_is_a_study_of_known_claims_and_variables():
    studies = spec.studies()
    assert set(spec.shipped()) - set(studies) == {"quick"}
    papers = [study.paper for study in studies.values() if study.paper]
    assert len(set(papers)) == len(papers)
    fields = {field.name for field in spec.fields()}
    for name, study in studies.items():
        assert set(study.claims) <= set(CLAIMS), name
        assert bool(study.authors) == bool(study.paper), name
        assert any(study.paper in CLAIMS[claim].source for claim in study.claims), name
        for number in study.numbers.values():
            assert {number.ours, number.ours_error} <= set(RESULTS), name
            assert set(number.at) <= {*RESULTS[number.ours].dims, *fields}, name


def test_what_a_study_took_is_what_its_page_says():
    pages = Path(__file__).parents[1] / "docs" / "results"
    for name, study in spec.studies().items():
        own = [path for path in (pages / f"{name}.md", pages / name / "provenance.md") if path.exists()]
        assert study.took in "".join(path.read_text("utf-8") for path in own), name
        assert study.took or not (pages / name / "provenance.md").exists(), name


def test_a_study_is_no_part_of_its_run(tmp_path):
    text = 'name = "own"\nseeds = 2\n'
    (tmp_path / "with.toml").write_text(text + STUDY)
    (tmp_path / "without.toml").write_text(text)
    assert spec.load_sweep(tmp_path / "with.toml") == spec.load_sweep(tmp_path / "without.toml")
    assert spec.load(tmp_path / "with.toml") == spec.load(tmp_path / "without.toml")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('[study]\nclaims = []\nfound = "x"', "study.claims = [] is not allowed: it must name at least one claim"),
        ('[study]\nclaims = ["a"]\nfound = ""', "study.found = '' is not allowed: it must say what came out"),
        (f'{STUDY}paper = "1801"', "study.paper = '1801' is not allowed: it must be an arXiv number"),
        (f"{STUDY}papre = 1", "study.papre = 1 is not allowed: there is no such field; section study has claims"),
        ("study = 3", "study = 3 is not allowed: it must be a table"),
        (
            f'{STUDY}[study.numbers.T]\nours = "end_temperature"\nours_error = "end_error"\ntheirs = 2.27',
            "study.numbers.T.source = '' is not allowed: a number of others must say where it stands",
        ),
    ],
)
def test_what_a_study_cannot_say_is_refused_in_a_sentence(tmp_path, table, told):
    (tmp_path / "own.toml").write_text(f'name = "own"\n{table}\n')
    with pytest.raises(InvalidInput) as refused:
        toml_files.read(tmp_path / "own.toml")
    assert str(refused.value).startswith(told)
    assert len(refused.value.problems) == 1


def test_a_paper_is_replicated_with_its_numbers_beside_ours(capsys, monkeypatch, tmp_path):
    results = synthetic_results.results(machines=("V-64", "V-16"), length=4)
    at = results["end_temperature"].sel(machine="V-64", start="hot", thermometer="energy")
    error = results["end_error"].sel(machine="V-64", start="hot", thermometer="energy")
    numbers = {
        "known": spec.StudyNumber("end_temperature", "end_error", WHERE, float(at - 2 * error), source="abstract"),
        "with an error": spec.StudyNumber("end_temperature", "end_error", WHERE, 2.5, 0.25, "table 1"),
        "not known": spec.StudyNumber("end_temperature", "end_error", WHERE),
        "not one": spec.StudyNumber("end_temperature", "end_error", {"start": "hot"}, 2.5, source="abstract"),
        "not there": spec.StudyNumber("end_temperature", "end_error", {"machine": "H-64"}, 2.5, source="abstract"),
    }
    study = spec.Study(("H-to-hot", "V-to-Tc"), "not run yet", "1234.56789", "A. B.", numbers)
    judgements = tuple(Judgement(f"V-{n}", "contradicts", f"T* = {n}") for n in range(6))
    verdicts = [Verdict("V-to-Tc", "It goes to T_c", "", ("",) * 3, "fails", judgements, ())]
    verdicts.append(Verdict("H-to-hot", "It gets hot", "", ("",) * 3, "not tested", (), ()))
    run = SimpleNamespace(results=results, verdicts=verdicts)
    monkeypatch.setattr("rbmflow.spec.toml_files.studies", lambda: {"quick": study})
    monkeypatch.setattr("rbmflow.cli.studying.run_of", lambda arguments: (0, {"run": arguments.spec}))
    monkeypatch.setattr("rbmflow.cli.studying.opened", lambda record, store: run)
    assert main(["replicate", "arXiv:1234.56789", "--store", str(tmp_path / "store")]) == 0
    out = capsys.readouterr().out
    cells = [[cell.strip() for cell in line.split("│")[1:5]] for line in out.splitlines() if "│" in line]
    rows = {name: rest for name, *rest in cells}
    ours = with_error(float(at), float(error))
    assert rows["known"] == [f"{float(at - 2 * error):.6g} (abstract)", ours, "+2.0 errors"]
    apart = (float(at) - 2.5) / math.hypot(float(error), 0.25)
    assert rows["with an error"] == ["2.50(25) (table 1)", ours, f"{apart:+.1f} errors"]
    assert rows["not known"] == ["not known", ours, ""]
    assert rows["not one"][1:] == rows["not there"][1:] == ["no reading", ""]
    lines = out.splitlines()
    assert lines.index("NOT TESTED: It gets hot (H-to-hot)") < lines.index("FAILS: It goes to T_c (V-to-Tc)")
    assert "  against: V-0: T* = 0" in lines
    assert "  against: 2 more" in lines
    assert main(["replicate", "--list", "--store", str(tmp_path / "store")]) == 0
    listed = [cell.strip() for cell in capsys.readouterr().out.splitlines()[3].split("│")[1:-1]]
    assert listed[:2] == ["1234.56789", "A. B."]
    assert listed[2].startswith("Trained on high temperatures only, ")
    assert listed[3:] == ["quick", "nothing, it is there"] or re.match(r"\d+ (s|min) on ", listed[4])
    for words in (["1801.07172"], []):
        assert main(["replicate", *words]) == 2
        assert "it must be one of 1234.56789; `rbmflow studies` tells" in capsys.readouterr().err


def test_studies_are_listed_with_what_they_cost_here(capsys, monkeypatch, tmp_path):
    study = spec.Study(("V-to-Tc",), "not run yet", "1234.56789", "A. B.")
    monkeypatch.setattr("rbmflow.spec.toml_files.studies", lambda: {"quick": study})
    assert main(["studies", "--store", str(tmp_path / "store")]) == 0
    title, claim, cost, found = capsys.readouterr().out.splitlines()
    assert title == "quick: A. B., arXiv:1234.56789"
    assert claim == f"  claim: {CLAIMS['V-to-Tc'].words} (V-to-Tc)"
    assert re.fullmatch(r"  costs here: \d+ (s|min) on \d+ workers?, [\d.]+ [kMG]?B of disk by the estimate", cost)
    assert found == "  found: not run yet"
    assert not (tmp_path / "store").exists()


def test_the_answer_is_its_studies_one_after_another(monkeypatch, capsys, tmp_path):
    from rbmflow.cli import answering

    assert set(answering.PARTS) <= set(spec.studies())
    ran = []
    monkeypatch.setattr(answering, "run_of", lambda arguments: (ran.append(arguments.spec) or len(ran) == 2, {}))
    assert main(["run", "answer", "--store", str(tmp_path)]) == 1
    assert ran == list(answering.PARTS)
    monkeypatch.setattr(answering, "PARTS", ("cossu-decelle", "gu-zhang"))
    assert main(["plan", "answer", "--store", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["cossu-decelle", "gu-zhang", "all"]
    assert all("steps to compute" in line for line in lines[:2])
    assert main(["run", "answer", "--seeds", "2", "--store", str(tmp_path)]) == 2
    assert "each of them takes this by itself" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
