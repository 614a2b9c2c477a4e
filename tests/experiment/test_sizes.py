"""Arms matched on their parameters: the solved width against a scan of all widths, in a search, for any corpus."""

import random
from pathlib import Path

import pytest
from click.testing import CliRunner

import architectures
from harness.cli.main import main
from harness.errors import UserError
from harness.experiment import matching, sizes
from harness.experiment.experiment import Experiment
from harness.experiment.load import load
from tests.small_corpus import D_FEATURES, write_corpus

SHAPE = (5, 6, 7)
WITH_WIDTH = [name for name in architectures.names() if matching.has_width(name)]

SEARCHED = """\
question = "q"
study = "s"
data.context = { int = [0, 9] }
search.trials = 30
comparison.match.parameters = 300_000
training.learning_rate = { log = [1e-4, 1e-2] }
arms.ladnn = { architecture = "ladnn", params.depth = { int = [1, 4] }, params.norm = { choice = ["none", "layer"] } }
arms.ffdnn = { architecture = "ffdnn", params.depth = { int = [3, 8] }, params.shape = "diamond" }
arms.tdnnf = { architecture = "tdnnf", params.depth = { int = [2, 6] }, params.dropout = { float = [0, 0.5] } }
arms.scaled = { architecture = "ladnn", params.widths = [4, 2, 1] }
"""


def loaded(tmp_path: Path, text: str, *overrides: str) -> Experiment:
    file = tmp_path / "x.toml"
    file.write_text(text)
    return load(file, overrides)


def n_parameters(name, params, shape=SHAPE):
    model = architectures.build(name, *shape, params)
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("target", [4_000, 20_000])
@pytest.mark.parametrize("name", WITH_WIDTH)
def test_the_solved_width_is_the_nearest_of_all(name, target):
    counts = {w: architectures.n_parameters(name, *SHAPE, {"depth": 3, "width": w}) for w in range(1, 200)}
    nearest = min(counts, key=lambda w: abs(counts[w] - target))
    if abs(counts[nearest] - target) <= 0.01 * target:
        solved = matching.solve(name, SHAPE, {"depth": 3, "parameters": target})
        assert solved.params == {"depth": 3, "width": nearest}
        assert solved.parameters == n_parameters(name, solved.params)
    else:
        with pytest.raises(ValueError, match=f"width {nearest} gives {counts[nearest]}"):
            matching.solve(name, SHAPE, {"depth": 3, "parameters": target})


@pytest.mark.parametrize("target", [30_000, 2_000_000, 20_000_000])
@pytest.mark.parametrize("shape", ["cylinder", "pyramid", "diamond"])
@pytest.mark.parametrize("name", ["ffdnn", "ladnn"])
def test_a_shape_is_solved_within_one_percent(name, shape, target):
    params = {"depth": 5, "shape": shape, "parameters": target}
    solved = matching.solve(name, (11, 13, 40), params)
    assert solved.params.keys() == {"depth", "shape", "width"}
    assert abs(n_parameters(name, solved.params, (11, 13, 40)) / target - 1) <= 0.01


def test_explicit_widths_are_scaled_by_one_factor():
    widths = (2048, 2048, 1024, 1024, 512, 256, 256)
    reference = matching.solve("ladnn", (15, 28, 40), {"widths": widths, "parameters": 18_942_890})
    assert reference.params == {"widths": widths}
    smaller = matching.solve("ladnn", (15, 28, 40), {"widths": widths, "parameters": 2_000_000}).params["widths"]
    assert abs(n_parameters("ladnn", {"widths": smaller}, (15, 28, 40)) / 2e6 - 1) <= 0.01
    assert all(w == round(of * smaller[0] / 2048) for w, of in zip(smaller, widths, strict=True))


def test_a_limit_at_the_stated_number_is_not_exceeded():
    counts = [architectures.n_parameters("ffdnn", *SHAPE, {"width": w}) for w in (100, 101)]
    target = counts[1] - 1
    assert matching.solve("ffdnn", SHAPE, {"parameters": target}).params["width"] == 101
    limited = matching.solve("ffdnn", SHAPE, {"parameters": counts[0] + 100}, counts[0] + 100)
    assert (limited.params["width"], limited.parameters) == (100, counts[0])
    with pytest.raises(ValueError, match=f"within 1 % of at most {target} in all"):
        matching.solve("ffdnn", SHAPE, {"parameters": target}, target)


def test_settings_that_no_width_mends_are_told():
    with pytest.raises(ValueError, match='shape = "diamond" needs depth = 3'):
        matching.solve("ffdnn", SHAPE, {"depth": 2, "shape": "diamond", "parameters": 10_000})


def test_a_bottleneck_that_narrow_widths_do_not_allow_is_no_obstacle():
    solved = matching.solve("tdnnf", SHAPE, {"bottleneck": 200, "parameters": 2_000_000})
    assert solved.params["width"] > 100


def test_every_trial_is_of_the_stated_size_and_width_is_not_searched(tmp_path):
    draw = random.Random(0)
    for arm in loaded(tmp_path, SEARCHED).arms.values():
        assert not {"params.width", "params.parameters"} & arm.ranges.keys()
        widths = set()
        for _ in range(6):
            values = {k: draw.choice(r.values()) if r.size() else draw.uniform(*r.ends) for k, r in arm.ranges.items()}
            settings = arm.settings(values)
            assert settings.flat().items() >= values.items()
            assert "params.parameters" not in settings.flat()
            shape = (settings.data.window, 28, 40)
            assert abs(architectures.n_parameters(arm.architecture, *shape, settings.params) / 300_000 - 1) <= 0.01
            widths.add(settings.params.get("width") or settings.params["widths"])
        assert len(widths) > 1


