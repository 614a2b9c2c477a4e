"""One arm's search: what is asked, in which order, and that nothing is lost or asked twice."""

import math
from collections import Counter
from dataclasses import replace

import optuna
import pytest

from harness.conductor.search import ArmSearch, importances, n_ended
from harness.experiment.experiment import Arm, Search
from harness.experiment.ranges import Range
from harness.results import Trial

RANGES = {
    "data.context": Range("choice", choices=((5, 5), (10, 5))),
    "params.depth": Range("int", 2, 8),
    "params.width": Range("choice", choices=(256, 512)),
    "training.learning_rate": Range("log", 1e-4, 1e-2),
    "training.label_smoothing": Range("float", 0.0, 0.2, 0.1),
}


def arm(ranges=RANGES):
    return Arm("a", "ffdnn", {}, dict(ranges))


def score(values):
    """Best at depth 6 and a learning rate of 1e-3."""
    return 0.7 - 0.01 * abs(values["params.depth"] - 6) - 0.02 * abs(math.log10(values["training.learning_rate"]) + 3)


def ask_without_settings(journal):
    """What a process leaves that is killed between Optuna's number of a trial and its settings."""
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))
    optuna.load_study(study_name="a", storage=storage).ask()


def told(asked, value, state="complete"):
    return Trial(asked.number, state, value, asked.values, 100, 1.0, (0.1, value or 0.0))


def search_all(study, limit=1000):
    """Ask and tell until nothing is left, or `limit` trials are told."""
    while limit and (asked := study.ask()):
        study.tell(told(asked, score(asked.values)))
        limit -= 1
    return study.trials()


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_every_value_lies_in_its_range_and_of_its_type(tmp_path, sampler):
    trials = search_all(ArmSearch(tmp_path / "j", arm(), Search(trials=12, epochs=2, sampler=sampler)))
    assert [t.number for t in trials] == list(range(12))
    for t in trials:
        assert t.settings["data.context"] in ((5, 5), (10, 5))
        assert t.settings["params.depth"] in range(2, 9)
        assert type(t.settings["params.width"]) is int
        assert 1e-4 <= t.settings["training.learning_rate"] <= 1e-2
        assert t.settings["training.label_smoothing"] in (0.0, 0.1, 0.2)


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
@pytest.mark.parametrize("cut", [1, 5])
def test_a_study_that_goes_on_asks_what_it_would_have_asked(tmp_path, sampler, cut):
    ranges = {"params.depth": Range("int", 2, 8), "params.width": Range("choice", choices=(256, 512))}
    if sampler != "grid":
        ranges["training.learning_rate"] = RANGES["training.learning_rate"]
    search = Search(trials=12, epochs=2, sampler=sampler, seed=3)

    def values(study, limit=1000):
        while limit and (asked := study.ask()):
            study.tell(told(asked, 0.5 + asked.values["params.depth"] / 100))
            limit -= 1
        return [t.settings for t in study.trials()]

    whole = values(ArmSearch(tmp_path / "whole", arm(ranges), search))
    values(ArmSearch(tmp_path / "cut", arm(ranges), search), limit=cut)
    assert values(ArmSearch(tmp_path / "cut", arm(ranges), search)) == whole


def test_a_grid_gives_every_point_once(tmp_path):
    ranges = {"params.depth": Range("int", 2, 4), "data.context": RANGES["data.context"]}
    study = ArmSearch(tmp_path / "j", arm(ranges), Search(trials=6, epochs=1, sampler="grid"))
    while asked := study.ask():
        study.tell(told(asked, 0.5))
    points = Counter((t.settings["params.depth"], t.settings["data.context"]) for t in study.trials())
    assert len(points) == 6
    assert set(points.values()) == {1}


def test_an_interrupted_trial_is_given_out_again_with_the_same_settings(tmp_path):
    search = Search(trials=5, epochs=1)
    study = ArmSearch(tmp_path / "j", arm(), search)
    search_all(study, 2)
    lost = study.ask()
    again = ArmSearch(tmp_path / "j", arm(), search)
    assert again.ask() == lost
    assert len(search_all(again)) == 5


def test_a_trial_cut_off_before_it_had_settings_counts_for_nothing(tmp_path):
    search = Search(trials=3, epochs=1)
    study = ArmSearch(tmp_path / "j", arm(), search)
    ask_without_settings(tmp_path / "j")
    trials = search_all(study)
    assert [t.number for t in trials] == [1, 2, 3]


