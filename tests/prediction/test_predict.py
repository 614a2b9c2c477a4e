"""`harness predict` as a user types it: files against the study's own report, sound against the corpus made from it."""

import csv
import itertools
import json
import pickle
import re
import shutil
import wave
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from click.testing import CliRunner
from sklearn.metrics import accuracy_score

from harness.checksums import seal, unseal
from harness.cli.main import main
from harness.corpora import features, mfcc
from harness.corpora.alignments import textgrid
from harness.corpora.alignments import textgrid as alignments_textgrid
from harness.corpora.corpus import load_splits
from harness.corpora.features import Features
from harness.errors import UserError
from harness.prediction import model
from harness.tracking.store import open_store
from harness.training import saved_model

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

MADE = Features(rate=8000, n_coefficients=6, n_mels=20, high=4000.0, deltas=1)
CLASSES = ("[SIL]", "AA", "IY", "S")
EXPERIMENT = """\
question = "Does anything help?"
study = "tones"
[data]
corpus = "corpus"
context = [2, 1]
[training]
epochs = 6
learning_rate = 0.01
batch_size = 64
precision = "fp32"
[arms.ffdnn]
architecture = "ffdnn"
params.depth = 1
params.width = 16
[arms.linear]
architecture = "linear"
data.normalisation = "global"
[comparison]
seeds = [3, 1]
"""


