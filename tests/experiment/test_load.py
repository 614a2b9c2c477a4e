"""The experiment file: what is refused and in which words, what comes out, and where a mistake is placed."""

import json
import subprocess
import tomllib
from pathlib import Path

import pytest
from torch import Tensor, nn

import architectures
from harness.errors import UserError
from harness.experiment.experiment import Experiment, changes
from harness.experiment.load import load
from harness.experiment.mistakes import places
from harness.experiment.ranges import Range
from harness.settings import Data, Settings, SpeakerFraction, Synthetic, Training


def _experiments() -> list[Path]:
    """The project's own; not what a user keeps beside them, half written perhaps."""
    folder = Path(__file__).parents[2] / "experiments"
    listed = subprocess.run(["git", "ls-files", "*.toml"], cwd=folder, capture_output=True, text=True)
    return sorted(folder / name for name in listed.stdout.split()) or sorted(folder.glob("*.toml"))


EXPERIMENTS = _experiments()

HEAD = 'question = "q"\nstudy = "s"\narms.a.architecture = "ffdnn"\n'
"""Lines 1 to 3 of the files in refusals.txt and of most below: one arm, nothing searched."""

DESIGN = """\
question = "Does a linear path around each layer help a frame classifier?"
study    = "ladnn"

[data]
corpus  = "synthetic"
context = { int = [3, 15] }                 # searched

[training]
epochs          = 8
batch_size      = 4096
learning_rate   = { log = [1e-4, 1e-2] }
label_smoothing = { float = [0.0, 0.2] }

[arms.ladnn]
architecture = "ladnn"
params.depth = { int = [2, 8] }
params.width = { choice = [256, 512] }

[arms.ffdnn]
architecture = "ffdnn"
params.depth = { int = [2, 8] }
params.width = { choice = [256, 512] }
training.weight_decay = 1e-5
data.normalisation = "frame"

[search]
trials = 20

[comparison]
baseline = "ffdnn"
seeds    = [0, 1, 2, 3, 4]
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loaded(text: str, *overrides: str, name: str = "x.toml") -> Experiment:
    Path(name).write_text(text)
    return load(name, overrides)


def refused(text: str, *overrides: str) -> list[str]:
    with pytest.raises(UserError) as error:
        loaded(text, *overrides)
    return str(error.value).split("\n")


NAME = "is not a name: 1 to 60 of A-Z a-z 0-9 _ - . with a letter or digit first"


def refusals() -> list[tuple[str, list[str]]]:
    """The blocks of refusals.txt: what follows `HEAD` in the file, and the lines that it is refused with."""
    text = Path(__file__).with_name("refusals.txt").read_text()
    text = text.replace("{architectures}", ", ".join(json.dumps(name) for name in architectures.names()))
    for name in ("ffdnn", "linear"):
        keys = [*architectures.parameters_of(name), "parameters"]
        text = text.replace(f"{{parameters of {name}}}", ", ".join(keys))
    blocks = [block.split("\n") for block in text.strip().split("\n\n") if not block.startswith("==")]
    return [
        (
            "\n".join(line for line in block if not line.startswith("! ")),
            [f"x.toml:{line.removeprefix('! ')}" for line in block if line.startswith("! ")],
        )
        for block in blocks
    ]


@pytest.mark.parametrize(("text", "lines"), refusals())
def test_a_mistake_is_refused_in_these_words(text: str, lines: list[str]) -> None:
    assert refused(f"{HEAD}{text}\n") == lines


def test_question_study_and_arms_are_needed() -> None:
    assert refused("") == [
        "x.toml:1:1: arms: missing; it must be a table",
        "x.toml:1:1: question: missing; it must be text",
        "x.toml:1:1: study: missing; it must be text",
    ]
    assert refused('question = " "\nstudy = "a/b"\n[arms]\n') == [
        "x.toml:1:1: question: empty; state the question that the comparison answers",
        f'x.toml:2:1: study: "a/b" {NAME}',
        "x.toml:3:2: arms: empty; an experiment needs at least one arm: [arms.NAME]",
    ]


def test_all_mistakes_are_found_at_once_and_none_that_follows_from_another() -> None:
    lines = refused(
        """\
