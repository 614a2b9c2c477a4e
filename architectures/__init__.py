"""Frame classifiers that can be compared, one file each.

To add one: write `architectures/NAME.py` with one class decorated with `@register`. Nothing else: the name is the
file's, the settings a TOML may give are the constructor's keyword-only arguments, and every test, list, benchmark and
report picks it up. Start from a copy of `ffdnn.py`. A folder `architectures/` beside an experiment file or in the
project's folder is looked in too; its files import from `architectures` as those of this folder do.

`forward` takes (B, W, D) windows and gives (B, C) logits. In training it may give (B, K, C) of K members instead, each
of which then has its own loss; outside of training it still gives (B, C).

A layer whose output is the sum of a linear and a non-linear part may give both by a method `paths(x)`; the report then
shows which of them prevails through training.
"""

from architectures._compiler import spare_compiler
from architectures._registry import (
    WIDEST,
    Between,
    Size,
    broken,
    build,
    fault_of,
    find,
    first_defaults,
    look_in,
    measure,
    n_parameters,
    names,
    own_folders,
    parameters_of,
    register,
    replaced_by,
    unregister,
)
from architectures._sources import digest, sources

__all__ = [
    "WIDEST",
    "Between",
    "Size",
    "broken",
    "build",
    "digest",
    "fault_of",
    "find",
    "first_defaults",
    "look_in",
    "measure",
    "n_parameters",
    "names",
    "own_folders",
    "parameters_of",
    "register",
    "replaced_by",
    "sources",
    "spare_compiler",
    "unregister",
]
