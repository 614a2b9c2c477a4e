"""Initial weights: `preserving`, by which signals and gradients keep their variance through any depth, and others.

A network begins as a map that is linear, or nearly so, and made of orthogonal matrices, which change no norm forwards
or backwards at any depth (Saxe, McClelland and Ganguli 2014, Exact solutions to the nonlinear dynamics of learning in
deep linear neural networks). Every architecture says how in a few lines, by two devices:

- `Code`, for layers whose activations are all that the next layer sees. For independent weights the gains that keep
  activations, 1 / E[f(z)^2], and gradients, 1 / E[f'(z)^2], agree for relu only; for gelu and silu they differ by
  7 %, a factor of 60 to 90 over 64 layers. But f(z) - f(-z) = z for all three, and f'(z) + f'(-z) = 1: of two units
  with opposite weights the next layer reads the difference, and the pair is linear (for ReLUs the looks-linear
  initialisation of Balduzzi et al. 2017, The shattered gradients problem). tanh and sigmoid are odd about f(0), and
  begin on the part of their curve that is nearly linear. So batch normalisation, which makes gradients explode in
  networks of independent weights whatever their variance (Yang et al. 2019, A mean field theory of batch
  normalization), does so no more: it does not where maps are orthogonal and activations linear (Meterez et al. 2024,
  Towards training without depth limits: batch normalization without gradient explosion).
- `draw_branch`, for a residual branch `V f(U x)`: with n of them of variance 1 / (2 n) each, the variance grows by
  (1 + 1 / (2 n))^n < sqrt(e) over all (Zhang, Dauphin and Ma 2019, Fixup initialization; De and Smith 2020, Batch
  normalization biases residual blocks towards the identity function).

Moments of activations are integrated numerically (`deviations`). Dropout is not part of the account: it adds the same
relative variance at each layer whatever the weights.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from architectures._layers import Activation, activation

Init = Literal["preserving", "kaiming", "xavier", "pytorch"]

SHARE = 0.5
"""Variance of all residual branches of a model together, in units of the signal's."""

_WIDEST = 2048


def initialise(model: nn.Module, init: Init, preserve: Callable[[], None]) -> None:
    """Draw the weights of all affine maps.

    preserving: what `preserve` sets. All others leave biases at PyTorch's U(-1/sqrt(d_in), 1/sqrt(d_in)) and norms at
    the identity. kaiming: U(-b, b) with b = sqrt(6 / d_in), He et al. 2015, eq. 10, which keeps the variance through
    ReLUs. xavier: b = sqrt(6 / (d_in + d_out)), Glorot and Bengio 2010, eq. 16. pytorch: b = 1 / sqrt(d_in).
    """
    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if any(linear.weight.is_meta for linear in linears):
        return
    for linear in linears:
        if init == "kaiming":
            nn.init.kaiming_uniform_(linear.weight)
        elif init == "xavier":
            nn.init.xavier_uniform_(linear.weight)
        elif init == "preserving" and linear.bias is not None:
            nn.init.zeros_(linear.bias)
    if init == "preserving":
        with torch.no_grad(), _single_thread():
            preserve()


