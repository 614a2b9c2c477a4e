"""What a study writes to MLflow: runs, metrics, tags, params, artifacts and pictures. On real stores."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import precision_recall_fscore_support

from harness.tracking import entries, pictures, views
from tests.studies import artifacts, begin, runs, start_final

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop


def test_arms_stand_alone_with_finals_as_children_and_trials_apart(written, record):
    store, _ = written
    arms, finals = runs(store, "ladnn", "arm"), runs(store, "ladnn", "final")
    assert set(arms) == {"ladnn", "ffdnn"}
    assert not any("mlflow.parentRunId" in arm.data.tags for arm in arms.values())
    assert set(finals) == {"ladnn seed 0", "ladnn seed 1", "ffdnn seed 0", "ffdnn seed 1"}
    for final in finals.values():
        assert final.data.tags["mlflow.parentRunId"] == arms[final.data.tags["arm"]].info.run_id
    assert not runs(store, "ladnn", "trial")
    assert len(runs(store, "ladnn/search", "trial")) == sum(len(arm.trials) for arm in record.arms)
    everything = [*arms.values(), *finals.values(), *runs(store, "ladnn/search", "trial").values()]
    assert {run.info.status for run in everything} == {"FINISHED"}


def test_every_phoneme_is_logged_as_scikit_learn_has_it(written, record):
    run = runs(written[0], "ladnn", "final")["ffdnn seed 1"]
    final = record.arms[1].finals[1]
    true, predicted = np.nonzero(final.test.confusion)
    expected = precision_recall_fscore_support(
        true,
        predicted,
        sample_weight=final.test.confusion[true, predicted],
        labels=range(len(final.phonemes)),
        zero_division=0,
    )
    names = entries.metric_names(final.phonemes)
    for measure, values, scale in zip(
        ("precision", "recall", "f1", "support"), expected, (100, 100, 100, 1), strict=True
    ):
        logged = [run.data.metrics[f"phoneme_{measure}/{names[phoneme]}"] for phoneme in final.phonemes]
        np.testing.assert_allclose(logged, scale * np.asarray(values))
    assert run.data.metrics["accuracy/test"] == pytest.approx(100 * final.test.accuracy)
    assert run.data.metrics["accuracy/validation"] == pytest.approx(100 * final.validation.accuracy)


def test_an_arm_has_mean_spread_and_difference_of_its_seeds(written, record, comparison):
    metrics = runs(written[0], "ladnn", "arm")["ladnn"].data.metrics
    accuracies = [100 * final.test.accuracy for final in record.arms[0].finals]
    assert metrics["accuracy/test"] == pytest.approx(np.mean(accuracies))
    assert metrics["accuracy/test_std"] == pytest.approx(np.std(accuracies, ddof=1))
    pair = comparison.pairs_in("accuracy")[0]
    ends = [metrics[f"accuracy/vs_baseline{end}"] for end in ("_low", "", "_high")]
    assert ends == pytest.approx([100 * pair.low, 100 * pair.difference, 100 * pair.high])
    assert not any("vs_baseline" in name for name in runs(written[0], "ladnn", "arm")["ffdnn"].data.metrics)


def test_headlines_come_before_the_many_bars_of_phonemes(written):
    metrics = runs(written[0], "ladnn", "arm")["ladnn"].data.metrics
    sections = list(dict.fromkeys(name.rpartition("/")[0] for name in sorted(metrics)))
    assert sections[0] == "accuracy"
    assert [s for s in sections if s.startswith("phoneme_")] == sections[-4:]
    assert "" not in sections


def test_a_run_says_where_it_comes_from(written, record):
    final = dataclasses.replace(
        record.arms[0].finals[0],
        provenance={"device": "cpu", "commit": "abc", "dirty": True, "versions": {"torch": "2.13.0"}, "corpus": "9f2c"},
    )
    tags = entries.run_tags(final)
    assert tags["mlflow.source.git.commit"] == tags["commit"] == "abc"
    assert (tags["dirty"], tags["device"], tags["corpus"]) == ("true", "cpu", "9f2c")
    assert json.loads(tags["versions"]) == {"torch": "2.13.0"}
    run = runs(written[0], "ladnn", "final")["ladnn seed 0"]
    assert run.data.params["training.learning_rate"] == str(final.settings["training.learning_rate"])
    assert (run.data.tags["seed"], run.data.tags["judged_on"]) == ("0", "test")
    for name in ("parameters", "flops_per_frame", "seconds", "frames_per_second", "peak_bytes"):
        assert run.data.metrics[f"cost/{name}"] == getattr(final, name)


def test_artifacts_to_compare_lie_at_the_root_of_an_arm(written, record):
    store, _ = written
    arm = runs(store, "ladnn", "arm")["ladnn"]

    def text(path):
        return Path(store.client.download_artifacts(arm.info.run_id, path)).read_text()

    at_root = {path for path in artifacts(store, arm) if "/" not in path}
    assert {
        "confusion.png",
        "confusion.csv",
        "per_phoneme.md",
        "per_phoneme.json",
        "classification_report.txt",
    } <= at_root
    assert {"search.json", "search.md", "comparison.json", "study.json", "experiment.toml"} <= at_root
    counts = np.loadtxt(text("confusion.csv").splitlines()[1:], delimiter=",", dtype=str)[:, 1:]
    pooled = sum(final.test.confusion for final in record.arms[0].finals)
    np.testing.assert_array_equal(counts.astype(int), pooled)
    table = json.loads(text("per_phoneme.json"))
    assert [row[0] for row in table["data"]] == list(record.arms[0].finals[0].phonemes)


def size_of(picture):
    with Image.open(picture) as image:
        return image.size


def test_the_figures_of_the_arms_have_one_name_and_one_size(written, record):
    """So that MLflow's compare page, which shows 600 pixels, sets them side by side."""
    store, _ = written
    sizes = []
    for run in runs(store, "ladnn", "arm").values():
        names = sorted(path for path in artifacts(store, run) if path.endswith(".png") and "/" not in path)
        folder = Path(store.client.download_artifacts(run.info.run_id, ""))
        sizes.append({name: size_of(folder / name) for name in names})
        assert set(views.IMAGES) <= {name.removesuffix(".png") for name in names}
    assert sizes[0] == sizes[1]
    expected = {"boundaries_calibration", "budget", "confusion", "learning", "phonemes", "speakers"}
    assert {name.removesuffix(".png") for name in sizes[0]} == expected
    assert {width for width, _ in sizes[0].values()} == {600}


