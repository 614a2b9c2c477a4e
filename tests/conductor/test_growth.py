"""A study whose file changes: what is kept stays bit for bit, what is added is as if planned, looks are counted."""

import json

import pytest

from harness import checksums
from harness.conductor import conduct
from harness.errors import UserError
from harness.tracking import store
from tests.command import invoke
from tests.small_corpus import STUDY, write_project
from tests.studies import copy_project

pytestmark = pytest.mark.slow  # trainings and a store: not for the inner loop

MORE_SEEDS = STUDY.replace("[5, 6]", "[5, 6, 7]")
THIRD = """\
[arms.linear]
architecture = "linear"
[search]"""


def project(folder):
    return write_project(folder, {})


def run(folder, text, *options):
    (folder / "study.toml").write_text(text)
    done = invoke("run", "study.toml", *options, cwd=folder)
    assert done.exit_code == 0, done.output
    return done.output


def comparison(folder):
    return json.loads((folder / "reports" / "small" / "comparison.json").read_text())


def results(folder):
    return {arm["arm"]: [arm["settings"], arm["confusion"], arm["test"]] for arm in comparison(folder)["arms"]}


def stamps(folder):
    """When each run's result was written: one that is kept is not written again."""
    return {
        path.parent.name: path.stat().st_mtime_ns for path in folder.glob(".harness/studies/small/runs/*/result.json")
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    own = project(tmp_path_factory.mktemp("finished") / "own")
    run(own, STUDY)
    return own


@pytest.fixture
def folder(finished, tmp_path):
    """A project of its own, in which the study was run."""
    return copy_project(finished, tmp_path / "own")


def test_seeds_are_added_and_counted_as_a_look(folder, tmp_path):
    before = stamps(folder)
    output = run(folder, MORE_SEEDS)
    assert "changed: comparison.seeds: [5, 6] -> [5, 6, 7]" in output
    assert before.items() < stamps(folder).items()
    assert len(stamps(folder)) == len(before) + 2
    whole = project(tmp_path / "whole")
    run(whole, MORE_SEEDS)
    assert results(folder) == results(whole)
    looks = comparison(folder)["looks"]
    assert (looks["number"], looks["planned"]) == (2, 1)
    assert (comparison(folder)["level"], comparison(folder)["planned_level"]) == (0.975, 0.95)
    assert comparison(whole)["level"] == 0.95
    assert "This is look 2 at the results, 1 look more than planned: its intervals are of 97.5 %" in " ".join(
        output.split()
    )
    again = invoke("report", "--study", "small", "--json", cwd=folder)
    assert json.loads(again.output)["level"] == 0.975
    run(folder, MORE_SEEDS)
    assert comparison(folder)["looks"]["number"] == 2, "the same results are the same look"


def test_a_study_that_ends_before_it_is_compared_has_been_scored_nevertheless(tmp_path, monkeypatch):
    def end(*_):
        raise UserError("the end")

    own = project(tmp_path / "cut")
    (own / "study.toml").write_text(STUDY)
    monkeypatch.setattr(conduct.growth, "count_look", end)
    assert invoke("run", "study.toml", cwd=own).exit_code == 2
    reader = store.open_store(own)
    digest = reader.client.get_experiment_by_name("small").tags["harness.test"]
    assert reader.readers(digest) == ("small",)
    monkeypatch.undo()
    run(own, STUDY)
    assert reader.load_study("small").test_digest == digest


def test_planned_looks_share_the_error_from_the_first_on(tmp_path):
    planned = STUDY.replace("baseline =", "looks = 2\nbaseline =")
    own = project(tmp_path / "planned")
    assert "look 1 of 2 planned" in " ".join(run(own, planned).split())
    assert comparison(own)["level"] == pytest.approx(0.969, abs=1e-3)
    run(own, planned.replace("[5, 6]", "[5, 6, 7]"))
    assert comparison(own)["level"] == pytest.approx(0.9723, abs=1e-3)


def test_an_arm_is_added_and_left_out_without_a_look_and_the_family_never_shrinks(folder):
    before, shown = stamps(folder), results(folder)
    run(folder, STUDY.replace("[search]", THIRD))
    assert before.items() < stamps(folder).items()
    three = comparison(folder)
    assert {arm["arm"] for arm in three["arms"]} == {"ladnn", "ffdnn", "linear"}
    assert results(folder).items() > shown.items()
    assert three["looks"]["number"] == 1
    run(folder, STUDY)
    two = comparison(folder)
    assert [arm["arm"] for arm in two["arms"]] == ["ladnn", "ffdnn"]
    assert two["looks"]["pairs"] == 3
    accuracy = next(pair for pair in two["pairs"] if pair["metric"] == "accuracy")
    assert accuracy["p_family"] == pytest.approx(min(1, 3 * accuracy["p"]))
    read = json.loads(invoke("report", "--study", "small", "--json", cwd=folder).output)
    assert read["pairs"] == two["pairs"]


def test_what_is_read_otherwise_after_the_runs_is_marked(folder):
    before = stamps(folder)
    output = run(folder, STUDY.replace("baseline =", "margin = 0.01\nbaseline ="))
    assert stamps(folder) == before
    assert "Stated after the runs: margin: null -> 0.01." in output
    assert comparison(folder)["looks"]["number"] == 1
    assert "Stated after the runs" not in run(folder, STUDY)


def test_an_arm_of_other_settings_is_trained_anew_only_when_asked(folder):
    before, changed = stamps(folder), STUDY.replace("params.width = 8", "params.width = 12")
    (folder / "study.toml").write_text(changed)
    plan = invoke("run", "study.toml", "--plan", cwd=folder).output
    assert "anew: ladnn: 4 runs each" in plan
    assert "done by harness run study.toml --amend" in plan
    refused = invoke("run", "study.toml", cwd=folder)
    assert refused.exit_code == 2
    assert "kept: ffdnn\n" in refused.output
    assert "anew: ladnn: 4 runs each" in refused.output
    assert "train what is anew: harness run study.toml --amend" in refused.output
    assert stamps(folder) == before
    run(folder, changed, "--amend")
    kept = {name: stamp for name, stamp in before.items() if name.startswith("ffdnn")}
    assert kept.items() < stamps(folder).items()
    assert not set(stamps(folder).items()) & set(before.items()) - set(kept.items())
    assert comparison(folder)["looks"]["number"] == 2
    client = store.open_store(folder).client
    experiment = client.get_experiment_by_name("small")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in runs) == sorted(
        ["ladnn", "ffdnn", "ladnn seed 5", "ladnn seed 6", "ffdnn seed 5", "ffdnn seed 6"]
    )
    arms = {run.info.run_name: run.info.run_id for run in runs}
    for own in runs:
        if " seed " in own.info.run_name:
            assert own.data.tags["mlflow.parentRunId"] == arms[own.data.tags["arm"]]
    assert {own.info.status for own in runs} == {"FINISHED"}


