"""Studies as they are read back: whole, listed, by the ids of runs, and what is said of those that cannot be."""

import dataclasses

import numpy as np
import pytest

from harness.comparison.compare import compare
from harness.comparison.model import to_json
from harness.errors import UserError
from harness.tracking.store import open_store
from tests.records import comparison_json
from tests.studies import COMMAND, begin, copy_project, runs, write

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop


def test_a_study_comes_back_as_it_was_written(written, record, comparison):
    back = written[0].load_study("ladnn")
    assert comparison_json(back) == to_json(comparison)
    for arm, arm_back in zip(record.arms, back.arms, strict=True):
        assert (arm_back.chosen, arm_back.trials, arm_back.importances) == (arm.chosen, arm.trials, arm.importances)
        for final, final_back in zip(arm.finals, arm_back.finals, strict=True):
            np.testing.assert_array_equal(final_back.test.counts, final.test.counts)
            np.testing.assert_array_equal(final_back.test.log_loss, final.test.log_loss)
            np.testing.assert_array_equal(final_back.validation.counts, final.validation.counts)
            assert final_back.history == final.history
            assert final_back.provenance == final.provenance
    assert (back.notes, back.provenance, back.corpus) == (record.notes, record.provenance, record.corpus)


def test_a_study_recorded_through_a_server_is_not_reached_without_it(store, small):
    store.client.create_experiment(
        "ladnn", artifact_location="mlflow-artifacts:/1", tags={"harness.part": "study", "harness.state": "finished"}
    )
    with pytest.raises(UserError, match="Set MLFLOW_TRACKING_URI to its address"):
        store.load_study("ladnn")
    with pytest.raises(UserError, match="Set MLFLOW_TRACKING_URI to its address"):
        begin(store, small)


def test_an_unknown_study_names_the_nearest(store, small):
    with pytest.raises(UserError, match=r"--study ladn: .* holds no study yet"):
        store.load_study("ladn")
    begin(store, small)
    with pytest.raises(UserError, match=r'no such study in .* Did you mean "ladnn"\? There are: ladnn'):
        store.load_study("ladn")
    with pytest.raises(UserError, match=r"mlflow\.db\. There are: ladnn"):
        store.load_study("quite other")


def test_an_unfinished_study_says_how_far_it_is_and_how_to_go_on(tmp_path, project_of_one_arm):
    store = open_store(copy_project(project_of_one_arm, tmp_path / "project"))
    with pytest.raises(UserError) as refusal:
        store.load_study("ladnn")
    assert str(refusal.value).splitlines() == [
        "--study ladnn: not finished. So far:",
        "  ladnn: 3 of 3 trials, 2 of 2 seeds",
        "  ffdnn: 0 of 3 trials, 0 of 2 seeds",
        "To go on with it:",
        f"  {COMMAND}",
    ]


def test_studies_are_listed_with_their_state(written, store, record):
    (line,) = written[0].studies()
    assert (line.study, line.question, line.arms) == ("ladnn", record.question, ("ladnn", "ffdnn"))
    assert (line.state, line.when[:2]) == ("finished", "20")
    begin(store, record)
    assert [line.state for line in store.studies()] == ["unfinished"]


def test_single_finals_come_back_by_what_their_ids_begin_with(written, record):
    store, _ = written
    ids = {name: run.info.run_id for name, run in runs(store, "ladnn", "final").items()}
    names = ["ffdnn seed 1", "ladnn seed 0"]
    records = store.load_runs([ids[name][:20] for name in names])
    assert [(back.study, back.arms[0].arm, back.provenance["run"]) for back in records] == [
        (name, name, ids[name]) for name in names
    ]
    for back, arm, seed in zip(records, (record.arms[1], record.arms[0]), (1, 0), strict=True):
        (final,) = back.arms[0].finals
        np.testing.assert_array_equal(final.test.counts, arm.finals[seed].test.counts)
        assert final.history == arm.finals[seed].history
        assert (back.arms[0].trials, back.arms[0].importances) == (arm.trials, arm.importances)
        assert (back.unit, back.level, back.margin, back.notes) == (record.unit, 0.95, record.margin, record.notes)
        assert (back.corpus, back.experiment) == (record.corpus, record.experiment)


def test_a_final_of_an_unfinished_arm_comes_back_and_says_what_is_not_known(tmp_path, project_of_one_arm, small):
    store = open_store(copy_project(project_of_one_arm, tmp_path / "project"))
    run = runs(store, "ladnn", "final")["ladnn seed 1"]
    (back,) = store.load_runs([run.info.run_id])
    assert back.arms[0].trials == ()
    assert back.notes == ("The cost of tuning ladnn is not known: the arm is not finished.",)
    assert back.corpus["splits"]["test"] == small.corpus["splits"]["test"]


def test_all_mistakes_in_the_ids_of_runs_are_told_at_once(written):
    store, _ = written
    arm = runs(store, "ladnn", "arm")["ladnn"].info.run_id
    trial = runs(store, "ladnn/search", "trial")["ffdnn trial 2"].info.run_id
    final = runs(store, "ladnn", "final")["ladnn seed 0"].info.run_id
    with pytest.raises(UserError) as refusal:
        store.load_runs(["abc", "x" * 32, arm, trial, final, final[:10]])
    assert str(refusal.value).splitlines() == [
        "--run abc: an id has 32 characters; give at least the first 4",
        f"--run {'x' * 32}: no such run in {store.uri}",
        f"--run {arm}: is an arm, not a run of one seed; its finals lie below it in MLflow, or: "
        "harness report --study ladnn",
        f"--run {trial}: is a trial of a search; trials are not scored on test",
        f"--run {final[:10]}: is a run that was given twice",
    ]
    with pytest.raises(UserError, match="The newest finals:") as refusal:
        store.load_runs(["xyz", "zzzzz"])
    assert len(str(refusal.value).splitlines()) == 2 + 1 + 4


def test_every_study_that_read_a_test_split_is_named_archived_and_deleted_ones_too(store, small):
    for name in ("first", "second", "third", "elsewhere"):
        corpus = {**small.corpus, "digest": "train-validation-other"} if name == "elsewhere" else small.corpus
        write(store, dataclasses.replace(small, study=name, corpus=corpus))
    assert store.load_study("third").other_readers == ("first", "second")
    archived = store.archive("first")
    store.client.delete_experiment(store.client.get_experiment_by_name("second").experiment_id)
    assert store.load_study("third").other_readers == tuple(sorted((archived, "second")))
    assert store.load_study("elsewhere").other_readers == ()
    assert "H016" in [check.code for check in compare(store.load_study("third")).checks]
