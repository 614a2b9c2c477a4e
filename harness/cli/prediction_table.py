"""What `harness predict` prints: which models labelled what, how well where that is known, and the files."""

from collections.abc import Sequence

from harness.display import wording
from harness.display.document import Block, Line
from harness.prediction.model import TrainedModel
from harness.prediction.predict import Prediction
from harness.prediction.source import Input
from harness.statistics import metrics


def blocks(
    models: Sequence[TrainedModel], source: Input, prediction: Prediction, seconds: float, device: str
) -> list[Block]:
    """All but the files.

    Args:
        seconds: that the models took.
        device: what they ran on, as `provenance` names it.
    """
    frames, utterances = len(prediction.predicted), len(source.part.lengths)
    lines = [
        *_models(models),
        f"{source.name}: {wording.counted(utterances, 'utterance')}, {wording.counted(frames, 'frame')}, "
        f"{wording.seconds(seconds)} s in {models[0].precision}",
        *(f"note: {note}" for note in source.notes),
        *(f"note: {note}" for note in dict.fromkeys(model.saved.note for model in models) if note),
    ]
    trained_on = models[0].result.provenance.get("device", device)
    if trained_on != device:
        lines.append(f"note: trained on {trained_on}, which rounds differently: a few frames may get another label")
    if prediction.confusion is not None:
        report = metrics.report_text(prediction.confusion, models[0].saved.phonemes)
        lines += ["", *report.rstrip().splitlines(), "", _accuracy(models, prediction)]
    return [Line(line) for line in lines]


def _models(models: Sequence[TrainedModel]) -> list[str]:
    first, n = models[0].result, len(models)
    size = f"{wording.count(first.parameters)} parameters, {wording.rounded(first.flops_per_frame)} FLOPs a frame"
    if n == 1:
        return [f"{models[0].study}, {first.arm}, seed {first.seed}: {size}"]
    seeds = ", ".join(str(model.result.seed) for model in models)
    return [
        f"{models[0].study}, {first.arm}, seeds {seeds}: the mean of their posteriors",
        f"cost: {wording.count(n * first.parameters)} parameters, {wording.rounded(n * first.flops_per_frame)} FLOPs a "
        f"frame, {n} times those of one ({size})",
    ]


def _accuracy(models: Sequence[TrainedModel], prediction: Prediction) -> str:
    confusion = prediction.confusion
    assert confusion is not None
    accuracy = wording.percent(confusion.trace() / confusion.sum())
    if len(models) == 1:
        return f"accuracy {accuracy} %"
    alone = ", ".join(
        f"seed {model.result.seed} {wording.percent(own)}"
        for model, own in zip(models, prediction.accuracies, strict=True)
    )
    return f"accuracy {accuracy} %; each model alone: {alone}"
