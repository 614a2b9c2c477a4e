"""Speech from phonemes by the espeak-ng synthesiser, with the sample at which each phoneme begins.

The engine is espeak-ng 1.52 in PyPI's `espeakng-loader` (GPL-3, loaded at run time, an optional dependency).
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from harness.corpora import espeak_process
from harness.errors import RunFailed, UserError

SAMPLE_RATE = espeak_process.SAMPLE_RATE
"""Hz."""

_DATA = ("phontab", "phonindex", "phondata", "intonations", "en_dict", "lang/gmw/en-US")  # all that en-US reads
_LONGEST_DATA_PATH = 140  # from about 150 characters the engine fails
_LONGEST_PHRASE = 500  # bytes; longer clauses come out corrupt, in silence
_FASTEST = 449  # words a minute; from 450 event times are wrong


@dataclass(frozen=True)
class Phrase:
    """What is said in one breath."""

    phonemes: str
    """espeak mnemonics, `|` between phonemes, a space between words. One that is unknown drops the rest in silence."""
    rate: int
    """Words a minute, 80 to 449."""
    pitch: int
    """0 to 100; 50 is the voice's own."""
    pitch_range: int
    """0 to 100; 50 is the voice's own."""
    seed: int
    """Of noise sounds."""

    def __post_init__(self) -> None:
        assert len(self.phonemes) < _LONGEST_PHRASE, f"a phrase of {len(self.phonemes)} bytes would come out corrupt"
        assert self.rate <= _FASTEST, f"at {self.rate} words a minute event times are wrong"


@dataclass(frozen=True)
class Spoken:
    """A phrase as sound."""

    samples: np.ndarray
    """(N,) int16 at `SAMPLE_RATE`."""
    events: tuple[tuple[int, str], ...]
    """(first sample, espeak mnemonic), in order of time."""


class Engine:
    """The synthesiser with a copy of its data, to which voices are added. A context: at its end the copy is gone.

    Example:
        with Engine() as engine:
            spoken = engine.speak("low", "language variant\\npitch 80 110\\n", [Phrase("h|@|l|'oU", 170, 50, 50, 1)])
    """

    def __init__(self) -> None:
        self._library, source = _find()
        self._temporary = tempfile.TemporaryDirectory(prefix="espeak-")
        self._data = Path(self._temporary.name) / "espeak-ng-data"
        if len(str(self._data)) > _LONGEST_DATA_PATH:
            self._temporary.cleanup()
            raise UserError(f"{self._data}: too long a path for espeak-ng; set TMPDIR to a folder with a shorter one")
        for name in _DATA:
            (self._data / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, self._data / name)
        (self._data / "voices" / "!v").mkdir(parents=True)

    def __enter__(self) -> "Engine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._temporary.cleanup()

    def speak(self, name: str, voice: str, phrases: Sequence[Phrase]) -> list[Spoken]:
        """Say phrases in a fresh process; the result depends on the voice and the phrases alone. May run in threads.

        Args:
            name: of the speaker; a file name.
            voice: text of an espeak-ng voice file.

        Raises:
            RunFailed: the process died; the message says what it said.
        """
        # The engine accepts a voice that is not there, in silence, and speaks in its plain one: it is written here.
        (self._data / "voices" / "!v" / name).write_text(voice)
        request = {
            "library": self._library,
            "data": str(self._data),
            "voice": name,
            "phrases": [asdict(phrase) for phrase in phrases],
        }
        command = [sys.executable, "-I", "-S", espeak_process.__file__]  # -I -S: the standard library alone, sooner
        # A session of its own: Ctrl-C reaches us alone, and the engine ends by itself within a second.
        done = subprocess.run(command, input=json.dumps(request).encode(), capture_output=True, start_new_session=True)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise RunFailed(f"the speech synthesiser failed for voice {name} (exit {done.returncode}): {said[-1]}")
        return _parse(done.stdout)


def _parse(answer: bytes) -> list[Spoken]:
    head, _, sound = answer.partition(b"\n")
    samples = np.frombuffer(sound, np.int16)
    spoken, first = [], 0
    for phrase in json.loads(head):
        last = first + phrase["samples"]
        spoken.append(Spoken(samples[first:last], tuple((at, name) for at, name in phrase["events"])))
        first = last
    assert first == len(samples), f"{len(samples)} samples came, {first} were announced"
    return spoken


def _find() -> tuple[str, Path]:
    """Where the library and its data are."""
    try:
        import espeakng_loader
    except ImportError:
        raise UserError(
            "the synthetic corpus needs the speech synthesiser espeak-ng, which is not installed: "
            "pip install 'harness[synthetic]', or pip install espeakng-loader"
        ) from None
    return espeakng_loader.get_library_path(), Path(espeakng_loader.get_data_path())