question = "q"
study = "s s"
[data]
context = { int = [3, 300] }
validation = 3
[training]
epochs = "eight"
schedule = "stepp"
factor = 0.5
learning_rate = { lag = [1e-4, 1e-2] }
[arms.a]
architecture = "ladn"
params.anything = 1
[arms.b]
architecture = "ffdnn"
params.depth = { int = [0, 8] }
params.widht = 3
[search]
trials = 5000
epochs = 9
sampler = "grid"
[comparison]
baseline = "c"
""",
        "training.keep=lst",
    )
    assert [":".join(line.split(": ")[:2]) for line in lines] == [
        "x.toml:2:1:study",
        "x.toml:4:1:data.context",
        "x.toml:5:1:data.validation",
        "x.toml:7:1:training.epochs",
        "x.toml:8:1:training.schedule",
        "x.toml:10:1:training.learning_rate",
        "x.toml:12:1:arms.a.architecture",
        "x.toml:16:8:arms.b.params.depth",
        "x.toml:17:8:arms.b.params.widht",
        "x.toml:23:1:comparison.baseline",
        '--set training.keep:"lst" is not allowed; did you mean "last"? it must be one of "best", "last"',
    ]


def test_a_file_that_cannot_be_read_is_refused() -> None:
    Path("smoke.toml").write_text(HEAD)
    Path("latin.toml").write_bytes(b'question = "\xe9"')
    Path("folder").mkdir()
    for path, message in {
        "smok.toml": "smok.toml: no such file; did you mean smoke.toml?",
        "elsewhere.toml": "elsewhere.toml: no such file",
        "none/smoke.toml": "none/smoke.toml: there is no folder none",
        "folder": "folder: this is a folder; give an experiment file, a .toml",
        "latin.toml": "latin.toml: not a text file in UTF-8 (byte 13)",
    }.items():
        with pytest.raises(UserError) as error:
            load(path)
        assert str(error.value) == message


class Fussy(nn.Module):
    """Refuses some widths, and computes wrong shapes with others."""

    def __init__(self, window: int, d_features: int, n_classes: int, *, width: int = 1) -> None:
        super().__init__()
        if width == 13:
            raise ValueError("13 brings bad luck")
        self.output = nn.Linear(window * d_features + (width == 14), n_classes)

    def forward(self, windows: Tensor) -> Tensor:
        return self.output(windows.flatten(1))


@pytest.mark.parametrize(
    ("width", "message"),
    [
        ("13", "13 brings bad luck"),
        ("{ choice = [1, 13, 2] }", "13 brings bad luck (at params.width = 13)"),
        ("{ int = [1, 13] }", "13 brings bad luck (at params.width = 13)"),
        ("14", "a and b must have same reduction dim, but got [2, 420] X [421, 40]"),
    ],
)
def test_shapes_are_checked_at_the_ends_of_every_range(
    width: str, message: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(lambda: architectures.unregister("fussy"))
    monkeypatch.setattr(Fussy, "__module__", "architectures.fussy")
    architectures.register(Fussy)
    searched = "search.trials = 2\n" if "{" in width else ""
    text = f'question = "q"\nstudy = "s"\n{searched}[arms.f]\narchitecture = "fussy"\nparams.width = {width}\n'
    assert refused(text)[0].startswith(f"x.toml:{4 if searched else 3}:7: arms.f: {message}")


@pytest.mark.parametrize("architecture", architectures.names())
def test_every_architecture_is_an_arm_without_more(architecture: str) -> None:
    arm = loaded(f'question = "q"\nstudy = "s"\narms.x.architecture = "{architecture}"\n').arms["x"]
    has_changed = architectures.first_defaults(architecture)["init"] != "preserving"
    params = {"init": "preserving"} if has_changed else {}
    assert arm.settings({}) == Settings(architecture, params, Data(synthetic=Synthetic()), Training())


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
def test_every_experiment_file_of_the_project_is_right(path: Path) -> None:
    assert load(path).arms


def test_an_experiment_is_resolved() -> None:
    experiment = loaded(DESIGN)
    assert list(experiment.arms) == ["ladnn", "ffdnn"]
    assert experiment.search
    assert (experiment.search.trials, experiment.search.epochs, experiment.search.sampler) == (20, 8, "tpe")
    assert (experiment.comparison.baseline, experiment.comparison.seeds) == ("ffdnn", (0, 1, 2, 3, 4))
    assert experiment.data == Data(synthetic=Synthetic(), context=3)
    assert experiment.widest_context == (15, 15)
    assert experiment.notes == ()
    assert experiment.text == DESIGN
    arm = experiment.arms["ffdnn"]
    assert {key: str(found) for key, found in arm.ranges.items()} == {
        "data.context": "3 to 15",
        "training.learning_rate": "1e-4 to 1e-2, log",
        "training.label_smoothing": "0.0 to 0.2",
        "params.depth": "2 to 8",
        "params.width": "256 | 512",
    }
    values = {"data.context": 5, "training.learning_rate": 2e-3, "training.label_smoothing": 0.1, "params.depth": 3}
    settings = arm.settings(values | {"params.width": 512})
    assert settings == Settings(
        "ffdnn",
        {"depth": 3, "width": 512, "init": "preserving"},
        Data(synthetic=Synthetic(), context=5, normalisation="frame"),
        Training(learning_rate=2e-3, label_smoothing=0.1, weight_decay=1e-5),
    )
    with pytest.raises(ValueError, match=r"params\.width"):
        arm.settings(values)
    low, high = arm.ends()
    assert (low.data.context, low.params) == (3, {"depth": 2, "width": 256, "init": "preserving"})
    assert (high.data.context, high.params) == (15, {"depth": 8, "width": 512, "init": "preserving"})
    assert experiment.arms["ladnn"].ends()[0].data.normalisation == "utterance"


def test_a_file_with_the_least_has_the_defaults() -> None:
    experiment = loaded(HEAD)
    assert (experiment.search, experiment.comparison.baseline, experiment.comparison.seeds) == (None, None, (0, 1, 2))
    assert (experiment.data, experiment.training) == (Data(synthetic=Synthetic()), Training())
    assert loaded(f'{HEAD}arms.b.architecture = "linear"').comparison.baseline == "a"


def test_values_have_the_types_of_their_annotations() -> None:
    experiment = loaded(
        f"{HEAD}data.context = [10, 5]\ndata.validation = {{ speakers = 0.1 }}\ndata.synthetic.minutes = 3\n"
        "training.weight_decay = 0\narms.a.params.widths = [8, 4]\n"
    )
    assert experiment.data.context == (10, 5)
    assert experiment.data.validation == SpeakerFraction(0.1)
    assert experiment.data.synthetic == Synthetic(minutes=3.0)
    assert type(experiment.training.weight_decay) is float
    assert experiment.arms["a"].settings({}).params == {"widths": (8, 4), "init": "preserving"}


def test_a_choice_of_lists_is_a_choice_of_contexts() -> None:
    experiment = loaded(f"{HEAD}data.context = {{ choice = [4, [20, 5], [3, 9]] }}\nsearch.trials = 3\n")
    assert experiment.widest_context == (20, 9)
    assert experiment.arms["a"].ranges["data.context"].choices == (4, (20, 5), (3, 9))
    assert experiment.arms["a"].settings({"data.context": [20, 5]}).data.context == (20, 5)


def test_an_arm_may_search_what_is_fixed_for_the_others_and_the_other_way_round() -> None:
    experiment = loaded(
        f"{HEAD}search.trials = 2\ntraining.clip_norm = {{ float = [0, 1] }}\narms.a.training.clip_norm = 2\n"
        'arms.a.data.context = { int = [1, 9] }\narms.b.architecture = "linear"\n'
    )
    assert list(experiment.arms["a"].ranges) == ["data.context"]
    assert list(experiment.arms["b"].ranges) == ["training.clip_norm"]
    assert experiment.arms["a"].settings({"data.context": 2}).training.clip_norm == 2
    assert experiment.widest_context == (9, 9)


@pytest.mark.parametrize(
    "text",
    [
        "training.early_stopping = 100",
        'training.schedule = { choice = ["cosine", "step"] }\ntraining.factor = 0.5\nsearch.trials = 2',
        'training.factor = 0.5\narms.b = { architecture = "ladnn", training.schedule = "plateau" }',
        "arms.a.params.depth = { int = [2, 4] }\nsearch.trials = 3",
        'arms.a.params.dropout = { float = [0, 0.2], step = 0.1 }\nsearch = { trials = 3, sampler = "grid" }',
        "arms.a.params.width = { log = [16, 512] }\nsearch.trials = 3",
    ],
)
def test_what_has_an_effect_is_allowed(text: str) -> None:
    assert loaded(f"{HEAD}{text}\n")


def test_one_split_for_validation_and_test_is_noted() -> None:
    text = f'{HEAD}data = {{ corpus = "c", validation = "dev", test = "dev" }}\n'
    assert loaded(text).notes == ("validation and test are the same split (dev): the kept epoch was chosen on it",)
    assert loaded(text, "training.keep=last").notes == ("validation and test are the same split (dev)",)


def test_overrides_are_toml_or_else_text() -> None:
    experiment = loaded(
        DESIGN,
        "data.corpus=/data/hw1 p2",
        "training.epochs=2",
        "arms.ladnn.params.depth={int=[3,4]}",
        'arms."ffdnn".training.weight_decay = 0.5',
        "data.context=[2, 1]",
        "comparison.seeds=[7]",
    )
    assert experiment.data.corpus == "/data/hw1 p2"
    assert (experiment.training.epochs, experiment.data.context) == (2, (2, 1))
    assert str(experiment.arms["ladnn"].ranges["params.depth"]) == "3 to 4"
    assert experiment.arms["ffdnn"].fixed["training.weight_decay"] == 0.5
    assert experiment.comparison.seeds == (7,)
    assert experiment.text.startswith(DESIGN)
    assert experiment.text.removeprefix(DESIGN).split("\n")[1] == "# --set training.epochs=2"
    assert tomllib.loads(experiment.text) == tomllib.loads(DESIGN)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("training.epochs=0", "--set training.epochs: 0 is not allowed; it must lie in [1, inf)"),
        ("training.epochs=two", '--set training.epochs: "two" is not allowed; it must be an integer in [1, inf)'),
        (
            "training={epochs=0}",
            "--set training: training.epochs: 0 is not allowed; it must lie in [1, inf)",
        ),
        ("study.name=x", '--set study.name: study is not a table, it is "s"'),
        (
            "comparison.sedes=[1]",
            "--set comparison.sedes: unknown key 'sedes'; did you mean 'seeds'? "
            "allowed: baseline, seeds, searches, unit, level, resamples, match, pairs, mute, looks, margin",
        ),
        ("training.epochs", "--set training.epochs: give KEY=VALUE, such as training.epochs=2"),
        ("=2", "--set =2: give KEY=VALUE, such as training.epochs=2"),
    ],
)
def test_a_wrong_override_is_refused_with_itself_as_the_place(override: str, line: str) -> None:
    assert refused(HEAD, override) == [line]


def test_an_override_of_the_last_range_says_what_it_does_to_the_search() -> None:
    text = f"{HEAD}search.trials = 2\narms.a.params.depth = {{ int = [2, 4] }}\n"
    assert refused(text, "arms.a.params.depth=4") == [
        "--set arms.a.params.depth: this leaves no range, so [search] has no effect; remove it from the file"
    ]


def test_without_a_margin_a_study_from_before_there_was_one_goes_on() -> None:
    assert "comparison.margin" not in loaded(HEAD).canonical()
    assert loaded(f"{HEAD}comparison.margin = 0.005\n").canonical()["comparison.margin"] == 0.005


@pytest.mark.parametrize(("architecture", "first"), [("ffdnn", "kaiming"), ("linear", "pytorch")])
def test_a_study_from_before_its_default_changed_is_another(architecture: str, first: str) -> None:
    head = f'question = "q"\nstudy = "s"\narms.a.architecture = "{architecture}"\n'
    now, before = loaded(head), loaded(f'{head}arms.a.params.init = "{first}"\n')
    assert "arms.a.params.init" not in before.canonical()  # as it was when nobody could say otherwise
    assert now.canonical() == before.canonical() | {"arms.a.params.init": "preserving"}
    assert now.changes_since(before.canonical()) == [f"arms.a.params.init: {first} -> preserving"]
    assert before.changes_since(now.canonical()) == [f"arms.a.params.init: preserving -> {first}"]
    assert before.changes_since(before.canonical()) == now.changes_since(now.canonical()) == []
    assert now.arms["a"].settings({}).params["init"] == "preserving"  # and every record says so


def test_the_canonical_form_does_not_depend_on_how_the_file_is_written() -> None:
    reordered = """\
