"""Imports point down only, and each heavy library has one importer."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ORDER = """
architectures harness harness.errors harness.settings harness.results harness.processes harness.corpora.phones
harness.corpora.mfcc harness.corpora.features
harness.corpora.audio
harness.corpora.alignments.segments harness.corpora.alignments.columns harness.corpora.alignments.textgrid
harness.corpora.alignments.ctm harness.corpora.alignments harness.corpora.spelling harness.corpora.phone_table
harness.corpora.destination harness.corpora.import_plan harness.corpora.unfinished harness.corpora.importing
harness.corpora.speaker_splits harness.corpora.timit harness.corpora.librispeech harness.corpora.folder
harness.corpora.espeak_process harness.corpora.espeak harness.corpora.espeak_phones
harness.corpora.voices harness.corpora.augment harness.corpora.synthetic harness.corpora.synthesis
harness.corpora.store
harness.corpora.recordings
harness.corpora.hw1p2 harness.corpora.inventory harness.corpora.soundness
harness.corpora.archive harness.corpora.kaggle_client harness.corpora.competition harness.corpora.data_lines
harness.corpora
harness.toml_places harness.mistakes harness.ranges harness.schema harness.claims
harness.matching harness.experiment harness.rungs harness.sweep harness.sizes harness.rules harness.config
harness.normalisation harness.windows
harness.streaming harness.data harness.masking harness.device harness.precision harness.capture harness.checkpoint
harness.evaluate harness.diagnostics harness.train harness.together harness.saved_model harness.run
harness.here harness.batched harness.worker harness.workers harness.provenance
harness.metrics harness.calibration harness.boundaries harness.segments harness.stats harness.superiority
harness.confused harness.effort harness.learning_speed harness.evidence harness.study harness.pictures
harness.arm_pictures harness.mlflow_entries harness.mlflow_refusals
harness.mlflow_studies harness.mlflow_runs harness.mlflow_views harness.recording harness.tracking harness.workspace
harness.report.wording harness.progress harness.report.kept
harness.report.search_effort harness.report.sweep
harness.report.arms harness.report.pairs
harness.report.details harness.report.claim_words harness.report.claims harness.report.compare harness.report.caveats
harness.report.joining harness.screen harness.report.tables harness.report.narrow harness.report.terminal_all
harness.report.terminal_sweep harness.report.terminal harness.report.pasted harness.report.markdown
harness.report.latex
harness.report.disagreements harness.report.disagreement_table
harness.report.figures harness.report.markup harness.report.verdicts harness.report.sections.matrices
harness.report.sections.arms harness.report.sections.differences harness.report.sections.phonemes
harness.report.sections.confusions harness.report.sections.boundaries harness.report.sections.speakers
harness.report.sections.calibration harness.report.sections.claims harness.report.sections.learning
harness.report.sections.layers
harness.report.sections.budget
harness.report.sections.search harness.report.sections.sweep
harness.report.sections.making harness.report.sections harness.report.html
harness.report.files harness.report harness.conduct harness.planning harness.finished harness.listing
harness.bench_usual harness.bench_reading harness.bench harness.bench_table
harness.inventory_table harness.made_table
harness.import_table harness.cli_import
harness.cli_data
harness.trained harness.source harness.predict harness.textgrid harness.outputs harness.prediction_table
harness.export harness.disagreement_files
harness.cli_report harness.cli_models harness.cli
""".split()  # noqa: SIM905
"""Bottom to top: a module may import those before it."""

ONE_IMPORTER = {
    "mlflow": {"harness.tracking"},
    "optuna": {"harness.study"},
    "rich": {"harness.screen"},
    "plotly": {"harness.report.figures"},
    "onnxruntime": {"harness.export"},
    "soundfile": {"harness.corpora.audio"},
    "pydantic": {"harness.schema"},
    "kaggle": {"harness.corpora.kaggle_client"},
    "rapidfuzz": {"harness.segments"},
    "click": {"harness.cli", "harness.cli_data", "harness.cli_import", "harness.cli_models", "harness.cli_report"},
}


def module_name(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(file): file for file in sorted((ROOT / "harness").rglob("*.py"))}


def imported(file):
    """Every module that a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (names & FILES.keys()) or {node.module}


def test_every_module_has_its_place_in_the_order():
    assert set(FILES) == set(ORDER) - {"architectures"}


@pytest.mark.parametrize("name", FILES)
def test_a_module_imports_only_what_lies_below_it(name):
    own = [module for module in imported(FILES[name]) if module.partition(".")[0] in ("harness", "architectures")]
    above = [m for m in own if ORDER.index(m if m in ORDER else m.partition(".")[0]) >= ORDER.index(name)]
    assert not above


def test_the_architectures_know_nothing_of_the_harness():
    for file in (ROOT / "architectures").glob("*.py"):
        assert not [m for m in imported(file) if m.startswith("harness")], file


@pytest.mark.parametrize("library", ONE_IMPORTER)
def test_a_library_is_imported_in_one_place(library):
    importers = {name for name, file in FILES.items() if any(m.partition(".")[0] == library for m in imported(file))}
    assert importers == ONE_IMPORTER[library]


@pytest.mark.parametrize("module", ["harness.run", "harness.bench"])
def test_training_and_bench_need_neither_tracker_nor_search(module):
    """They must run where only torch, numpy and scipy are, such as a borrowed GPU machine."""
    unwanted = {"mlflow", "optuna", "pydantic", "safetensors", "click", "rich", "plotly", "pandas"}
    code = f"import sys, {module}; found = {unwanted} & set(sys.modules); assert not found, found"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_is_called_by_a_name_that_says_nothing():
    assert not {"utils", "common", "base", "helpers", "manager"} & {name.rpartition(".")[2] for name in FILES}
