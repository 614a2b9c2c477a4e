"""Speech from phonemes by the espeak-ng synthesiser, with the sample at which each phoneme begins.

The engine is espeak-ng 1.52 in PyPI's `espeakng-loader` (GPL-3, loaded at run time, an optional dependency).
"""

import json
import shutil
import subprocess  # nosec B404 - for our own interpreter, see below
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from harness.corpora.synthetic import espeak_process
from harness.errors import RunFailed, UserError
from harness.files import temporary_folder

SAMPLE_RATE = espeak_process.SAMPLE_RATE
"""Hz."""

_DATA = ("phontab", "phonindex", "phondata", "intonations", "en_dict", "lang/gmw/en-US")  # all that en-US reads
_VOICE = "speaker"
_LONGEST_DATA_PATH = 140  # from about 150 characters the engine fails
_LONGEST_PHRASE = 500  # bytes; longer clauses come out corrupt, in silence
_FASTEST = 449  # words a minute; from 450 event times are wrong


@dataclass(frozen=True)
class Phrase:
    """A phrase, said in one breath."""

    phonemes: str
    """espeak mnemonics, `|` between phonemes, a space between words. One that is unknown drops the rest in silence."""
    rate: int
    """Words a minute, 80 to 449."""
    pitch: int
    """0 to 100; 50 is the voice's own."""
    pitch_range: int
    """0 to 100; 50 is the voice's own."""
    seed: int
    """The seed of noise sounds."""

    def __post_init__(self) -> None:
        assert len(self.phonemes) < _LONGEST_PHRASE, f"a phrase of {len(self.phonemes)} bytes would come out corrupt"
        assert self.rate <= _FASTEST, f"at {self.rate} words a minute event times are wrong"


@dataclass(frozen=True)
class Speech:
    """A phrase as sound."""

    samples: np.ndarray
    """(N,) int16 at `SAMPLE_RATE`."""
    events: tuple[tuple[int, str], ...]
    """(first sample, espeak mnemonic), in order of time."""


def speak(voice: str, phrases: Sequence[Phrase]) -> list[Speech]:
    """Say phrases in a fresh process; the result depends on the voice and the phrases alone. May run in threads.

    Args:
        voice: text of an espeak-ng voice file.

    Raises:
        UserError: the synthesiser is not installed.
        RunFailed: its process died; the message says what it said.

    Example:
        speak("language variant\\npitch 80 110\\n", [Phrase("h|@|l|'oU", rate=170, pitch=50, pitch_range=50, seed=1)])
    """
    library, source = find()
    with temporary_folder(name="espeak") as temporary:
        data = _with_voice(voice, source, temporary)
        request = {"library": library, "data": str(data), "voice": _VOICE, "phrases": [asdict(p) for p in phrases]}
        command = [sys.executable, "-I", "-S", espeak_process.__file__]  # -I -S: the standard library alone, sooner
        # A session of its own: Ctrl-C reaches us alone, and the engine ends by itself within a second.
        process = subprocess.run(  # nosec B603 - our interpreter and our file
            command, input=json.dumps(request).encode(), capture_output=True, start_new_session=True
        )
    if process.returncode:
        words = process.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise RunFailed(f"the speech synthesiser failed (exit {process.returncode}): {words[-1]}")
    return _parse(process.stdout)


def find() -> tuple[str, Path]:
    """The library's path and the folder of its data.

    Raises:
        UserError: they are not installed.
    """
    try:
        import espeakng_loader
    except ImportError:
        raise UserError(
            "the synthetic corpus needs the speech synthesiser espeak-ng, which is not installed: "
            "pip install 'harness[synthetic]', or pip install espeakng-loader"
        ) from None
    return espeakng_loader.get_library_path(), Path(espeakng_loader.get_data_path())


def _with_voice(voice: str, source: Path, folder: Path) -> Path:
    """A copy of the engine's data (1 MB) that has one voice.

    A voice that is not there is accepted in silence, and among some hundreds of voices ours is not found: so each
    speaker gets data of their own.
    """
    data = folder / "espeak-ng-data"
    if len(str(data)) > _LONGEST_DATA_PATH:
        raise UserError(f"{data}: too long a path for espeak-ng; set TMPDIR to a folder with a shorter one")
    for name in _DATA:
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, data / name)
    variant = data / "voices" / "!v" / _VOICE
    variant.parent.mkdir(parents=True)
    variant.write_text(voice)
    return data


def _parse(answer: bytes) -> list[Speech]:
    head, _, sound = answer.partition(b"\n")
    samples = np.frombuffer(sound, np.int16)
    speech, first = [], 0
    for phrase in json.loads(head):
        last = first + phrase["samples"]
        speech.append(Speech(samples[first:last], tuple((at, name) for at, name in phrase["events"])))
        first = last
    assert first == len(samples), f"{len(samples)} samples came, {first} were announced"
    return speech