study = "another"
question = "Another?"
[comparison]
seeds = [4, 3, 2, 1, 0]
level = 0.95
baseline = "ffdnn"
[search]
trials = 20
epochs = 8
[arms.ffdnn]
data.normalisation = "frame"
training = { weight_decay = 0.00001 }
params = { width = { choice = [256, 512] }, depth = { int = [2, 8] }, dropout = 0 }
architecture = "ffdnn"
[arms.ladnn]
architecture = "ladnn"
params.width = { choice = [256, 512] }
params.depth = { int = [2, 8] }
[training]
label_smoothing = { float = [0, 0.2] }
learning_rate = { log = [0.0001, 0.01] }
[data]
context = { int = [3, 15] }
synthetic.minutes = 20
"""
    canonical = loaded(DESIGN).canonical()
    assert loaded(reordered).canonical() == canonical
    assert json.loads(json.dumps(canonical)) == canonical
    assert canonical["arms.ffdnn.training.weight_decay"] == 1e-5
    assert canonical["training.weight_decay"] == 0.0
    assert "arms.ladnn.training.weight_decay" not in canonical


def test_changes_read_as_a_list_of_settings() -> None:
    old = loaded(DESIGN).canonical()
    new = loaded(
        DESIGN,
        "training.epochs=10",
        "data.context=[5, 3]",
        "arms.ffdnn.params.depth=5",
        "arms.ladnn.params.norm=layer",
        "data.validation={speakers=0.1}",
    ).canonical()
    assert changes(old, old) == []
    assert changes(old, new) == [
        "arms.ffdnn.params.depth: 2 to 8 -> 5",
        "arms.ladnn.params.norm: (none) -> layer",
        "data.context: 3 to 15 -> [5, 3]",
        "data.validation: validation -> (none)",
        "data.validation.speakers: (none) -> 0.1",
        "search.epochs: 8 -> 10",
        "training.epochs: 8 -> 10",
    ]


@pytest.mark.parametrize(
    ("found", "text", "values"),
    [
        (Range("int", 2, 8), "2 to 8", (2, 3, 4, 5, 6, 7, 8)),
        (Range("int", 2, 8, 3), "2 to 8, step 3", (2, 5, 8)),
        (Range("float", 0.0, 0.3, 0.1), "0.0 to 0.3, step 0.1", (0.0, 0.1, 0.2, 0.3)),
        (Range("log", 3, 5), "3 to 5, log", (3, 4, 5)),
        (Range("choice", choices=("adam", 2, (1, 2), True)), "adam | 2 | [1, 2] | true", ("adam", 2, (1, 2), True)),
        (Range("float", 0.0, 0.25), "0.0 to 0.25", None),
        (Range("log", 2.5e-5, 0.5), "2.5e-5 to 0.5, log", None),
        (Range("log", 1e-4, 100.0), "1e-4 to 100.0, log", None),
    ],
)
def test_a_range_can_be_read_and_counted(found: Range, text: str, values: tuple[object, ...] | None) -> None:
    assert str(found) == text
    if values is None:
        assert found.size() is None
        with pytest.raises(ValueError, match="no step"):
            found.values()
    else:
        assert (found.size(), found.values()) == (len(values), values)


TRICKY = '''\
# a comment with = and [x]
top = 1   # "not a string
"quoted.key" = "a = # [b]"
'literal' = 'c:\\no\\escape"'
a.b . "c d".e = { x = 1, y.z = [ 1, { w = 2 } ], "q\\"r" = '}' } # }
[ tbl . sub ]
array = [ # comment ]
  1,
  "two, ]",   # more
  [3, [4]],
]
multi = """
[fake]
key = 1 \\""" still
""""
after = 1979-05-27 07:32:00
[[list]]
name = \'\'\'
[x]
y = 2\'\'\'\'
[[list]]
name = 3
[list.inner]
deep = inf
[tbl]
"\\u00e9" = true
'''


def test_every_key_and_item_of_a_tricky_file_has_its_place() -> None:
    assert places(TRICKY) == places(TRICKY.replace("\n", "\r\n")) == {
        ("top",): (2, 1),
        ("quoted.key",): (3, 1),
        ("literal",): (4, 1),
        ("a",): (5, 1),
        ("a", "b"): (5, 3),
        ("a", "b", "c d"): (5, 7),
        ("a", "b", "c d", "e"): (5, 13),
        ("a", "b", "c d", "e", "x"): (5, 19),
        ("a", "b", "c d", "e", "y"): (5, 26),
        ("a", "b", "c d", "e", "y", "z"): (5, 28),
        ("a", "b", "c d", "e", "y", "z", 0): (5, 34),
        ("a", "b", "c d", "e", "y", "z", 1): (5, 37),
        ("a", "b", "c d", "e", "y", "z", 1, "w"): (5, 39),
        ("a", "b", "c d", "e", 'q"r'): (5, 50),
        ("tbl",): (6, 3),
        ("tbl", "sub"): (6, 9),
        ("tbl", "sub", "array"): (7, 1),
        ("tbl", "sub", "array", 0): (8, 3),
        ("tbl", "sub", "array", 1): (9, 3),
        ("tbl", "sub", "array", 2): (10, 3),
        ("tbl", "sub", "array", 2, 0): (10, 4),
        ("tbl", "sub", "array", 2, 1): (10, 7),
        ("tbl", "sub", "array", 2, 1, 0): (10, 8),
        ("tbl", "sub", "multi"): (12, 1),
        ("tbl", "sub", "after"): (16, 1),
        ("list",): (17, 3),
        ("list", 0): (17, 3),
        ("list", 0, "name"): (18, 1),
        ("list", 1): (21, 3),
        ("list", 1, "name"): (22, 1),
        ("list", 1, "inner"): (23, 7),
        ("list", 1, "inner", "deep"): (24, 1),
        ("tbl", "é"): (26, 1),
    }  # fmt: skip


@pytest.mark.parametrize("text", [TRICKY, DESIGN, *(path.read_text() for path in EXPERIMENTS)])
def test_the_places_are_those_of_the_keys_that_tomllib_finds(text: str) -> None:
    def paths(node: object, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        return {path} - {()} | {p for key, value in items for p in paths(value, (*path, key))}

    assert places(text).keys() == paths(tomllib.loads(text))
