"""The prepared view of a study: arms side by side on MLflow's own page.

MLflow 3.17's page keeps a shared view as a tag `mlflow.sharedViewState.<id>` of the experiment: JSON {name, createdAt
in ms, state}, the state being "deflate;" + base64(zlib(JSON)). The format is MLflow's own: any version may change it.
"""

import base64
import json
import time
import urllib.parse
import uuid
import zlib
from collections.abc import Mapping

from mlflow import MlflowClient

from harness.results import StudyRecord

IMAGES = {
    "confusion": "Confusion matrices, test, all seeds",
    "boundaries_calibration": "Boundaries and calibration",
    "speakers": "Accuracy of each speaker",
}
"""Pictures of an arm, KEY.png, that the charts show in a row -> the title of the row."""


def write(
    client: MlflowClient, experiment_id: str, search_id: str, record: StudyRecord, runs: Mapping[str, str]
) -> dict[str, str]:
    """The places of a study's charts and tables, which are written: title -> address, relative to the server's.

    Args:
        runs: arm -> id of its run.
    """
    _put(client, experiment_id, "arms", "Arms side by side", charts(record, runs))
    _put(client, experiment_id, "table", "Arms as a table", table(record))
    _put(client, search_id, "trials", "Trials, best first", trials(record))
    page = "#/experiments/{}/runs?workflowType=machine_learning&viewStateShareKey={}&compareRunsMode={}"
    ids = {"runs": json.dumps([*runs.values()]), "experiments": json.dumps([experiment_id])}
    return {
        "Arms side by side": page.format(experiment_id, "arms", "CHART"),
        "as a table": page.format(experiment_id, "table", "TABLE"),
        "phoneme by phoneme": page.format(experiment_id, "table", "ARTIFACT"),
        "all settings and metrics": f"#/compare-runs?{urllib.parse.urlencode(ids)}",
        "trials, best first": page.format(search_id, "trials", "TABLE"),
    }


def address(uri: str, place: str) -> str:
    """Where a browser finds a place in MLflow's pages: on the server, or on what `mlflow ui` serves."""
    server = uri if uri.startswith("http") else "http://127.0.0.1:5000"
    return f"{server.rstrip('/')}/{place}"


def table(record: StudyRecord) -> dict[str, object]:
    """The arms alone, best first, with the columns that a comparison needs."""
    metrics = ["accuracy/test", "accuracy/test_std", "accuracy/vs_baseline", "macro_f1/test", "cost/parameters"]
    columns = [_metric(name) for name in [*metrics, "cost/seconds", "cost/frames_per_second"]]
    return _state([*columns, *_searched_columns(record)], "tags.`kind` = 'arm'", "accuracy/test")


def trials(record: StudyRecord) -> dict[str, object]:
    """All trials, best first, with what was searched."""
    rung = ["tags.`rung`"] if any(trial.rung > 1 for arm in record.arms for trial in arm.trials) else []
    columns = ["tags.`arm`", *rung, "tags.`state`", _metric("accuracy/validation"), _metric("cost/seconds")]
    return _state([*columns, *_searched_columns(record)], "", "accuracy/validation")


def charts(record: StudyRecord, runs: Mapping[str, str]) -> dict[str, object]:
    """The same arms as charts: headlines, differences to the baseline, confusion matrices in a row, curves."""
    sections: list[dict[str, object]] = []
    cards: list[dict[str, object]] = []

    def section(name: str, columns: int, height: int, *of: dict[str, object]) -> None:
        own = {"uuid": str(uuid.uuid4()), "name": name, "columns": columns, "cardHeight": height}
        sections.append({**own, "display": True, "isReordered": True, "deleted": False, "isGenerated": False})
        common = {"deleted": False, "isGenerated": False, "runsCountToCompare": 10, "metricSectionId": own["uuid"]}
        cards.extend({**common, "uuid": str(uuid.uuid4()), **card} for card in of)

    bars = ["accuracy/test", "macro_f1/test", "accuracy_without_silence/test"]
    section("Test, mean over seeds, percent", 3, 320, *map(_bar, bars))
    rows = -(-len(record.arms) // 3)  # on a screen 1,600 pixels wide
    for key, title in IMAGES.items():
        images = {"type": "IMAGE", "imageKeys": [key], "step": 0, "showRunParams": False}
        section(title, 1, 150 + 290 * rows, images)
    difference = {
        "type": "DIFFERENCE",
        "compareGroups": ["Model metrics", "Parameters"],
        "chartName": "Difference to the baseline",
        "showChangeFromBaseline": True,
        "showDifferencesOnly": True,
        "baselineColumnUuid": runs.get(record.baseline or "", ""),
    }
    section("Difference to the baseline", 1, 600, difference)
    section(
        "Learning curves, mean over seeds",
        2,
        360,
        *(
            _line(f"epochs/{name}")
            for name in ("validation_accuracy", "validation_loss", "train_accuracy", "train_loss")
        ),
    )
    section("Cost", 3, 320, *map(_bar, ["cost/parameters", "cost/seconds", "cost/frames_per_second"]))
    return {**table(record), "compareRunsMode": "CHART", "compareRunCharts": cards, "compareRunSections": sections}


def _metric(name: str) -> str:
    return f"metrics.`{name}`"


def _searched_columns(record: StudyRecord) -> list[str]:
    return [f"params.`{name}`" for name in sorted({key for arm in record.arms for key in arm.chosen})]


def _state(columns: list[str], query: str, by: str) -> dict[str, object]:
    """The table page's state: these columns, the runs that answer the query, best of a metric first."""
    return {
        "compareRunsMode": "TABLE",
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": {column: 40 + 4 * len(column) for column in columns},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "FIRST_10_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": True,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "autoRefreshEnabled": True,
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
        "searchFilter": query,
        "orderByKey": _metric(by),
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
    }


def _bar(metric: str) -> dict[str, object]:
    return {"type": "BAR", "metricKey": metric, "displayName": metric}


def _line(metric: str) -> dict[str, object]:
    return {
        "type": "LINE",
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "lineSmoothness": 0,
        "scaleType": "linear",
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "selectedXAxisMetricKey": "",
        "displayName": metric,
    }


def _put(client: MlflowClient, experiment_id: str, key: str, name: str, state: Mapping[str, object]) -> None:
    deflated = "deflate;" + base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()
    value = json.dumps({"name": name, "createdAt": int(time.time() * 1000), "state": deflated})
    client.set_experiment_tag(experiment_id, f"mlflow.sharedViewState.{key}", value)
