"""What a search found, in a sentence: how many pairs, and which regions have no partner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slicer.i18n import tr as _

from Tell2RegLib.space.region import Region, RegionPair


@dataclass(frozen=True)
class FoundSummary:
    """The outcome of a search, or of pairing the segments of two segmentations.

    Args:
        pairs, accepted: how many.
        fixed_alone, moving_alone: names of the regions that are in no pair.
        earlier: what became of an earlier result, one sentence; empty when there was none.
    """

    pairs: int
    accepted: int
    fixed_alone: tuple[str, ...]
    moving_alone: tuple[str, ...]
    earlier: str = ""

    @property
    def partnerless(self) -> str:
        """Which regions have no partner, one sentence; empty when all have."""
        sides = ((_("fixed"), self.fixed_alone), (_("moving"), self.moving_alone))
        named = [_("{names} ({side})").format(names=", ".join(names), side=side) for side, names in sides if names]
        return _("Without a partner on the other side: {regions}.").format(regions="; ".join(named)) if named else ""

    @property
    def sentence(self) -> str:
        """All of it."""
        counted = _("Pairs: {pairs}, of which {accepted} accepted.").format(pairs=self.pairs, accepted=self.accepted)
        return " ".join(filter(None, (counted, self.partnerless, self.earlier)))


def summaryOfFound(
    pairs: Sequence[RegionPair], fixedAlone: Sequence[Region], movingAlone: Sequence[Region], earlier: str = ""
) -> FoundSummary:
    """What to say of these pairs, of the regions that are in none, and of an earlier result."""
    fixedNames, movingNames = (tuple(region.name for region in regions) for regions in (fixedAlone, movingAlone))
    return FoundSummary(len(pairs), sum(pair.accepted for pair in pairs), fixedNames, movingNames, earlier)
