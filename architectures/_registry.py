"""The registry: a decorator, discovery by walking this folder, building, and a check on the meta device.

A file `architectures/NAME.py` holds one `torch.nn.Module` decorated with `@register`. Its constructor takes
`(window, d_features, n_classes, *, hyper-parameters)`; annotations of the keyword-only arguments are the schema,
their defaults the defaults. `forward` takes `(B, W, D)` windows and gives `(B, C)` logits. A class may say that one of
them stands instead of others: `replaces = {"widths": ("depth", "width")}`; a file that gives both is refused. Where a
default is no longer the one that the hyper-parameter came with, the class says which it was: `first_defaults =
{"init": "kaiming"}`; studies that were begun with it are then not continued with another.

Shapes: B batch, W window (frames), D features, C classes.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import inspect
import io
import pkgutil
import sys
import traceback
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_type_hints

from architectures import _contract, _sources
from architectures._compiler import spare_compiler

if TYPE_CHECKING:  # torch takes 2 s to import, which those who only ask for `Between` need not wait for
    from torch import nn

Architecture = TypeVar("Architecture", bound="type[nn.Module]")

WIDEST = 65_536
"""Of any layer."""

_registered: dict[str, type[nn.Module]] = {}


@dataclass(frozen=True)
class Between:
    """The values that a setting may take, as an annotation: `depth: Annotated[int, Between(1, 64)]`.

    An end left out is unbounded; `above` and `below` are open ends, `low` and `high` closed ones.
    """

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None

    def __str__(self) -> str:
        left = (
            f"[{self.low:.10g}"
            if self.low is not None
            else f"({self.above:.10g}"
            if self.above is not None
            else "(-inf"
        )
        right = (
            f"{self.high:.10g}]"
            if self.high is not None
            else f"{self.below:.10g})"
            if self.below is not None
            else "inf)"
        )
        return f"{left}, {right}"


def register(architecture: Architecture) -> Architecture:
    """Enter an architecture under the name of its file.

    Example:
        >>> from architectures.ffdnn import FFDNN
        >>> register(FFDNN) is FFDNN  # under the name of its file: find("ffdnn")
        True
    """
    name = architecture.__module__.rpartition(".")[2]
    if name in _registered and _registered[name] is not architecture:
        raise ValueError(f"architectures/{name}.py registers more than one architecture; one file holds one")
    _registered[name] = architecture
    _sources.read_all()
    return architecture


def unregister(name: str) -> None:
    """Take an architecture out again, whose file is to be read anew or is gone.

    Example:
        >>> unregister("an architecture that was never registered")
    """
    _registered.pop(name, None)
    _sources.forget(name)


def look_in(folder: Path) -> None:
    """Find the architectures of a folder of the user's too, which may lack. Those that were edited since are read anew.

    Raises:
        ValueError: a file has the name of one that is found already elsewhere.

    Example:
        >>> look_in(Path("a folder that is not there"))
    """
    package, folder = importlib.import_module(__package__), folder.resolve()
    files = sorted(folder.glob("*.py"))
    if not files or (folder / "_registry.py").exists():  # a copy of this package
        return
    for file in files:
        other = _sources.file_of(file.stem)
        if other.exists() and other.parent.resolve() != folder:
            raise ValueError(f"{file}: {other} has this name already; give the file another one")
    if str(folder) not in package.__path__:
        package.__path__.append(str(folder))
    importlib.invalidate_caches()
    loaded = [(file, sys.modules.get(f"{__package__}.{file.stem}")) for file in files]
    is_other = any(module and Path(module.__file__ or "").resolve() != file for file, module in loaded)
    if is_other or any(_sources.has_changed(file) for file in files):
        for file in files:  # all of them: one may import another
            unregister(file.stem)
            sys.modules.pop(f"{__package__}.{file.stem}", None)


def own_folders() -> list[Path]:
    """The folders of users that are looked in.

    Example:
        >>> own_folders()
        []
    """
    return _sources.folders()[1:]


def names() -> list[str]:
    """The names of all architectures, sorted. Finds them by importing every file of this folder, and of the user's.

    Example:
        >>> "ladnn" in names()
        True
    """
    return sorted(_registered.keys() - _discover().keys())


def broken() -> dict[str, str]:
    """The files of this folder that give no architecture, each with the reason and its place.

    Example:
        >>> broken()
        {}
    """
    return _discover()


def _discover() -> dict[str, str]:
    """Import every file of this folder; gives the reasons of those that cannot be, which keep no others away."""
    package = importlib.import_module(__package__)
    reasons = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("_"):
            continue
        try:
            with contextlib.redirect_stdout(sys.stderr):  # what it prints is no result of a command
                importlib.import_module(f"{__package__}.{module.name}")
        except (Exception, SystemExit) as error:
            alone = f"architectures/{module.name}.py: {type(error).__name__}: {error}"
            reasons[module.name] = fault_of(error) or alone
        else:
            if module.name not in _registered:
                reasons[module.name] = f"architectures/{module.name}.py: no class in it is decorated with @register"
            elif reason := _contract.breach(cast("Hashable", _registered[module.name])):
                reasons[module.name] = reason
    return reasons


def fault_of(error: BaseException) -> str | None:
    """What went wrong in the code of an architecture, with its place; None if the error is none of an architecture's.

    Example:
        >>> fault_of(ValueError("raised elsewhere")) is None
        True
    """
    folders = set(_sources.folders())
    places = [(frame.f_code.co_filename, number) for frame, number in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno or 1))
    own = [(Path(file), number) for file, number in places if Path(file).parent in folders]
    own = [(file, number) for file, number in own if not file.stem.startswith("_")]
    if not own:
        return None
    place = f"architectures/{own[-1][0].name}:{own[-1][1]}"
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error).strip().partition("\n")[0]
    is_dry = "meta tensors" in text  # of a check of shapes
    hint = "; shapes are checked without values: forward must not look at any (.item(), float(), if)" if is_dry else ""
    return f"{place}: {type(error).__name__}: {text}{hint}"


def find(name: str) -> type[nn.Module]:
    """The class registered under `name`.

    Raises:
        KeyError: no such architecture; the message names the nearest spelling and all there are.

    Example:
        >>> find("ladnn").__module__
        'architectures.ladnn'
    """
    if name in names():
        return _registered[name]
    if name in broken():
        raise KeyError(broken()[name])
    near = difflib.get_close_matches(name, names(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise KeyError(f"unknown architecture {name!r}; {hint}there are: {', '.join(names())}")


def parameters_of(name: str) -> dict[str, inspect.Parameter]:
    """The hyper-parameters of an architecture: name to parameter, whose annotation is resolved (with its `Between`).

    Example:
        >>> parameters_of("ladnn")["depth"].annotation
        typing.Annotated[int, Between(low=1, high=256, above=None, below=None)]
    """
    constructor = find(name).__init__
    hints = get_type_hints(constructor, include_extras=True)
    parameters = inspect.signature(constructor).parameters.values()
    return {p.name: p.replace(annotation=hints[p.name]) for p in parameters if p.kind is p.KEYWORD_ONLY}


def first_defaults(name: str) -> dict[str, Any]:
    """The defaults that the hyper-parameters of an architecture came with, whatever they are now.

    Example:
        >>> first_defaults("ladnn")["init"]
        'kaiming'
    """
    changed: dict[str, Any] = getattr(find(name), "first_defaults", {})
    return {parameter.name: parameter.default for parameter in parameters_of(name).values()} | changed


def replaced_by(name: str, params: Collection[str]) -> dict[str, str]:
    """Those of the hyper-parameters `params` that have no effect, each with the one that replaces it.

    Example:
        >>> replaced_by("ffdnn", ["widths", "depth"])
        {'depth': 'widths'}
    """
    replaces: dict[str, tuple[str, ...]] = getattr(find(name), "replaces", {})
    return {old: new for new in replaces if new in params for old in replaces[new] if old in params}


def build(name: str, window: int, d_features: int, n_classes: int, params: Mapping[str, Any]) -> nn.Module:
    """A new model. Its weights are drawn from torch's global generator: seed it, or use `torch.device("meta")`.

    Raises:
        KeyError: unknown architecture.
        ValueError: settings that do not fit together; the message is for people.

    Example:
        >>> model = build("linear", window=7, d_features=40, n_classes=42, params={})
        >>> sum(p.numel() for p in model.parameters())  # 7 * 40 inputs and a bias for each class
        11802
    """
    return find(name)(window, d_features, n_classes, **params)


def n_parameters(name: str, window: int, d_features: int, n_classes: int, params: Mapping[str, Any]) -> int:
    """The parameters of the model, without making their values.

    Raises:
        KeyError, ValueError: as `build`.

    Example:
        >>> n_parameters("linear", window=7, d_features=40, n_classes=42, params={})
        11802
    """
    import torch

    with torch.device("meta"), contextlib.redirect_stdout(io.StringIO()):
        return sum(p.numel() for p in build(name, window, d_features, n_classes, params).parameters())


@dataclass(frozen=True)
class Size:
    """The cost of a model: parameters, and floating-point operations of one forward pass of one frame."""

    parameters: int
    flops_per_frame: int


def measure(name: str, window: int, d_features: int, n_classes: int, params: Mapping[str, Any]) -> Size:
    """The size of a model, built on the meta device, where `(B, W, D)` must become `(B, C)`.

    A multiplication and an addition are two operations; only matrix products are counted. What the code prints is
    dropped: this is no run of it.

    Raises:
        KeyError, ValueError: as `build`; and whatever else its code raises.

    Example:
        >>> measure("linear", window=7, d_features=40, n_classes=42, params={})
        Size(parameters=11802, flops_per_frame=23520)
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    spare_compiler()
    with contextlib.redirect_stdout(io.StringIO()):
        with torch.device("meta"):
            model = build(name, window, d_features, n_classes, params).eval()
            batch = torch.empty(2, window, d_features)
        with FlopCounterMode(display=False) as counter:
            logits = model(batch)
    shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if shape != (2, n_classes):
        raise TypeError(f"forward gives {shape} of {tuple(batch.shape)} windows; it must give logits (2, {n_classes})")
    return Size(sum(p.numel() for p in model.parameters()), counter.get_total_flops() // 2)
