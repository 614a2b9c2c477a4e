"""The notebook is run as it stands, but for its corpus, in a folder that holds nothing else."""

import os
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.command import ENVIRONMENT, ROOT
from tests.small_corpus import write_project

CORPUS = 'corpus = "synthetic"'
SIZES = "\n[data.synthetic]\nminutes = 10\n"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what starts a kernel
def test_the_notebook_runs_and_shows_what_it_promises(tmp_path, monkeypatch):
    write_project(tmp_path, {}, n_train=3, n_held=2)
    notebook = nbformat.read(ROOT / "notebooks" / "quickstart.ipynb", as_version=4)
    for cell in notebook.cells:
        assert cell.source.count(SIZES) == cell.source.count(CORPUS)
        cell.source = cell.source.replace(CORPUS, 'corpus = "corpus"').replace(SIZES, "")
        cell.source = cell.source.replace("predict synthetic", "predict corpus")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # as if activated
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    ran = next(shown for source, shown in outputs.items() if "harness.run" in source)
    bars = [shown["data"]["text/html"] for shown in ran if shown.output_type == "display_data"]
    assert len(bars) == 1, "one bar, drawn in place"
    assert bars[0].endswith("done</code>")
    assert "Does it help if the input skips to the output?" in ran[-1]["data"]["text/html"]
    assert "application/vnd.plotly.v1+json" in outputs['study.figure("differences")'][0]["data"]
    assert (tmp_path / "skipping.html").exists()
    assert (tmp_path / "skipping.onnx").exists()
    assert (tmp_path / "submission.csv").read_text().startswith("id,label\n0,")
    assert not [shown for cells in outputs.values() for shown in cells if shown.get("name") == "stderr"]