def test_a_picture_that_lacks_its_numbers_is_left_out(comparison):
    arms = tuple(dataclasses.replace(arm, calibration=None) for arm in comparison.arms)
    comparison = dataclasses.replace(comparison, arms=arms)
    names = pictures.arm_pictures("ladnn", comparison, entries.COLOURS)
    assert "speakers.png" in names
    assert "boundaries_calibration.png" not in names


def test_a_final_keeps_its_result_and_model_without_pickle(store, small, tmp_path):
    final = small.arms[0].finals[0]
    final.save(tmp_path / "run")
    (tmp_path / "run" / "state.pt").write_bytes(b"not to be kept")
    (tmp_path / "run" / "model").mkdir()
    (tmp_path / "run" / "model" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "run" / "model" / "model.json").write_text("{}")
    start_final(begin(store, small), final).finish(final, tmp_path / "run")
    paths = artifacts(store, runs(store, "ladnn", "final")["ladnn seed 0"])
    assert {"model/model.safetensors", "model/model.json", "result/result.json", "result/arrays.npz"} <= paths
    assert not [path for path in paths if path.endswith((".pt", ".pkl", ".pickle"))]


@pytest.mark.parametrize(
    ("phonemes", "names"),
    [
        (("[SIL]", "AA", "h#", "<sil>"), ("SIL", "AA", "h", "sil_2")),
        (("ax-h", "sp.", "a:", "ə", "œ"), ("ax-h", "sp.", "a", "other", "other_2")),
        (("t", "T", "t_2"), ("t", "T_2", "t_2_2")),
    ],
)
def test_phonemes_get_names_that_mlflow_takes(store, phonemes, names):
    assert tuple(entries.metric_names(phonemes).values()) == names
    run = store.client.create_run("0")
    for name in names:
        store.client.log_metric(run.info.run_id, f"phoneme_f1/{name}", 1.0)


def test_settings_stand_in_the_words_of_the_file(store, small):
    settings = {"a": True, "b": None, "c": (3, 10), "d": "adam", "e": 1e-4, "f": "", "g": "x" * 7000}
    params = entries.params(settings)
    assert list(params.values())[:6] == ["true", "null", "[3, 10]", "adam", "0.0001", ""]
    assert len(params["g"]) == 6000
    assert params["g"].endswith("(cut; whole in result/result.json)")
    begin(store, small).start_arm("ladnn", architecture="ladnn", settings=settings)
    assert runs(store, "ladnn", "arm")["ladnn"].data.params == params


def test_numbers_that_are_not_finite_are_named_not_logged(store, small):
    final = small.arms[0].finals[0]
    worst = dataclasses.replace(final.test, log_loss=np.full_like(final.test.log_loss, np.inf))
    epoch = dataclasses.replace(final.history[0], validation_loss=float("nan"))
    final = dataclasses.replace(final, test=worst, history=(epoch,))
    start_final(begin(store, small), final).finish(final)
    run = runs(store, "ladnn", "final")["ladnn seed 0"]
    assert "log_loss/test" not in run.data.metrics
    assert "epochs/validation_loss" not in run.data.metrics
    assert run.data.metrics["accuracy/test"] > 0
    assert run.data.tags["not_finite"] == "log_loss/test"
