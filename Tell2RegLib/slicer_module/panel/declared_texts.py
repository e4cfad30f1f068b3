"""Texts that the panel takes from declarations, as literals for translators. `make docs` writes the list."""

from slicer.i18n import tr as _

from Tell2RegLib.support.stages import stage_label


def translated(text: str) -> str:
    """A declared text in the language of Slicer; unchanged if it has no translation.

    Slicer looks a translation up by the file that asks for it, so every declared text is asked for here.
    """
    return str(_(text))


def stageLabel(name: str) -> str:
    """`stage_label` in the language of Slicer; words after the stage's name stay as they are."""
    stage, *details = name.split(" ", 1)
    return " ".join([translated(stage_label(stage)), *details])


TEXTS = (
    _("Models"),
    _(
        "Set of models; see 'tell2reg models list'. Required, except for volumes like the demo pair, which "
        "use the demo networks."
    ),
    _("Source"),
    _("Region source; plug-ins add others."),
    _("Device"),
    _("Compute device: auto, cpu, cuda or cuda:N."),
    _("Minimum box score"),
    _("Minimum score of a box; the default depends on the models."),
    _("Pixel size, mm"),
    _("Pixel size of the slices that the networks process. In mm. Default: 1."),
    _("Every n-th slice"),
    _("Process every n-th slice only; slices between are interpolated. Default: 1."),
    _("As in the paper, slice by slice"),
    _("Pair as in the paper: slice by slice, across prompts, without geometric check."),
    _("Minimum similarity"),
    _("Minimum cosine similarity of a pair. Default: 0.8."),
    _("Pair different prompts"),
    _("Allow pairs of different prompts; by default only in paper mode."),
    _("Smoothness"),
    _(
        "Weight of the field's roughness against the overlap; larger is stiffer. By default derived from how "
        "much of an affine map the regions determine: from 1.5 (all of it) upwards."
    ),
    _("Device of the deformable fit: auto, cpu, cuda or cuda:N."),
    _("Tolerance, mm"),
    _(
        "Error that is tolerated: 'good' if the radius around a target is within it, 'do not trust' if the "
        "predicted error exceeds it (4.9 mm is the radius of a 0.5 ml lesion). In mm. Default: 5."
    ),
    _("Good up to, mm"),
    _("Without a predicted error: 'check' beyond this distance from an accepted region. In mm. Default: 5."),
    _("Do not trust beyond, mm"),
    _("'do not trust' beyond this distance from every accepted region. In mm. Default: 20."),
    _("Check above a spread of, mm"),
    _("'check' when rigid, affine and fitted transform disagree by more. In mm. Default: 5."),
    _("Do not trust above a spread of, mm"),
    _("'do not trust' when rigid, affine and fitted transform disagree by more. In mm. Default: 15."),
    _("Generating the demo pair"),
    _("Reading"),
    _("Loading the networks"),
    _("Resampling slices"),
    _("Detecting prompts"),
    _("Encoding slices"),
    _("Segmenting detections"),
    _("Finding regions"),
    _("Pairing regions"),
    _("Loading PyTorch"),
    _("Fitting the transform"),
    _("Measuring"),
    _("Registering the cases"),
    _("Learning from the cases"),
    _("Learning from the insides of regions"),
    _("Writing the result and its report"),
    _("Importing packages"),
    _("Downloading"),
    _("Verifying"),
    _("Copying"),
    _("Waiting for another process"),
    _("good"),
    _("check"),
    _("do not trust"),
    _("missing"),
    _("damaged"),
    _("unknown"),
    _("unverified"),
    _("installed"),
)
