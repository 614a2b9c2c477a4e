"""The JSON of dataclasses: a key for each field, in their order.

Three kinds of field are otherwise, which their metadata says: those that are not in the JSON, those that are only where
there is something, and those of which some keys stand in the object around them.
"""

import dataclasses
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeAlias

import numpy as np

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

NOT_IN_JSON: Mapping[str, object] = {"json": "never"}
IF_ANY: Mapping[str, object] = {"json": "if any"}
"""The key is left out where the value is None."""


class Keys:
    """Of a field that is a dataclass: some of its keys, which stand in the object around it; none where it is None."""

    def __init__(self, *names: str) -> None:
        self.names = names

    @property
    def metadata(self) -> Mapping[str, object]:
        return {"json": self}


def plain(value: Any) -> Json:
    """As JSON has it: no tuples, no numpy, no enums, and null for what is not a finite number."""
    if dataclasses.is_dataclass(value):
        return _object(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    scalar: Json = value
    return scalar


def _object(value: Any) -> dict[str, Json]:
    keys: dict[str, Json] = {}
    for field in dataclasses.fields(value):
        own, form = getattr(value, field.name), field.metadata.get("json")
        if form == "never" or (form is not None and own is None):
            continue
        keys |= (
            {name: plain(getattr(own, name)) for name in form.names}
            if isinstance(form, Keys)
            else {field.name: plain(own)}
        )
    return keys