def write_sound(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, MADE.rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def write_corpus_of_sound(root, sounds):
    """Tones for phonemes: the corpus in `root`, and its test split's sound in `sounds`."""
    rng = np.random.default_rng(0)
    sounds.mkdir(parents=True)
    for split, n_speakers in (("train", 4), ("validation", 2), ("test", 2)):
        for kind in ("mfcc", "transcript"):
            (root / split / kind).mkdir(parents=True)
        for name in (f"{split}{s}-{i}" for s in range(n_speakers) for i in range(3)):
            labels = np.repeat(rng.integers(0, len(CLASSES), 15), rng.integers(300, 1500, 15))
            hertz = np.array([0, 500, 1500, 3000])[labels] * rng.uniform(0.8, 1.2)
            samples = 3000 * np.sin(2 * np.pi * np.cumsum(hertz) / MADE.rate) + rng.normal(scale=500, size=len(labels))
            samples = np.round(samples).astype(np.int16)
            if split == "test":
                write_sound(sounds / f"{name}.wav", samples)
            frames = MADE.compute(samples)
            own = labels[mfcc.centres(len(frames), MADE.rate)]
            np.save(root / split / "mfcc" / f"{name}.npy", frames)
            np.save(
                root / split / "transcript" / f"{name}.npy", np.array(["[SOS]", *(CLASSES[k] for k in own), "[EOS]"])
            )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project in which the study `tones` was run, and whose working folder is gone."""
    folder = tmp_path_factory.mktemp("project")
    write_corpus_of_sound(folder / "corpus", folder / "sounds")
    features.write(folder / "corpus", MADE)
    (folder / "tones.toml").write_text(EXPERIMENT)
    (folder / ".harness").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        done = CliRunner().invoke(main, ["run", "tones.toml"])
    assert done.exit_code == 0, done.output
    shutil.rmtree(folder / ".harness" / "studies")
    return folder


@pytest.fixture
def predict(project, monkeypatch):
    """The command in the project; gives its result."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(project)

    def invoke(*arguments, arm="ffdnn"):
        return CliRunner().invoke(main, ["predict", "--study", "tones", "--arm", arm, *map(str, arguments)])

    return invoke


def succeeds(result):
    assert result.exit_code == 0, result.output
    return result.stdout


def labels_of(path):
    return pd.read_csv(path, keep_default_na=False).label.tolist()


def truth(corpus, split="test"):
    return np.concatenate([np.load(file)[1:-1] for file in sorted((corpus / split / "transcript").iterdir())])


@pytest.mark.parametrize("arm", ["ffdnn", "linear"])
@pytest.mark.parametrize("seed", [1, 3])
def test_the_report_equals_the_one_of_the_study_to_the_digit(predict, project, tmp_path, arm, seed):
    said = succeeds(predict("corpus", "--split", "test", "--seed", seed, "--out", tmp_path / "out.csv", arm=arm))
    final = model.load(project, "tones", arm, seed).result
    settings = {file: json.loads((file / "result" / "result.json").read_text()) for file in artifacts(project)}
    folder = next(f for f, r in settings.items() if (r["arm"], r["seed"], r["stage"]) == (arm, seed, "final"))
    assert (folder / "classification_report.txt").read_text().rstrip() in said
    assert labels_of(tmp_path / "out.csv") == [final.phonemes[k] for k in final.test.predicted]


def artifacts(project):
    return [path.parents[1] for path in project.glob("mlruns/*/*/artifacts/result/result.json")]


def test_the_csv_is_in_the_order_of_names_and_scores_as_printed(predict, project, tmp_path):
    said = succeeds(predict("corpus", "--split", "test", "--out", tmp_path / "out.csv"))
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [str(i) for i in range(len(truth(project / "corpus")))]
    accuracy = accuracy_score(truth(project / "corpus"), [row["label"] for row in rows])
    assert f"accuracy {100 * accuracy:.2f} %" in said
    assert accuracy > 0.5


def test_without_seed_it_is_the_first_of_the_comparison(predict, tmp_path):
    assert "tones, ffdnn, seed 3:" in succeeds(predict("corpus", "--split", "test", "--out", tmp_path / "out.csv"))


def test_scoring_a_split_is_a_look_at_it_and_labelling_is_none(predict, project, tmp_path):
    store = open_store(project)
    shutil.copytree(project / "corpus" / "validation", tmp_path / "bare" / "validation")
    part = load_splits(project / "corpus", ["validation"], tmp_path)["validation"]
    shutil.rmtree(tmp_path / "bare" / "validation" / "transcript")
    succeeds(predict(tmp_path / "bare", "--out", tmp_path / "labels.csv"))
    assert store.readers(part.digest[:8]) == ()
    for _ in range(2):
        succeeds(predict("corpus", "--split", "validation", "--out", tmp_path / "labels.csv"))
    assert store.readers(part.digest[:8]) == ("tones (by `harness predict`)",)
    assert store.load_study("tones").other_readers == ()


def test_a_split_without_transcripts_gets_the_same_labels(predict, project, tmp_path):
    shutil.copytree(project / "corpus" / "test", tmp_path / "bare" / "test")
    shutil.rmtree(tmp_path / "bare" / "test" / "transcript")
    succeeds(predict("corpus", "--split", "test", "--out", tmp_path / "with.csv"))
    said = succeeds(predict(tmp_path / "bare", "--out", tmp_path / "without.csv"))
    assert labels_of(tmp_path / "without.csv") == labels_of(tmp_path / "with.csv")
    assert "precision" not in said
    assert "the feature settings are not stated by" in said


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_sound_gets_the_labels_of_the_frames_that_were_made_from_it(predict, project, tmp_path, ending):
    name = "test1-2"
    samples, rate = soundfile.read(project / "sounds" / f"{name}.wav", dtype="int16")
    soundfile.write(tmp_path / f"{name}.{ending}", samples, rate)
    succeeds(predict(tmp_path / f"{name}.{ending}", "--out", tmp_path / "sound.csv"))
    succeeds(predict("corpus", "--split", "test", "--out", tmp_path / "corpus.csv"))
    own = labels_of(tmp_path / "sound.csv")
    assert own == labels_of(tmp_path / "corpus.csv")[-len(own) :]


def test_a_folder_of_sound_is_labelled_file_by_file(predict, project, tmp_path):
    succeeds(predict("sounds", "--out", tmp_path / "sounds.csv", "--out", f"{tmp_path}/grids/"))
    succeeds(predict("corpus", "--split", "test", "--out", tmp_path / "corpus.csv"))
    assert labels_of(tmp_path / "sounds.csv") == labels_of(tmp_path / "corpus.csv")
    names = sorted(file.stem for file in (project / "sounds").iterdir())
    assert sorted(file.name for file in (tmp_path / "grids").iterdir()) == [f"{name}.TextGrid" for name in names]


def intervals(text):
    rows = re.findall(r'intervals \[\d+\]:\s+xmin = (\S+)\s+xmax = (\S+)\s+text = "(.*)"', text)
    assert f"intervals: size = {len(rows)}\n" in text
    return [(float(begin), float(end), label) for begin, end, label in rows]


def test_a_textgrid_has_the_label_of_each_frame_at_its_centre(predict, project, tmp_path):
    sound = project / "sounds" / "test0-1.wav"
    succeeds(predict(sound, "--out", tmp_path / "one.TextGrid", "--out", tmp_path / "one.csv"))
    text = (tmp_path / "one.TextGrid").read_text()
    found, expected = intervals(text), labels_of(tmp_path / "one.csv")
    assert found[0][0] == 0
    assert found[-1][1] == pytest.approx(soundfile.info(sound).duration, abs=1e-6)
    assert all(a[1] == b[0] and a[2] != b[2] for a, b in itertools.pairwise(found))
    centres = 0.0125 + 0.01 * np.arange(len(expected))
    at = [next(label for begin, end, label in found if begin <= centre < end) for centre in centres]
    assert at == expected
    assert [tuple(segment) for segment in alignments_textgrid.read(text)] == found  # as an import reads it
    assert text.count(f"xmax = {found[-1][1]:g}") == 3  # of the grid, the tier and the last interval


def test_quotes_in_a_textgrid_are_doubled():
    text = textgrid.text([("phones", np.array([0, 0, 1]), ('a"b', "c"))], np.array([0, 0.0175, 0.0275, 0.05]))
    assert '            xmax = 0.0275\n            text = "a""b"\n' in text


def test_posteriors_are_those_of_the_labels(predict, project, tmp_path):
    succeeds(predict("corpus", "--split", "test", "--out", tmp_path / "out.npz", "--out", tmp_path / "out.csv"))
    with np.load(tmp_path / "out.npz", allow_pickle=False) as found:
        names = sorted(file.stem for file in (project / "corpus/test/mfcc").iterdir())
        assert found["utterances"].tolist() == names
        assert found["lengths"].tolist() == [len(np.load(project / f"corpus/test/mfcc/{name}.npy")) for name in names]
        assert found["phonemes"][found["predicted"]].tolist() == labels_of(tmp_path / "out.csv")
        np.testing.assert_allclose(found["posteriors"].astype(np.float32).sum(axis=1), 1, atol=2e-3)
        own = np.take_along_axis(found["posteriors"], found["predicted"][:, None].astype(int), axis=1)[:, 0]
        np.testing.assert_array_equal(own, found["posteriors"].max(axis=1))


def test_an_ensemble_is_the_mean_of_the_posteriors_and_tells_its_cost(predict, project, tmp_path):
    posteriors = []
    for seed in (3, 1):
        succeeds(predict("corpus", "--split", "test", "--seed", seed, "--out", tmp_path / f"{seed}.npz"))
        with np.load(tmp_path / f"{seed}.npz") as own:
            posteriors.append(own["posteriors"].astype(np.float64))
    said = succeeds(predict("corpus", "--split", "test", "--ensemble", "--out", tmp_path / "both.npz"))
    with np.load(tmp_path / "both.npz") as file:
        both = dict(file)
    np.testing.assert_allclose(both["posteriors"], np.mean(posteriors, axis=0), atol=1e-3)
    clear = np.abs(np.diff(np.sort(np.mean(posteriors, axis=0))[:, -2:])[:, 0]) > 2e-3
    np.testing.assert_array_equal(both["predicted"][clear], np.mean(posteriors, axis=0).argmax(axis=1)[clear])
    finals = [model.result for model in model.load_all(project, "tones", "ffdnn")]
    assert f"cost: {2 * finals[0].parameters:,} parameters" in said
    accuracy = accuracy_score(truth(project / "corpus"), both["phonemes"][both["predicted"]])
    assert f"accuracy {100 * accuracy:.2f} %; each model alone: seed 3 {100 * finals[0].test.accuracy:.2f}" in said


def test_sound_needs_to_know_how_frames_were_made_and_the_corpus_may_say_it_later(predict, project, tmp_path):
    saved = [folder / "model" / "model.json" for folder in artifacts(project) if (folder / "model").exists()]
    told = {file: file.read_text() for file in saved}
    out = tmp_path / "out.csv"
    try:
        for file in told:
            file.write_text(seal(unseal(file) | {"features": None}))
        (project / "corpus" / "features.json").rename(tmp_path / "features.json")
        refused = predict("sounds/test0-1.wav", "--out", out)
        assert refused.exit_code == 2
        assert "how the frames of the model's corpus (corpus) were made is not known" in refused.stderr
        assert "say it in corpus/features.json" in refused.stderr
        shutil.copy(tmp_path / "features.json", project / "corpus")
        succeeds(predict("sounds/test0-1.wav", "--out", out))
    finally:
        shutil.copy(tmp_path / "features.json", project / "corpus")
        for file, text in told.items():
            file.write_text(text)


def other_rate(folder):
    soundfile.write(folder / "a.wav", np.zeros(16000, np.int16), 16000)
    return folder / "a.wav"


def too_short(folder):
    write_sound(folder / "a.wav", np.zeros(100))
    return folder / "a.wav"


def no_sound(folder):
    (folder / "a.wav").write_bytes(b"hello")
    return folder / "a.wav"


def another_file(folder):
    (folder / "a.txt").write_text("hello")
    return folder / "a.txt"


def one_name_twice(folder):
    for ending in ("wav", "flac"):
        soundfile.write(folder / f"a.{ending}", np.zeros(8000, np.int16), 8000)
    return folder


def corpus_of(folder, width, told=None):
    (folder / "dev" / "mfcc").mkdir(parents=True)
    np.save(folder / "dev" / "mfcc" / "a.npy", np.zeros((5, width), np.float32))
    if told:
        features.write(folder, told)
    return folder


def other_features(folder):
    return corpus_of(folder, 12, Features(rate=8000, n_coefficients=6, n_mels=26, high=3800.0, deltas=1))


def other_width(folder):
    return corpus_of(folder, 28)


def other_classes(folder):
    (folder / "phonemes.txt").write_text("x\ny\n")
    (folder / "dev" / "transcript").mkdir(parents=True)
    np.save(folder / "dev" / "transcript" / "a.npy", np.array(["x", "y", "x", "x", "x"]))
    return corpus_of(folder, 12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (other_rate, r"a\.wav: 16000 Hz; the model's corpus has 8000 Hz: sox a\.wav -r 8000 OUT\.wav"),
        (too_short, r"a\.wav: 12 ms long; a frame takes 25 ms"),
        (no_sound, r"a\.wav: not readable as sound"),
        (another_file, r"a\.txt: neither a corpus nor sound; allowed: a corpus FOLDER/SPLIT/mfcc/NAME\.npy"),
        (one_name_twice, r"two files are called a"),
        (
            other_features,
            r"feature settings differ from those of the model's training data: n_mels 26 and 20, high 3800 and 4000",
        ),
        (other_width, r"frames of 28 features; the model was trained on 12"),
        (other_classes, r"its labels are of 2 classes \(x y \.\.\.\), the model's of 40"),
        (lambda folder: folder, r"no folder SPLIT/mfcc in it, and no sound"),
        (lambda folder: folder / "nowhere", r"nowhere: no such file or folder"),
        (lambda folder: "corpus", r"corpus: which split\? Give one with --split: test, train, validation"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(predict, tmp_path, make, message):
    (tmp_path / "given").mkdir()
    refused = predict(make(tmp_path / "given"), "--out", tmp_path / "out.csv")
    assert refused.exit_code == 2
    assert re.search(message, refused.stderr), refused.stderr
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "a.json"), "--out a.json: allowed are NAME.csv, NAME.npz, NAME.TextGrid, NAME/"),
        (("--out", "a.TextGrid"), "--out a.TextGrid: 6 utterances; a folder has room for them: --out a/"),
        (
            ("--out", "a.csv", "--seed", "7"),
            "--seed 7: arm ffdnn of study tones has no such finished run; there are: 3, 1",
        ),
        (("--out", "a.csv", "--seed", "3", "--ensemble"), "--ensemble uses all seeds"),
        (("--out", "a.csv", "--arm", "fdnn"), 'Did you mean "ffdnn"? There are: ffdnn, linear'),
        (("--out", "a.csv", "--study", "tone"), 'Did you mean "tones"?'),
    ],
)
def test_what_is_asked_for_and_cannot_be_is_refused(predict, arguments, message):
    refused = predict("corpus", "--split", "test", *arguments)
    assert refused.exit_code == 2
    assert message in refused.stderr


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_a_pickle_in_place_of_the_weights_is_refused_and_not_executed(project, tmp_path):
    shutil.copytree(next(f for f in artifacts(project) if (f / "model").exists()) / "model", tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(pickle.dumps(Bomb(tmp_path / "executed")))
    with pytest.raises(UserError, match=r"no safetensors file .* nothing in it was executed"):
        saved_model.load(tmp_path / "model")
    assert not (tmp_path / "executed").exists()
    pickle.loads(weights.read_bytes())  # it would have
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.safetensors", None, "model.safetensors is not there"),
        ("model.json", None, "model.json is not there"),
        ("model.json", "{", "not readable as JSON"),
        ("model.json", {"architecture": "ffdn"}, "unknown architecture 'ffdn'; did you mean 'ffdnn'"),
        ("model.json", {"params": {"dephth": 3}}, "dephth"),
        ("model.json", {"left": 9}, "size mismatch"),
    ],
)
def test_a_saved_model_that_is_not_whole_is_refused(project, tmp_path, file, content, message):
    of_ffdnn = next(
        f / "model" for f in artifacts(project) if json.loads((f / "result/result.json").read_text())["arm"] == "ffdnn"
    )
    shutil.copytree(of_ffdnn, tmp_path / "model")
    path = tmp_path / "model" / file
    if content is None:
        path.unlink()
    elif isinstance(content, dict):
        path.write_text(seal(unseal(path) | content))
    else:
        path.write_text(content)
    with pytest.raises(UserError, match=re.escape(message)):
        saved_model.load(tmp_path / "model")
