"""Progress: the speed, the time left, and how runs side by side are shown."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from harness.conductor.plan import workload
from harness.display import panel, progress
from harness.display.progress import Facts, Progress, RunName, Running, Standing
from harness.results import Epoch


def epoch(number, accuracy=0.5, seconds=1.0):
    return Epoch(number, 1.0, 0.5, 1.0, accuracy, 1e-3, 100 * number, seconds)


class Silent:
    def refresh(self, facts):
        pass

    def line(self, text, may_be_cut=False):
        pass


def test_the_speed_is_of_all_runs_together_from_the_first_epoch_on(monkeypatch):
    """Two runs of 1,000 frames an epoch: one takes 10 s for it, the other 20 s; 150 frames/s in all."""
    clock = SimpleNamespace(perf_counter=lambda: now)
    monkeypatch.setattr(progress, "time", clock)
    now = 100.0
    shown = Progress(Silent())
    experiment = SimpleNamespace(
        study="s", question="?", arms=["a", "b"], search=None, training=SimpleNamespace(epochs=4),
        searches=tuple, finals=lambda: [(1, 0)],
    )  # fmt: skip
    shown.plans(workload(experiment, 1000, 2))
    a, b = RunName("a", seed=0), RunName("b", seed=0)
    for run in (a, b):
        shown.begins(run, 4, 1000, {})
    now = 110.0
    shown.epoch(a, epoch(1, seconds=10))
    assert shown.facts.frames_per_second == pytest.approx(200)  # as much as can be known of b
    assert shown.facts.seconds_left == pytest.approx(7000 / 200)
    now = 120.0
    shown.epoch(a, epoch(2, seconds=10))
    shown.epoch(b, epoch(1, seconds=20))
    assert shown.facts.frames_per_second == pytest.approx(150)
    assert shown.facts.seconds_left == pytest.approx(5000 / 150)
    shown.epoch(b, epoch(2, seconds=20))  # at once: an earlier process did it
    assert shown.facts.frames_per_second == pytest.approx(150)
    assert shown.facts.done_frames == 4000


def drawn(facts, encoding="utf-8"):
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding), width=80, force_terminal=True, color_system=None)
    console.print(panel.panel(facts, has_blocks=console.encoding.startswith("utf")))
    console.file.seek(0)
    return console.file.read().splitlines()


def test_the_screen_is_one_block_of_constant_height_in_80_columns():
    long = "context 12, batch_size 4096, learning_rate 0.00123, label_smoothing 0.05, depth 4, width 2048"
    facts = Facts("study", "?", {"ladnn": Standing(9, 3, 0.61), "ffdnn": Standing(9, 9, 0.6, [0.59] * 3)}, 1000, 500, 2)
    runs = [(RunName("ladnn", trial=3), Running(3, 100, long, 0.0, [epoch(1, 0.3), epoch(2, 0.6)]))]
    runs += [(RunName("ffdnn", seed=12), Running(40, 100, "", 0.0, [epoch(i + 1, i / 40) for i in range(30)]))]
    facts.frames_per_second = 86_000.0
    heights = set()
    for n in range(3):
        facts.running = dict(runs[:n])
        lines = drawn(facts)
        heights.add(len(lines))
        assert max(map(len, lines)) <= 80
    assert len(heights) == 1
    text = "\n".join(lines)
    assert "ladnn trial 3  epoch 3 of 3    60.00  ▁█                context 12, batch_size" in text
    assert "ffdnn seed 12  epoch 31 of 40  72.50  ▁▁▂▂▃▃▄▄▅▅▆▆▇▇██" in text
    assert "50 %  86,000 frames/s" in text
    assert "▁" not in "".join(drawn(facts, "ascii"))


def test_what_ends_counts_as_a_trial_or_as_a_final_of_its_arm():
    shown = Progress(Silent())
    shown.facts.arms = {"a": Standing(3)}
    for run in (RunName("a", trial=0), RunName("a", trial=1), RunName("a", seed=7)):
        shown.begins(run, 2, 100, {})
    shown.ends(RunName("a", trial=0), 0.5, "complete")
    shown.ends(RunName("a", trial=1), 0.9, "pruned")
    shown.ends(RunName("a", seed=7), 0.4, "complete")
    assert shown.facts.arms["a"] == Standing(3, 3, 0.5, [0.4])
    assert (str(RunName("a", trial=0)), RunName("a", seed=7).label) == ("a trial 0", "seed 7")
