"""Summarises a search in one sentence: the number of pairs, and the unpaired regions."""

from __future__ import annotations

from dataclasses import dataclass

from slicer.i18n import tr as _

from Tell2RegLib.worker.requests import FindReply


@dataclass(frozen=True)
class SearchSummary:
    """The outcome of a search, or of pairing the segments of two segmentations.

    Args:
        pairs, accepted: how many.
        fixed_alone, moving_alone: names of the regions that are in no pair.
        earlier: what became of an earlier result, one sentence; empty when there was none.
        doubtful: number of accepted pairs that count less in the fit.
        remarks: what the check of the pairs says about the volumes, one sentence each.
        warnings: what a reader must know before anything else, one sentence each.
    """

    pairs: int
    accepted: int
    fixed_alone: tuple[str, ...]
    moving_alone: tuple[str, ...]
    earlier: str = ""
    doubtful: int = 0
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

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
        parts = (*self.warnings, counted, doubtful, *self.remarks, self.partnerless, self.earlier)
        return " ".join(filter(None, parts))


def searchSummary(reply: FindReply, earlier: str = "") -> SearchSummary:
    """Summarise a search.

    Args:
        reply: pairs, unpaired regions, warnings, and remarks about the volumes.
        earlier: what happened to an earlier result, one sentence.
    """
    accepted = [pair for pair in reply.pairs if pair.accepted]
    return SearchSummary(
        pairs=len(reply.pairs),
        accepted=len(accepted),
        fixed_alone=tuple(region.name for region in reply.unpaired_fixed),
        moving_alone=tuple(region.name for region in reply.unpaired_moving),
        earlier=earlier,
        doubtful=sum(pair.weight < 1 for pair in accepted),
        remarks=tuple(reply.remarks),
        warnings=tuple(reply.warnings),
    )
