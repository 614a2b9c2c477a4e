"""MLflow: where every run is stored, and all that a report reads. The only package that imports mlflow.

A study is an experiment; an arm is a top-level run in it, its finals are that run's children; trials lie in the
experiment `<study>/search`, so that what is compared stands alone.
"""

import logging
import os

# Read while mlflow is imported, which any module here may do first: it would take over the logging, draw progress bars
# and send statistics.
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# It logs an error of its database with the whole traceback before it raises it.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
