"""Summarises a search in one sentence: the number of pairs, and the unpaired regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slicer.i18n import tr as _

from Tell2RegLib.space.region import Region, RegionPair


@dataclass(frozen=True)
class SearchSummary:
    """The outcome of a search, or of pairing the segments of two segmentations.

    Args:
        pairs, accepted: how many.
        fixed_alone, moving_alone: names of the regions that are in no pair.
        earlier: what became of an earlier result, one sentence; empty when there was none.
        doubtful: number of accepted pairs that count less in the fit.
        remarks: what the check of the pairs says about the volumes, one sentence each.
    """

    pairs: int
    accepted: int
    fixed_alone: tuple[str, ...]
    moving_alone: tuple[str, ...]
    earlier: str = ""
    doubtful: int = 0
    remarks: tuple[str, ...] = ()

    @property
    def partnerless(self) -> str:
        """The unpaired regions, one sentence; empty if there are none."""
        sides = ((_("fixed"), self.fixed_alone), (_("moving"), self.moving_alone))
        named = [_("{names} ({side})").format(names=", ".join(names), side=side) for side, names in sides if names]
        return _("Unpaired: {regions}.").format(regions="; ".join(named)) if named else ""

    @property
    def sentence(self) -> str:
        """The whole summary."""
        counted = _("Pairs: {pairs}; accepted: {accepted}.").format(pairs=self.pairs, accepted=self.accepted)
        doubtful = _("Doubtful, counting less: {doubtful}.").format(doubtful=self.doubtful) if self.doubtful else ""
        return " ".join(filter(None, (counted, doubtful, *self.remarks, self.partnerless, self.earlier)))


def searchSummary(
    pairs: Sequence[RegionPair],
    fixedAlone: Sequence[Region],
    movingAlone: Sequence[Region],
    earlier: str = "",
    remarks: Sequence[str] = (),
) -> SearchSummary:
    """Summarise pairs, unpaired regions, what happened to an earlier result, and remarks about the volumes."""
    fixedNames, movingNames = (tuple(region.name for region in regions) for regions in (fixedAlone, movingAlone))
    accepted = [pair for pair in pairs if pair.accepted]
    doubtful = sum(pair.weight < 1 for pair in accepted)
    return SearchSummary(len(pairs), len(accepted), fixedNames, movingNames, earlier, doubtful, tuple(remarks))
