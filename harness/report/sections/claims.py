"""What the file claims, and what the study says of it."""

from harness.comparison.claim_model import ClaimAnswer
from harness.comparison.claim_parts import answer_line
from harness.comparison.model import Comparison
from harness.display.document import Block, Heading, Item, Items, Line, Section


def section(comparison: Comparison) -> Section:
    """The answer to each claim, and what it rests on."""
    if not comparison.claims:
        return Section("claims")
    items = [Item(_answer(claim), strong=True, details=_rests_on(claim)) for claim in comparison.claims]
    lines: list[Block] = [Heading("Claims")]
    for item in items:
        lines += [Line(item.text, strong=True), *(Line(f"  {detail}") for detail in item.details)]
    about = (
        f"Supported where the {100 * comparison.level:g} % interval lies within what is claimed, refuted where it "
        "lies outside. A claim is supported if all its parts are."
    )
    return Section("claims", "Claims", page=[Line(about), Items(items, "claims")], short=lines, pasted=lines)


def _answer(claim: ClaimAnswer) -> str:
    return answer_line(claim.claim, claim.answer, is_late=claim.stated_after_the_runs)


def _rests_on(claim: ClaimAnswer) -> list[str]:
    """Its parts, and what would decide it, unless a part says why nothing can."""
    is_said = claim.outlook is None or claim.outlook in [part.why_not for part in claim.parts]
    return [*(part.sentence for part in claim.parts), *([] if is_said or claim.outlook is None else [claim.outlook])]
