"""Studies: what shipped specs say of the papers that they replicate."""

import pytest

from rbmflow import spec
from rbmflow._checks import InvalidInput
from rbmflow._variables import RESULTS
from rbmflow.claims import CLAIMS
from rbmflow.spec import toml_files

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
        for number in study.numbers.values():
            assert {number.ours, number.ours_error} <= set(RESULTS), name
            assert set(number.at) <= {*RESULTS[number.ours].dims, *fields}, name


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
