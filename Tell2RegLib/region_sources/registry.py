"""Sources of regions by name: the built-in one, and those of other packages (docs/plugins.md).

A package adds a source by an entry point of the group "tell2reg.sources": its name is the source's name, its value is
whatever makes the source when it is called. A source of this project is a line of `BUILT_IN`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.region_sources.protocol import RegionSource
from Tell2RegLib.region_sources.source_result import SourceResult
from Tell2RegLib.space.region import plain_name
from Tell2RegLib.space.volume import Volume

log = logging.getLogger(__name__)

GROUP = "tell2reg.sources"


@dataclass(frozen=True)
class BuiltIn:
    """A source of this project; it is loaded when it is made.

    Args:
        factory: where its class is, "module:name".
        by_options: where the function is that makes it from the user's options; empty for the class itself.
        runs_models: whether it runs the networks of a set of models, which then must be installed.
    """

    factory: str
    by_options: str = ""
    runs_models: bool = False


BUILT_IN = {
    "grounded_sam": BuiltIn(
        "Tell2RegLib.region_sources.grounded_sam:GroundedSam",
        "Tell2RegLib.region_sources.grounded_sam_networks:grounded_sam_by_options",
        runs_models=True,
    )
}

SourceFactory = Callable[..., RegionSource]


def source_names() -> tuple[str, ...]:
    """The built-in sources, then those of other packages in alphabetical order; nothing is loaded."""
    return (*BUILT_IN, *sorted({point.name for point in _plugins()} - set(BUILT_IN)))


def make_source(name: str, **options: object) -> RegionSource:
    """Create the source with a name.

    Args:
        name: one of `source_names()`.
        options: arguments of its factory; for "grounded_sam" a detector, a segmenter and settings.

    Raises:
        InputError: an unknown name, a plug-in that cannot be loaded or created, or one that is not a source.
    """
    return _made(name, _factory(name), options)


def make_source_by_options(name: str, offered: Mapping[str, object]) -> RegionSource:
    """The source of this name, made from those of the user's options that it takes.

    Args:
        name: one of `source_names()`.
        offered: the options by name, those of `pipeline.find_options.FindOptions`.

    Raises:
        InputError: as in `make_source`.
        Tell2RegError: what the source itself needs is missing.
    """
    return _made(name, _maker_by_options(name), accepted_options(name, offered))


def runs_models(name: str) -> bool:
    """Whether a source runs the networks of a set of models; a plug-in brings what it runs."""
    return name in BUILT_IN and BUILT_IN[name].runs_models


def _made(name: str, factory: SourceFactory, options: Mapping[str, object]) -> RegionSource:
    try:
        source = factory(**options)
    except TypeError as error:
        raise InputError(f"The source '{name}' cannot be created with these options: {error}.") from error
    if not isinstance(source, RegionSource):
        raise InputError(f"The source '{name}' has no name or no method `find`: see docs/plugins.md.")
    return source


def accepted_options(name: str, offered: Mapping[str, object]) -> dict[str, object]:
    """The offered options for which the factory of a source has a parameter; options with the value None are omitted.

    Raises:
        InputError: an unknown name, or a plug-in that cannot be loaded.
    """
    try:
        parameters = inspect.signature(_maker_by_options(name)).parameters
    except (TypeError, ValueError):  # no signature: written in C, or not callable
        return {}
    named = {
        key
        for key, parameter in parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    return {key: value for key, value in offered.items() if key in named and value is not None}


def _maker_by_options(name: str) -> SourceFactory:
    by_options = BUILT_IN[name].by_options if name in BUILT_IN else ""
    return _at(by_options) if by_options else _factory(name)


def _at(path: str) -> SourceFactory:
    module, _, attribute = path.partition(":")
    factory: SourceFactory = getattr(import_module(module), attribute)
    return factory


def _factory(name: str) -> SourceFactory:
    if name in BUILT_IN:
        return _at(BUILT_IN[name].factory)
    points = [point for point in _plugins() if point.name == name]
    if not points:
        raise InputError(f"There is no source '{name}'. These exist: {', '.join(source_names())}.")
    if len({point.value for point in points}) > 1:
        packages = ", ".join(sorted(_package(point) for point in points))
        raise InputError(f"Several packages offer a source '{name}' ({packages}): uninstall all but one.")
    try:
        return points[0].load()
    except Exception as error:
        raise InputError(
            f"The source '{name}' of the package '{_package(points[0])}' cannot be loaded ({error}): update or "
            "uninstall that package."
        ) from error


def _plugins() -> list[EntryPoint]:
    plugins = []
    for point in entry_points(group=GROUP):
        if point.name in BUILT_IN:
            log.warning(
                "The source '%s' of '%s' is ignored: this name belongs to a built-in source.",
                point.name,
                _package(point),
            )
        else:
            plugins.append(point)
    return plugins


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value


def check_source_result(result: SourceResult, volume: Volume) -> SourceResult:
    """Validate the result of a source and return it.

    Raises:
        GeometryError: a region that is not on the volume's grid.
        InputError: two regions with the same name, or a region of an unknown prompt.
    """
    names: set[str] = set()
    for region in result.regions:
        if not region.grid.same_space(volume.grid):
            raise GeometryError(
                f"The source '{result.source}' returned the region '{region.name}' on a grid of "
                f"{region.grid.size_xyz} voxels, not on that of '{volume.name}' ({volume.grid.size_xyz}). The source "
                "must resample it."
            )
        if plain_name(region.name) in names:
            raise InputError(
                f"The source '{result.source}' gave two regions the name '{region.name}'. Names must be unique."
            )
        if region.prompt not in result.prompts:
            raise InputError(
                f"The source '{result.source}' gave the region '{region.name}' the prompt '{region.prompt}', which is "
                "not one of the requested prompts."
            )
        names.add(plain_name(region.name))
    return result
