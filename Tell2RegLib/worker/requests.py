"""Requests to the worker and its replies: frozen values shared by both processes.

No heavy imports: a host without torch can create requests and read replies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from Tell2RegLib.errors import InputError
from Tell2RegLib.evaluation.metrics import FieldQuality
from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.fitting.recommendation import Recommendation
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.models.catalogue.status_rows import ModelRow, SetRow
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.results.result import PairAgreement, PairMetrics, PromptResult
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.volume import Volume

# --- replies ---


@dataclass(frozen=True, eq=False)
class FindReply:
    """The regions and pairs that prompts give in both volumes.

    Args:
        pairs: accepted and rejected pairs, with prototypes.
        unpaired_fixed, unpaired_moving: regions without a pair.
        messages: one sentence per prompt and volume, beginning with "Fixed: " or "Moving: ".
        reason: why there are no pairs; empty when there are some.
        prompts: what each prompt gave, in numbers.
        timing_s: seconds by stage, and "total".
        models: SHA-256 of the weights by their names.
        unverified: names of the weights whose hash nobody knows.
        parameters: of looking and matching, for the record; handed on in a `FitRequest`.
        computed: which stages had to be computed for it, "models" where networks were loaded; what is not among them
            was still known from earlier runs.
        remarks: what the check of the pairs says about the volumes, one sentence each.
        warnings: what a reader must know before anything else, one sentence each.
    """

    pairs: tuple[RegionPair, ...]
    unpaired_fixed: tuple[Region, ...]
    unpaired_moving: tuple[Region, ...]
    messages: tuple[str, ...]
    reason: str
    prompts: tuple[PromptResult, ...]
    timing_s: Mapping[str, float]
    models: Mapping[str, str]
    unverified: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    computed: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class FitReply:
    """The transform fitted to pairs, and its measures.

    Args:
        transform: both directions; None without an accepted pair.
        rigid_lps, affine_lps: 4 x 4, fixed to moving; None without a transform.
        metrics: one row per pair, rejected ones too.
        quality: of the fixed-to-moving field; None without a transform.
        inverse_error_mm: (mean, max); None without a transform.
        jacobian: det J on the fixed grid, float32; None without a transform.
        timing_s: seconds by stage, and "total".
        provenance: versions, device, parameters, date.
        reason: why there is no transform; empty when there is one.
        linear: how the pairs agree under the "rigid" and the "affine" map, in the order of `metrics`; empty without a
            transform.
        recommendation: the simplest transform that the regions do not reject; None without a transform.
        error_model: what a calibration learned of the errors of targets, as plain values; None without one.
    """

    transform: Transform | None
    rigid_lps: Floats | None
    affine_lps: Floats | None
    metrics: tuple[PairMetrics, ...]
    quality: FieldQuality | None
    inverse_error_mm: tuple[float, float] | None
    jacobian: Volume | None
    timing_s: Mapping[str, float]
    provenance: Mapping[str, Any]
    reason: str = ""
    linear: Mapping[str, tuple[PairAgreement, ...]] = field(default_factory=dict)
    recommendation: Recommendation | None = None
    error_model: Mapping[str, Any] | None = None

    @property
    def fit(self) -> FitValues:
        """What there is with a transform.

        Raises:
            InputError: there is no transform; the sentence is `reason`.
        """
        parts = (self.transform, self.rigid_lps, self.affine_lps, self.quality, self.inverse_error_mm, self.jacobian)
        if any(part is None for part in parts):
            raise InputError(self.reason)
        return FitValues(*parts)  # type: ignore[arg-type]  # none of them is None


@dataclass(frozen=True, eq=False)
class FitValues:
    """The parts of a `FitReply` that exist only with a transform."""

    transform: Transform
    rigid_lps: Floats
    affine_lps: Floats
    quality: FieldQuality
    inverse_error_mm: tuple[float, float]
    jacobian: Volume


@dataclass(frozen=True)
class ReportReply:
    """The location of a result.

    Args:
        folder: the result folder.
        report: its report.html.
        computed: which stages had to be computed for it; without "fit" where the fit was still known.
    """

    folder: Path
    report: Path
    computed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Device:
    """A compute device.

    Args:
        name: "cpu", "cuda:0", ...
        label: name for display.
        memory_bytes, free_bytes: None where the system does not report them.
    """

    name: str
    label: str
    memory_bytes: int | None
    free_bytes: int | None


@dataclass(frozen=True)
class DevicesReply:
    """The available compute devices, and the one that "auto" selects."""

    devices: tuple[Device, ...]
    auto: str


@dataclass(frozen=True)
class Missing:
    """A package that cannot be imported, and the reason."""

    package: str
    reason: str


@dataclass(frozen=True)
class CheckReply:
    """Whether the packages that a run needs can be imported.

    Args:
        python: the version of the worker's Python.
        versions: of every package that was imported.
        missing: packages that could not be imported.
    """

    python: str
    versions: Mapping[str, str]
    missing: tuple[Missing, ...]


@dataclass(frozen=True)
class ModelsReply:
    """The models after an action.

    Args:
        rows: every model.
        sets: every set, the demo's first.
        folder: the model folder; None where a package needed to determine it is missing.
        message: one sentence on what was done; empty for "list".
        notice: the catalogue's notice on all models.
    """

    rows: tuple[ModelRow, ...]
    sets: tuple[SetRow, ...]
    folder: Path | None
    message: str = ""
    notice: str = ""


@dataclass(frozen=True, eq=False)
class DemoReply:
    """The demo pair: two volumes, a plan on the moving one, and the true positions of its targets on the fixed one."""

    fixed: Volume
    moving: Volume
    plan: PointList
    plan_truth: PointList


# --- requests ---


@dataclass(frozen=True, eq=False)
class FindRequest:
    """Find regions by prompts in both volumes, and pair them.

    Args:
        fixed, moving: any geometry.
        prompts: the words.
        options: how regions are found and paired.
    """

    task: ClassVar[str] = "find"
    reply: ClassVar[type] = FindReply

    fixed: Volume
    moving: Volume
    prompts: tuple[str, ...]
    options: FindOptions = field(default_factory=FindOptions)


@dataclass(frozen=True, eq=False)
class FitRequest:
    """Fit a transform to pairs, and measure it.

    Args:
        fixed, moving: the volumes.
        pairs: on the grids of the volumes, rejected ones too.
        settings: of the fit.
        prompts, models, parameters: how the pairs were found, for the record: from a `FindReply`.
        calibration: file of a calibration of these two kinds of scan; None for the default prior.
    """

    task: ClassVar[str] = "fit"
    reply: ClassVar[type] = FitReply

    fixed: Volume
    moving: Volume
    pairs: tuple[RegionPair, ...]
    settings: FitSettings = field(default_factory=FitSettings)
    prompts: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    calibration: Path | None = None


@dataclass(frozen=True, eq=False)
class ReportRequest:
    """Write the result folder with its report; an existing fit is reused.

    Args:
        fit: the request of the fit.
        plan: points on the moving volume; None for none.
        folder: the result folder.
        overwrite: whether an earlier result there may be replaced.
        plan_truth: true positions of the plan's points in fixed space, by the same names; None if unknown.
        trust: bounds of the verdicts on the plan's points.
    """

    task: ClassVar[str] = "report"
    reply: ClassVar[type] = ReportReply

    fit: FitRequest
    plan: PointList | None
    folder: Path
    overwrite: bool = False
    plan_truth: PointList | None = None
    trust: TrustSettings = field(default_factory=TrustSettings)


@dataclass(frozen=True)
class DevicesRequest:
    """List the compute devices."""

    task: ClassVar[str] = "devices"
    reply: ClassVar[type] = DevicesReply


@dataclass(frozen=True)
class CheckRequest:
    """Check an installation by importing every package that a run needs."""

    task: ClassVar[str] = "check"
    reply: ClassVar[type] = CheckReply


@dataclass(frozen=True)
class DemoRequest:
    """Create the demo pair, which takes too long for the thread of a user interface."""

    task: ClassVar[str] = "demo"
    reply: ClassVar[type] = DemoReply


MODEL_ACTIONS = ("list", "install", "verify", "import", "remove", "clear", "where")


@dataclass(frozen=True)
class ModelsRequest:
    """List, install, verify, import or remove models.

    Args:
        action: "list"; "install", "verify" or "remove" `name`, a model or a set ("verify" without a name takes all that
            are installed); "import" the file `path`; "clear" removes all that can be downloaded again; "where" keeps
            models in the folder `path` from now on, or only says where they are.
        name: a model or a set; of "import", which model the file must be.
        path: a file or a folder.
        unverified: "import" takes the file as `name` although its hash is not known.

    Raises:
        InputError: an unknown action, or one without the required name or file.
    """

    task: ClassVar[str] = "models"
    reply: ClassVar[type] = ModelsReply

    action: str
    name: str = ""
    path: Path | None = None
    unverified: bool = False

    def __post_init__(self) -> None:
        if self.action not in MODEL_ACTIONS:
            raise InputError(f"Models have no action '{self.action}'; choose one of {', '.join(MODEL_ACTIONS)}.")
        if self.action in ("install", "remove") and not self.name:
            raise InputError(f"Name the model or set to {self.action}.")
        if self.action == "import" and self.path is None:
            raise InputError("Name the file to import.")


Request = FindRequest | FitRequest | ReportRequest | DevicesRequest | CheckRequest | DemoRequest | ModelsRequest

REQUESTS: tuple[type, ...] = (
    *(FindRequest, FitRequest, ReportRequest),
    *(DevicesRequest, CheckRequest, DemoRequest, ModelsRequest),
)
REQUEST_OF_TASK: Mapping[str, type] = {request.task: request for request in REQUESTS}  # type: ignore[attr-defined]
