"""What Python programs and notebooks use, documented in docs/python.md; the commands use the same.

A study is run or opened, and gives its tables, figures and trained models. `import harness` alone loads none of it.
"""

from harness.api.finished import Study, run, studies, study
from harness.api.model import Model
from harness.errors import UserError

__all__ = ["Model", "Study", "UserError", "run", "studies", "study"]
