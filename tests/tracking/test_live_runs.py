"""Runs while they train: epochs, ends, and what a later process goes on with or marks as dead. On real stores."""

import dataclasses
import math
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.tracking import views
from harness.tracking.store import open_store
from tests.studies import artifacts, as_trial, begin, runs, start_final, steps, write

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

REPOSITORY = Path(__file__).parents[2]


def test_epochs_logged_live_are_those_logged_at_the_end(store, small):
    recorder = begin(store, small)
    first, second = small.arms[0].finals
    live = start_final(recorder, first)
    for epoch in first.history:
        live.next_call = -math.inf  # as if some seconds had passed
        live.epoch(epoch)
        assert store.client.get_run(live.run_id).info.status == "RUNNING"
        assert steps(store, live.run_id, "epochs/train_loss")[-1] == (epoch.epoch, epoch.train_loss)
    live.finish(first)
    at_once = recorder.log_run(second)
    for run_id, final in ((live.run_id, first), (at_once, second)):
        curve = [(epoch.epoch, 100 * epoch.validation_accuracy) for epoch in final.history]
        assert steps(store, run_id, "epochs/validation_accuracy") == curve
        times = [m.timestamp for m in store.client.get_metric_history(run_id, "epochs/train_loss")]
        assert times == sorted(times)


def test_epochs_that_pass_quickly_go_out_together(store, small):
    recorder, final = begin(store, small), small.arms[0].finals[0]
    live = start_final(recorder, final)
    for epoch in final.history:
        live.epoch(epoch)
    assert [step for step, _ in steps(store, live.run_id, "epochs/train_loss")] == [1]
    live.failed("KILLED")
    assert [step for step, _ in steps(store, live.run_id, "epochs/train_loss")] == [e.epoch for e in final.history]


def test_a_resumed_run_is_the_same_run_and_doubles_nothing(root, store, small):
    final = small.arms[0].finals[0]
    live = start_final(begin(store, small), final)
    for epoch in final.history[:3]:
        live.epoch(epoch)
    live.failed("KILLED")
    assert store.client.get_run(live.run_id).info.status == "KILLED"

    recorder = begin(open_store(root), small)
    resumed = start_final(recorder, final)
    assert resumed.run_id == live.run_id
    assert store.client.get_run(live.run_id).info.status == "RUNNING"
    for epoch in final.history[2:4]:  # one again, one new; the rest is made good at the end
        resumed.epoch(epoch)
    resumed.finish(final)
    assert sorted(steps(store, live.run_id, "epochs/train_loss")) == [(e.epoch, e.train_loss) for e in final.history]
    assert recorder.log_run(final) == live.run_id
    assert begin(store, small).log_run(final) == live.run_id
    assert len(runs(store, "ladnn", "final")) == len(runs(store, "ladnn", "arm")) == 1


def test_a_study_written_twice_is_written_once(finished, small):
    root, link = finished
    store = open_store(root)
    assert write(store, small) == link
    assert len(runs(store, "ladnn", "arm")) == 2
    assert len(runs(store, "ladnn", "final")) == 4
    assert len(runs(store, "ladnn/search", "trial")) == sum(len(arm.trials) for arm in small.arms)
    arm = runs(store, "ladnn", "arm")["ladnn"]
    assert len(steps(store, arm.info.run_id, "accuracy/test")) == 1
    images = [path for path in artifacts(store, arm) if path.startswith("images/") and path.endswith(".png")]
    assert len(images) == len(views.IMAGES)


def test_a_trial_of_other_settings_replaces_the_one_before(store, small):
    trial = as_trial(small.arms[0], 0)
    begin(store, small).start_run("ladnn", stage="search", trial=0, seed=0, settings=trial.settings).failed("KILLED")
    other = dataclasses.replace(trial, settings=trial.settings | {"params.depth": 99})
    run_id = begin(store, small).log_run(other)
    found = runs(store, "ladnn/search", "trial")
    assert [run.info.run_id for run in found.values()] == [run_id]
    assert found["ladnn trial 0"].data.params["params.depth"] == "99"


def test_a_training_that_failed_says_why(store, small):
    trial = as_trial(small.arms[0], 0)
    live = begin(store, small).start_run("ladnn", stage="search", trial=0, seed=0, settings=trial.settings)
    live.failed("FAILED", "the loss is not finite in epoch 2")
    run = runs(store, "ladnn/search", "trial")["ladnn trial 0"]
    assert (run.info.status, run.data.tags["state"]) == ("FAILED", "failed")
    assert run.data.tags["mlflow.note.content"] == "the loss is not finite in epoch 2"
    again = begin(store, small).start_run("ladnn", stage="search", trial=0, seed=0, settings=trial.settings)
    assert again.run_id == live.run_id
    assert not {"state", "mlflow.note.content"} & set(store.client.get_run(live.run_id).data.tags)


KILLED = """
import sys, time
from pathlib import Path
from harness.tracking.store import open_store
store = open_store(Path(sys.argv[1]))
recorder = store.begin("ladnn", question="?", arms=["ladnn"], trials=0, seeds=[0], command="")
recorder.start_arm("ladnn", architecture="ladnn", settings={})
recorder.start_run("ladnn", stage="final", trial=None, seed=0, settings={})
print("started", flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_left_running_is_marked_and_what_lives_is_not(root, store):
    process = subprocess.Popen([sys.executable, "-c", KILLED, root], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "started\n"
    assert store.mark_dead_runs() == []  # it lives
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = [*runs(store, "ladnn", "arm").values(), *runs(store, "ladnn", "final").values()]
    assert [run.info.status for run in left] == ["RUNNING", "RUNNING"]
    assert set(store.mark_dead_runs()) == {run.info.run_id for run in left}
    assert {store.client.get_run(run.info.run_id).info.status for run in left} == {"KILLED"}
    assert store.mark_dead_runs() == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_process_number_used_again_is_not_taken_for_the_dead_one(store, small):
    live = start_final(begin(store, small), small.arms[0].finals[0])
    assert store.mark_dead_runs() == []
    store.client.set_tag(live.run_id, "born", "1")
    assert store.mark_dead_runs() == [live.run_id]