def test_an_arm_is_restarted_with_the_same_result_and_no_further_look(folder):
    before, shown = stamps(folder), results(folder)
    run(folder, STUDY, "--restart-arm", "ladnn")
    assert results(folder) == shown
    changed = {name for name, stamp in stamps(folder).items() if before[name] != stamp}
    assert changed == {"ladnn-seed-5", "ladnn-seed-6"}
    assert comparison(folder)["looks"]["number"] == 1
    refused = invoke("run", "study.toml", "--restart-arm", "cnn", cwd=folder)
    assert refused.exit_code == 2
    assert "--restart-arm cnn: study.toml has no such arm. There are: ladnn, ffdnn" in refused.output


def test_trials_are_added_and_finals_of_another_choice_trained_anew(folder):
    run(folder, STUDY.replace("trials = 2", "trials = 5"))
    grown = comparison(folder)
    for arm in grown["arms"]:
        assert len(arm["search"]) == 5
        best = max(arm["search"], key=lambda trial: trial["value"])
        assert arm["chosen"] == best["settings"]
        assert arm["settings"]["training.learning_rate"] == best["settings"]["training.learning_rate"]
        (search,) = arm["searches"]
        assert [final["seed"] for final in search["finals"]] == [5, 6]
    assert grown["looks"]["number"] == 2, "at least one arm has chosen otherwise"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STUDY.replace("epochs = 1\nbatch", "epochs = 2\nbatch"), "none of its runs could be kept"),
        (STUDY.replace("[5, 6]", "[5]"), "seed 6 was trained and would be left out"),
    ],
)
def test_what_would_take_something_away_is_another_study(folder, text, message):
    (folder / "study.toml").write_text(text)
    for options in ([], ["--amend"]):
        refused = invoke("run", "study.toml", *options, cwd=folder)
        assert refused.exit_code == 2
        assert message in refused.output
        assert "--set study=NAME" in refused.output
    assert message in invoke("run", "study.toml", "--plan", cwd=folder).output


def test_a_claim_added_with_an_amendment_is_marked_and_the_first_ones_remain(tmp_path):
    claim = '\n[[claims]]\nclaim = "{}"\nkind = "better"\na = "ladnn"\nb = "ffdnn"\n'
    own = project(tmp_path / "claims")
    run(own, STUDY + claim.format("Planned."))
    run(own, MORE_SEEDS + claim.format("Added."))
    found = {row["claim"]: row["stated_after_the_runs"] for row in comparison(own)["claims"]}
    assert found == {"Planned.": False, "Added.": True}


def test_an_arm_that_comes_back_is_kept_with_its_settings_and_anew_with_others(folder):
    three = STUDY.replace("[search]", THIRD)
    run(folder, three)
    before = stamps(folder)
    run(folder, STUDY)
    run(folder, three)
    assert stamps(folder) == before
    run(folder, STUDY)
    changed = three.replace('"linear"', '"linear"\ntraining.batch_size = 64')
    (folder / "study.toml").write_text(changed)
    refused = invoke("run", "study.toml", cwd=folder)
    assert refused.exit_code == 2
    assert "anew: linear: 4 runs each" in refused.output
    run(folder, changed, "--amend")
    assert comparison(folder)["looks"]["number"] == 2, "what was shown of the arm before it was left out counts"
    linear = next(arm for arm in comparison(folder)["arms"] if arm["arm"] == "linear")
    assert linear["settings"]["training.batch_size"] == 64


def test_a_study_of_a_version_that_counted_no_looks_was_looked_at_once(folder):
    path = folder / ".harness" / "studies" / "small" / "study.json"
    facts = checksums.unseal(path)
    earlier = {key: value for key, value in facts.items() if key not in ("looks", "finals", "code", "left_out")}
    path.write_text(checksums.seal(earlier))
    run(folder, MORE_SEEDS)
    assert comparison(folder)["looks"]["number"] == 2
    run(folder, STUDY.replace("[5, 6]", "[5, 6, 7, 8]"))
    assert comparison(folder)["looks"]["number"] == 3
