"""Successive halving: what each rung trains, who goes on, and that every arm spends the same whatever it finds."""

import numpy as np
import pytest

from harness.conductor.search import ArmSearch, importances, n_ended
from harness.experiment.experiment import Arm, Search
from harness.experiment.ranges import Range
from harness.experiment.rungs import best, promoted, rungs
from harness.results import Trial

RANGES = {"params.depth": Range("int", 1, 200), "data.context": Range("choice", choices=((5, 5), (10, 5)))}


def arm(name="a"):
    return Arm(name, "ffdnn", {"training.epochs": 8}, dict(RANGES))


def stages(full_epochs=8, **search):
    return [(r.trials, r.subset, r.epochs, r.part) for r in rungs(Search(**search), full_epochs)]


def search_all(study, score, limit=1000):
    """Ask and tell until nothing is left, or `limit` trials are told; what was asked."""
    asked = []
    while limit and (one := study.ask()):
        value = score(one)
        state = "failed" if value is None else "complete"
        frames = round(1000 * one.rung.subset) * one.rung.epochs
        study.tell(Trial(one.number, state, value, one.values, frames, 1.0, (), one.rung.number, one.origin))
        asked.append(one)
        limit -= 1
    return asked


def test_frames_grow_by_utterances_and_then_by_epochs():
    assert stages(trials=27, halving=3, subset=0.1, epochs=1) == [
        (27, 0.1, 1, "search 1"),
        (9, 0.3, 1, "search 2"),
        (3, 0.9, 1, "search 3"),
    ]
    assert stages(trials=16, halving=2, subset=0.5, epochs=2) == [
        (16, 0.5, 2, "search 1"),
        (8, 1.0, 2, "train"),
        (4, 1.0, 4, "train"),
        (2, 1.0, 8, "train"),
    ]
    # 0.25, 0.75, 2.25 of all utterances
    assert stages(trials=20, halving=3, subset=0.25, epochs=1)[1:] == [(6, 0.75, 1, "search 2"), (2, 1.0, 2, "train")]


def test_a_rung_never_sees_more_than_a_final_and_has_two_trials_or_more():
    assert stages(full_epochs=3, trials=64, halving=2, epochs=2) == [(64, 1.0, 2, "train"), (32, 1.0, 3, "train")]
    assert [r[0] for r in stages(full_epochs=100, trials=9, halving=2, epochs=1)] == [9, 4, 2]


def test_without_halving_there_is_one_rung():
    assert stages(trials=6, epochs=3, subset=0.5) == [(6, 0.5, 3, "search")]
    assert stages(trials=6, epochs=3) == [(6, 1.0, 3, "train")]


def test_the_best_go_on_the_earliest_of_equals_first_and_failed_ones_never():
    values = [0.5, None, 0.7, 0.7, 0.6]
    trials = [Trial(i, "complete" if v else "failed", v, {}, 0, 0.0) for i, v in enumerate(values)]
    assert [t.number for t in promoted(trials, 3)] == [2, 3, 4]
    assert [t.number for t in promoted(trials, 9)] == [2, 3, 4, 0]


def test_the_choice_is_made_in_the_last_rung_that_has_a_complete_trial():
    first = [Trial(i, "complete", v, {}, 0, 0.0) for i, v in enumerate((0.9, 0.8))]
    assert best([*first, Trial(2, "complete", 0.3, {}, 0, 0.0, (), 2, 0)]).number == 2
    assert best([*first, Trial(2, "failed", None, {}, 0, 0.0, (), 2, 0)]).number == 0
    assert best([]) is None


def test_the_sampler_suggests_for_the_first_rung_and_the_others_repeat_its_best(tmp_path):
    study = ArmSearch(tmp_path / "j", arm(), Search(trials=9, epochs=2, halving=3, subset=0.5, sampler="random"))
    asked = search_all(study, lambda one: one.values["params.depth"] / 1000 + one.rung.number / 10)
    assert [(a.number, a.rung.number) for a in asked] == [(i, 1) for i in range(9)] + [(9, 2), (10, 2), (11, 2)]
    depths = sorted((a.values["params.depth"] for a in asked[:9]), reverse=True)
    assert [a.values["params.depth"] for a in asked[9:]] == depths[:3]
    assert [asked[a.origin].values for a in asked[9:]] == [a.values for a in asked[9:]]
    assert study.best().number == 9
    assert [(t.rung, t.origin) for t in study.trials()[9:]] == [(2, a.origin) for a in asked[9:]]
    assert sum(n_ended(tmp_path / "j").values()) == 12


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_every_arm_spends_the_same_frames_whatever_its_scores(tmp_path, sampler):
    search = Search(trials=27, epochs=1, halving=3, subset=0.1, sampler=sampler)
    spent = []
    for seed in range(3):
        study = ArmSearch(tmp_path / f"j{seed}", arm(), search)
        noise = np.random.default_rng(seed)
        search_all(study, lambda one, noise=noise: float(noise.uniform()))
        spent.append(sum(t.frames for t in study.trials()))
    assert spent == [27 * 100 + 9 * 300 + 3 * 900] * 3


@pytest.mark.parametrize("cut", [1, 8, 9, 10, 12, 13, 14])
@pytest.mark.parametrize("is_asked", [False, True])
def test_a_search_that_is_cut_off_in_any_rung_goes_on_as_it_would_have(tmp_path, cut, is_asked):
    search = Search(trials=9, epochs=1, halving=2, subset=0.1, sampler="tpe", seed=5)

    def score(one):
        return np.random.default_rng(one.values["params.depth"] + 1000 * one.rung.number).uniform()

    whole = ArmSearch(tmp_path / "whole", arm(), search)
    search_all(whole, score)
    study = ArmSearch(tmp_path / "cut", arm(), search)
    search_all(study, score, cut)
    lost = study.ask() if is_asked else None
    study = ArmSearch(tmp_path / "cut", arm(), search)
    again = search_all(study, score)
    assert lost is None or again[0] == lost
    assert study.trials() == whole.trials()
    assert len(study.trials()) == 9 + 4 + 2


def test_where_too_few_were_trained_to_the_end_fewer_go_on(tmp_path):
    study = ArmSearch(tmp_path / "j", arm(), Search(trials=8, epochs=1, halving=2, subset=0.1))
    asked = search_all(study, lambda one: 0.5 if one.rung.number == 1 and one.number in (1, 6) else None)
    assert [(a.rung.number, a.origin) for a in asked[8:]] == [(2, 1), (2, 6)]
    assert study.best().number == 1


def test_importances_are_those_of_the_first_rung(tmp_path):
    def score(one):
        return one.values["params.depth"] / 1000 if one.rung.number == 1 else 0.9

    plain = ArmSearch(tmp_path / "a", arm(), Search(trials=24, epochs=1, subset=0.1, sampler="random"))
    halved = ArmSearch(tmp_path / "b", arm(), Search(trials=24, epochs=1, subset=0.1, sampler="random", halving=2))
    search_all(plain, score)
    search_all(halved, score)
    assert len(halved.trials()) > len(plain.trials())
    assert importances([halved]) == importances([plain]) != {}