def test_a_trial_is_told_once(tmp_path):
    study = ArmSearch(tmp_path / "j", arm(), Search(trials=3, epochs=1))
    asked = study.ask()
    study.tell(told(asked, 0.5))
    study.tell(told(asked, 0.9))
    assert study.trials()[0].value == 0.5


def test_failed_trials_count_against_the_budget_and_are_never_the_best(tmp_path):
    study = ArmSearch(tmp_path / "j", arm(), Search(trials=3, epochs=1))
    for value, state in ((0.5, "complete"), (None, "failed"), (0.6, "pruned")):
        study.tell(told(study.ask(), value, state))
    assert study.ask() is None
    assert [t.state for t in study.trials()] == ["complete", "failed", "pruned"]
    assert study.best().value == 0.5


def test_the_best_is_the_earliest_of_equals_and_there_may_be_none(tmp_path):
    study = ArmSearch(tmp_path / "j", arm(), Search(trials=3, epochs=1))
    assert study.best() is None
    for value in (0.4, 0.6, 0.6):
        study.tell(told(study.ask(), value))
    assert study.best().number == 1


def test_median_pruning_waits_for_its_warm_up_and_startup_trials(tmp_path):
    search = Search(trials=6, epochs=4, pruning="median", warmup_epochs=2, startup_trials=3)
    study = ArmSearch(tmp_path / "j", arm(), search)
    for _ in range(3):
        asked = study.ask()
        assert not any(study.should_prune(asked.number, epoch, 0.5) for epoch in range(1, 5))
        study.tell(told(asked, 0.5))
    bad = study.ask()
    assert [study.should_prune(bad.number, epoch, 0.1) for epoch in (1, 2, 3)] == [False, True, True]
    good = ArmSearch(tmp_path / "j", arm(), search)
    assert good.ask() == bad
    assert good.should_prune(bad.number, 2, 0.1), "what was reported before the kill is remembered, not reported again"


def test_without_pruning_every_trial_gets_its_frames(tmp_path):
    study = ArmSearch(tmp_path / "j", arm(), Search(trials=20, epochs=2))
    for value in (0.9, 0.9, 0.9, 0.9, 0.9, 0.9):
        study.tell(told(study.ask(), value))
    asked = study.ask()
    assert not any(study.should_prune(asked.number, epoch, 0.0) for epoch in (1, 2))


def test_tpe_finds_more_than_random_search(tmp_path):
    found = {}
    for sampler in ("tpe", "random"):
        scores = []
        for seed in range(4):
            study = ArmSearch(
                tmp_path / f"{sampler}{seed}", arm(), Search(trials=30, epochs=1, sampler=sampler, seed=seed)
            )
            search_all(study)
            scores += [t.value for t in study.trials()[20:]]
        found[sampler] = sum(scores) / len(scores)
    assert found["tpe"] > found["random"]


def test_importances_name_what_matters(tmp_path):
    ranges = {"params.depth": Range("int", 2, 8), "params.width": Range("choice", choices=(256, 512))}
    search = Search(trials=14, epochs=1, sampler="random")
    studies = [ArmSearch(tmp_path / "j", arm(ranges), replace(search, seed=n), n) for n in (1, 2)]
    assert importances(studies) == {}
    for study in studies:
        while asked := study.ask():
            study.tell(told(asked, 0.5 + asked.values["params.depth"] / 20))
    assert importances(studies[:1]) == {}, "of fewer than 20 trials nothing is said"
    shares = importances(studies)
    assert shares["params.depth"] > shares["params.width"]


def test_arms_share_a_journal_and_nothing_else(tmp_path):
    search = Search(trials=3, epochs=1)
    a, b = (ArmSearch(tmp_path / "j", Arm(name, "ffdnn", {}, RANGES), search) for name in "ab")
    search_all(a)
    assert (len(a.trials()), len(b.trials())) == (3, 0)
    search_all(b)
    assert a.trials()[0].settings == b.trials()[0].settings, "the same first draw"


def test_counting_what_has_ended_changes_nothing(tmp_path):
    study = ArmSearch(tmp_path / "j", arm(), Search(trials=5, epochs=1))
    ask_without_settings(tmp_path / "j")
    search_all(study, 2)
    study.ask()
    before = (tmp_path / "j").read_bytes()
    assert sum(n_ended(tmp_path / "j").values()) == 2
    assert (tmp_path / "j").read_bytes() == before