@contextlib.contextmanager
def _single_thread() -> Iterator[None]:
    """Factorisations then give the same bits whatever the number of threads; small ones take no longer."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def orthogonal(d_out: int, d_in: int) -> Tensor:
    """A random matrix (d_out, d_in) with orthonormal rows; of more rows than columns, these are orthogonal.

    Either way uncorrelated inputs of variance 1 become outputs of variance 1. Beyond 2048 of both, where a
    factorisation takes from 10 s up, the values are independent ones of variance 1 / d_in, which at such widths keep
    norms to within 2 %.
    """
    if min(d_out, d_in) > _WIDEST:
        return torch.randn(d_out, d_in) / math.sqrt(d_in)
    return nn.init.orthogonal_(torch.empty(d_out, d_in)) * max(1.0, math.sqrt(d_out / d_in))


@functools.lru_cache(maxsize=256)
def deviations(f: Activation, std: float = 1.0) -> tuple[float, float]:
    """Root mean squares of f(z) for z ~ N(0, std^2): about f(0), and about its mean.

    By the trapezoidal rule on 20,001 points within 10 standard deviations; a kink at 0 lies on a point.
    """
    z = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    y = activation(f)(z * std)
    mean = torch.trapezoid(y * density, z)
    about_zero, about_mean = (torch.trapezoid((y - c) ** 2 * density, z).sqrt().item() for c in (y[10_000], mean))
    return about_zero, about_mean


@dataclass(frozen=True)
class Code:
    """How the units of a layer, x = f(z), carry a signal s of independent values of variance 1.

    Mirrored, in pairs: z = (std s, -std s), and the difference of the pair is the signal. relu, gelu and silu are,
    with std 1, and the difference then is s exactly. tanh and sigmoid, which are odd about f(0), need not be.
    """

    f: Activation
    std: float
    """Of z."""
    is_mirrored: bool

    @classmethod
    def for_mixed(cls, f: Activation, depth: int, is_mirrored: bool = False) -> "Code":
        """For `depth` layers that each mix all units.

        Where z has variance q, a layer of tanh whose gain keeps it multiplies the gradient's variance by
        q E[tanh'(z)^2] / E[tanh(z)^2] = 1 + 4 q^2 / 3 + O(q^3): with q = 0.4 / sqrt(depth), by 1.24 over all.
        """
        return cls._of(f, 0.4 / math.sqrt(depth), is_mirrored)

    @classmethod
    def for_carried(cls, f: Activation, depth: int) -> "Code":
        """For `depth` layers that each map every unit nearly onto itself.

        What tanh takes from a unit, 2 q of its variance q, no other then makes up for: q = 0.5 / depth.
        """
        return cls._of(f, 0.5 / depth, False)

    @classmethod
    def _of(cls, f: Activation, q: float, is_mirrored: bool) -> "Code":
        """`q` is the variance of z where f is tanh; sigmoid is tanh of half of z."""
        if f in ("tanh", "sigmoid"):
            return cls(f, math.sqrt(q) * (2 if f == "sigmoid" else 1), is_mirrored)
        return cls(f, 1.0, True)

    @property
    def gain(self) -> float:
        """Standard deviation of what is read of x, before it is divided by it."""
        if self.f in ("relu", "gelu", "silu"):
            return 1.0
        return deviations(self.f, self.std)[0] * (2 if self.is_mirrored else 1)

    def compensation(self, std: float) -> float:
        """What a signal of another standard deviation than 1 is multiplied by so that it is read as it is."""
        if self.f in ("relu", "gelu", "silu"):
            return 1.0
        return deviations(self.f, self.std)[0] * std / deviations(self.f, self.std * std)[0]

    def n_signals(self, width: int) -> int:
        """Values of the signal that so many units carry; of an odd width one unit has no partner."""
        return math.ceil(width / 2) if self.is_mirrored else width

    def write(self, core: Tensor, width: int) -> Tensor:
        """(width, d) weights of the layer's map, of a core (n_signals, d) that maps its input to the signal."""
        return self.std * (torch.cat([core, -core])[:width] if self.is_mirrored else core)

    def read(self, core: Tensor, width: int) -> Tensor:
        """(d, width) weights of the next layer's map, of a core (d, n_signals) that maps the signal."""
        return (torch.cat([core, -core], 1)[:, :width] if self.is_mirrored else core) / self.gain


def centre(f: Activation) -> float:
    """f(0), about which tanh and sigmoid are odd."""
    return 0.5 if f == "sigmoid" else 0.0


def connect(
    linear: nn.Linear, source: Code | None = None, target: Code | None = None, core: Tensor | None = None
) -> None:
    """Set an affine map that takes the signal of one layer to that of the next by `core`, an orthogonal one by default.

    Without a code the layer's units are the signal.
    """
    d_out, d_in = linear.weight.shape
    if core is None:
        core = orthogonal(target.n_signals(d_out) if target else d_out, source.n_signals(d_in) if source else d_in)
    weight = source.read(core, d_in) if source else core
    linear.weight.copy_(target.write(weight, d_out) if target else weight)
    if source and linear.bias is not None:
        linear.bias.copy_(-centre(source.f) * linear.weight.sum(1))


def set_scale(norm: nn.Module, std: float | Tensor) -> None:
    """Let a normalisation give values of this standard deviation, one for all units or one each; no norm does not."""
    if isinstance(norm, nn.BatchNorm1d | nn.LayerNorm):
        norm.weight.copy_(torch.as_tensor(std).expand_as(norm.weight))


def draw_branch(U: nn.Linear, V: nn.Linear, f: Activation, n_branches: int) -> None:
    """Set `V f(U x)` for x of variance 1, one of `n_branches`, to variance 1 / (2 n_branches)."""
    connect(U)
    gain = math.sqrt(SHARE / n_branches) / deviations(f)[0]
    connect(V, core=gain * orthogonal(*V.weight.shape))
    V.bias.copy_(-centre(f) * V.weight.sum(1))