def test_the_file_is_told_apart_by_what_it_states_and_the_run_by_its_width(tmp_path):
    canonical = loaded(tmp_path, SEARCHED).canonical()
    assert canonical["arms.scaled.params.parameters"] == 300_000
    assert canonical["arms.scaled.params.widths"] == [4, 2, 1]
    assert "arms.ladnn.params.width" not in canonical
    limited = loaded(tmp_path, SEARCHED, "limit.parameters=400_000").canonical()
    assert limited == canonical | {"limit.parameters": 400_000}


def test_matching_the_baseline_is_to_state_its_size(tmp_path):
    head = 'question = "q"\nstudy = "s"\narms.a = { architecture = "ffdnn", params.width = 300 }\n'
    text = f'{head}arms.b.architecture = "ladnn"\narms.c.architecture = "tdnnf"\n'
    to_baseline = loaded(tmp_path, f'{text}comparison.match = "parameters"\n')
    assert to_baseline.arms["a"].settings({}).params == {"width": 300, "init": "preserving"}
    size = architectures.n_parameters("ffdnn", 15, 28, 40, {"width": 300})
    for name in ("b", "c"):
        assert to_baseline.arms[name].fixed["params.parameters"] == size
    stated = text.replace("params.width = 300", "params.parameters = 500_000")
    both = loaded(tmp_path, f'{stated}comparison.match = "parameters"\n')
    number = loaded(tmp_path, f"{text.replace(', params.width = 300', '')}comparison.match.parameters = 500_000\n")
    assert {k: a.settings({}) for k, a in both.arms.items()} == {k: a.settings({}) for k, a in number.arms.items()}


def test_stated_parameters_may_be_a_range(tmp_path):
    text = 'question = "q"\nstudy = "s"\nsearch.trials = 2\narms.a.architecture = "ffdnn"\n'
    arm = loaded(tmp_path, f"{text}arms.a.params.parameters = {{ choice = [100_000, 400_000] }}\n").arms["a"]
    small, large = (settings.params["width"] for settings in arm.ends())
    assert small < large


def test_configurations_between_the_ends_are_checked_too(tmp_path):
    """With these narrow models both ends come within 1 %, and a depth between them does not."""
    text = 'question = "q"\nstudy = "s"\ndata.context = 0\nsearch.trials = 2\narms.a.architecture = "ffdnn"\n'
    for target in range(4_000, 9_000, 50):
        fits = {}
        for depth in range(1, 5):
            try:
                matching.solve("ffdnn", (1, 28, 40), {"depth": depth, "parameters": target})
                fits[depth] = True
            except ValueError:
                fits[depth] = False
        if fits[1] and fits[4] and not (fits[2] and fits[3]):
            break
    between = 2 if not fits[2] else 3
    with pytest.raises(UserError, match=rf"within 1 %.*\(at params.depth = {between}\)"):
        loaded(tmp_path, f"{text}arms.a.params = {{ depth = {{ int = [1, 4] }}, parameters = {target} }}\n")


def test_widths_are_solved_again_for_the_corpus(tmp_path):
    experiment = loaded(tmp_path, SEARCHED)
    arm = sizes.for_corpus(experiment, 13, 40).arms["ffdnn"]
    low, high = arm.ends()
    for settings in (low, high):
        size = architectures.n_parameters("ffdnn", settings.data.window, 13, 40, settings.params)
        assert abs(size / 300_000 - 1) <= 0.01
    assert high.params["width"] > experiment.arms["ffdnn"].ends()[1].params["width"]


def test_what_only_the_corpus_makes_too_large_is_refused_when_it_is_known(tmp_path):
    text = 'question = "q"\nstudy = "s"\narms.a.architecture = "ffdnn"\nlimit.parameters = 1_100_000\n'
    experiment = loaded(tmp_path, text)
    with pytest.raises(UserError, match=r"arms\.a: 1116200 parameters are above .* 40 coefficients and 40 phonemes"):
        sizes.for_corpus(experiment, 40, 40)


def test_masks_hide_no_more_coefficients_than_the_corpus_has(tmp_path):
    text = 'question = "q"\nstudy = "s"\narms.a.architecture = "linear"\ntraining.frequency_mask = 13\n'
    experiment = loaded(tmp_path, text)
    assert sizes.for_corpus(experiment, 13, 40)
    with pytest.raises(
        UserError, match=r"frequency_mask = 13 hides more coefficients than there are \(with .* 12 coeff"
    ):
        sizes.for_corpus(experiment, 12, 40)


def test_the_plan_shows_the_solved_widths_at_both_ends(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path / "corpus", n_train=2, n_held=1)
    Path("x.toml").write_text(f'data.corpus = "corpus"\n{SEARCHED}')
    done = CliRunner().invoke(main, ["run", "x.toml", "--plan"])
    assert done.exit_code == 0, done.output
    shape = (1, D_FEATURES, 40)
    low = matching.solve("ffdnn", shape, {"depth": 3, "shape": "diamond", "parameters": 300_000})
    assert f"ffdnn: {low.params['width']} (context 0, depth 3) to " in done.output
