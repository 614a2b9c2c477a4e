"""The prepared view of a study, in the store and on the pages of real MLflow servers."""

import base64
import json
import re
import urllib.request
import zlib
from collections.abc import Iterator

import numpy as np
import pytest

from harness.comparison.compare import compare
from harness.tracking import views
from harness.tracking.store import Store, open_store
from tests.browser import CHROMIUM, Browser
from tests.mlflow_server import serving
from tests.records import comparison_json
from tests.studies import begin, copy_project, finish, runs, write

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop


def view(store: Store, experiment: str, key: str) -> dict:
    tag = json.loads(store.client.get_experiment_by_name(experiment).tags[f"mlflow.sharedViewState.{key}"])
    return json.loads(zlib.decompress(base64.b64decode(tag["state"].removeprefix("deflate;"))))


def test_the_view_names_what_the_arms_have(written, record):
    store, _ = written
    arm = runs(store, "ladnn", "arm")["ladnn"].data
    state = view(store, "ladnn", "arms")
    keys = [chart["metricKey"] for chart in state["compareRunCharts"] if "metricKey" in chart]
    assert len(keys) == 10
    assert set(keys) <= set(arm.metrics)
    baselines = [chart.get("baselineColumnUuid") for chart in state["compareRunCharts"]]
    assert runs(store, "ladnn", "arm")["ffdnn"].info.run_id in baselines
    columns = {f"metrics.`{key}`" for key in arm.metrics} | {f"params.`{key}`" for key in arm.params}
    assert set(view(store, "ladnn", "table")["selectedColumns"]) <= columns
    trial = runs(store, "ladnn/search", "trial")["ladnn trial 0"].data
    columns = {f"{kind}.`{key}`" for kind in ("metrics", "params", "tags") for key in getattr(trial, kind)}
    assert set(view(store, "ladnn/search", "trials")["selectedColumns"]) <= columns


def test_the_study_says_question_verdicts_and_links(written, record, comparison):
    store, link = written
    note = store.client.get_experiment_by_name("ladnn").tags["mlflow.note.content"]
    assert note.startswith(f"**{record.question}** {comparison.verdicts[0]}")
    assert f"]({link.removeprefix('http://127.0.0.1:5000/')})" in note
    assert "viewStateShareKey=arms&compareRunsMode=CHART" in link


def test_a_view_that_cannot_be_written_fails_no_study(tmp_path, project_of_arms, small, monkeypatch):
    store = open_store(copy_project(project_of_arms, tmp_path / "project"))
    monkeypatch.setattr(views, "charts", lambda *_: 1 / 0)
    with pytest.warns(UserWarning, match="prepared view could not be written: division by zero"):
        link = finish(begin(store, small), small)
    assert re.fullmatch(r"http://127\.0\.0\.1:5000/#/experiments/\d+/runs\?workflowType=machine_learning", link)
    assert comparison_json(store.load_study("ladnn")) == comparison_json(small)


@pytest.fixture
def server(request, root) -> Iterator[str]:
    """The address of a running `mlflow ARGUMENTS` in the project's folder."""
    with serving(root, *request.param) as address:
        yield address


@pytest.mark.slow
@pytest.mark.parametrize("server", [("server", "--backend-store-uri", "sqlite:///server.db")], indirect=True)
def test_a_server_keeps_and_gives_back_a_whole_study(server, small, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    link = write(open_store(tmp_path / "client"), small)
    assert link.startswith(f"{server}/#/experiments/")
    assert not (tmp_path / "client").exists()
    assert comparison_json(open_store(tmp_path / "client").load_study("ladnn")) == comparison_json(small)


@pytest.mark.slow
@pytest.mark.parametrize("server", [("ui",)], indirect=True)
def test_a_bare_mlflow_ui_shows_the_arms_side_by_side(server, root, small):
    link = write(open_store(root), small)
    run_id = runs(open_store(root), "ladnn", "arm")["ladnn"].info.run_id
    with urllib.request.urlopen(f"{server}/get-artifact?path=confusion.png&run_uuid={run_id}") as answer:
        assert answer.read(8) == b"\x89PNG\r\n\x1a\n"
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    words = (small.question, "Arms side by side", "Learning curves, mean over seeds", *views.IMAGES.values())
    accuracy = np.mean([100 * final.test.accuracy for final in small.arms[0].finals])
    with Browser() as browser:
        browser.size(1600, 4000)
        browser.open(link.replace("http://127.0.0.1:5000", server), seconds=120)
        browser.wait(f"{json.dumps(words)}.every(word => document.body.innerText.includes(word))", seconds=60)
        browser.wait(
            'document.querySelectorAll(\'img[src*="get-artifact"], img[src^="blob:"]\').length >= 6', seconds=60
        )
        table = link.replace("http://127.0.0.1:5000", server).replace("=arms", "=table").replace("=CHART", "=TABLE")
        browser.open(table, seconds=120)
        browser.wait(f"document.body.innerText.includes('{str(accuracy)[:7]}')", seconds=60)  # it shows all digits
        assert compare(small).verdicts[0] in browser.ask("document.body.innerText")
