"""The process that speaks: libespeak-ng through ctypes, for one speaker, then it ends. Only `espeak.py` starts it.

The engine keeps state between calls that no call clears, so the same bytes every time need a fresh process for each
speaker. That is why this file is run by its path and imports nothing but the standard library: it is up in 30 ms.

In, on standard input, JSON: library, data (paths), voice (a file in `voices/!v`), phrases [{phonemes, rate, pitch,
pitch_range, seed}]. Out, on standard output: a line of JSON, per phrase {samples (how many), events [[sample, name]]},
then the samples of all phrases, int16.
"""

import ctypes
import json
import os
import sys
from typing import Any

SAMPLE_RATE = 22050

_SYNCHRONOUS = 2  # the callback gets the samples; nothing is played
_PHONEME_EVENTS, _DO_NOT_EXIT = 0x0001, 0x8000  # options of espeak_Initialize
_UTF8, _PHONEMES = 0x0001, 0x0100  # flags of espeak_Synth; without the second, brackets are read out as text
_POSITION_IN_CHARACTERS = 1
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_END, _PHONEME = 0, 7  # espeak_EVENT_TYPE
_BUFFER_MS = 500


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # whole milliseconds: too coarse, `sample` is exact
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def main() -> None:
    """Answer the one request on standard input."""
    request = json.load(sys.stdin)
    library = ctypes.CDLL(request["library"])
    _open(library, request["data"], request["voice"])
    heads, sounds = [], []
    for phrase in request["phrases"]:
        sound, events = _speak(library, phrase)
        heads.append({"samples": len(sound) // 2, "events": events})
        sounds.append(sound)
    sys.stdout.buffer.write(json.dumps(heads).encode() + b"\n" + b"".join(sounds))


def _open(library: ctypes.CDLL, data: str, voice: str) -> None:
    library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    rate = library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, os.fsencode(data), _PHONEME_EVENTS | _DO_NOT_EXIT)
    if rate != SAMPLE_RATE:
        sys.exit(f"espeak_Initialize gave {rate}, not {SAMPLE_RATE} Hz, with the data in {data}")
    if error := library.espeak_SetVoiceByName(f"gmw/en-US+{voice}".encode()):
        sys.exit(f"espeak_SetVoiceByName failed for {voice}: {error}")
    size, unsigned, pointer = ctypes.c_size_t, ctypes.c_uint, ctypes.c_void_p
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        size,
        unsigned,
        ctypes.c_int,
        unsigned,
        unsigned,
        pointer,
        pointer,
    ]
    library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]


def _speak(library: ctypes.CDLL, phrase: dict[str, Any]) -> tuple[bytes, list[tuple[int, str]]]:
    """One clause: its int16 samples, and where each phoneme begins."""
    sound: list[bytes] = []
    events: list[tuple[int, str]] = []

    def receive(samples: "ctypes._Pointer[ctypes.c_short]", n: int, event: "ctypes._Pointer[_Event]") -> int:
        if samples and n:
            sound.append(ctypes.string_at(samples, 2 * n))
        i = 0
        while event[i].type != _END:
            if event[i].type == _PHONEME:
                events.append((event[i].sample, event[i].id.string.decode()))
            i += 1
        return 0

    callback = _Callback(receive)  # must outlive espeak_Synth
    library.espeak_SetSynthCallback(callback)
    for parameter, name in ((_RATE, "rate"), (_PITCH, "pitch"), (_RANGE, "pitch_range")):
        library.espeak_SetParameter(parameter, phrase[name], 0)
    library.espeak_ng_SetRandSeed(phrase["seed"])
    text = f"[[{phrase['phonemes']}]]".encode()
    flags = _UTF8 | _PHONEMES
    if error := library.espeak_Synth(text, len(text) + 1, 0, _POSITION_IN_CHARACTERS, 0, flags, None, None):
        sys.exit(f"espeak_Synth failed: {error}")
    return b"".join(sound), events


if __name__ == "__main__":
    main()
