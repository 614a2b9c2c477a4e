"""What Python programs and notebooks use, documented in docs/python.md; the commands use the same.

A study is run or opened, and gives its tables, figures and trained models. `import harness` alone loads none of it.
"""

import warnings

from harness.api.finished import Study, run, studies, study
from harness.api.model import Model
from harness.errors import UserError

# mlflow and optuna import tqdm, which in a notebook without ipywidgets says so, though no bar of its own is shown
warnings.filterwarnings("ignore", message="IProgress not found", module="tqdm")

__all__ = ["Model", "Study", "UserError", "run", "studies", "study"]
