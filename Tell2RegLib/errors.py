"""The errors a user can meet, as one small tree.

    Tell2RegError
    ├── InputError (also ValueError)     a file, an argument or a value that cannot be used
    │   └── GeometryError                grids, spacings or directions that cannot be used
    ├── NothingFound                     no regions or no pairs: a result, told plainly
    ├── OutputError                      a result that could not be written
    ├── FitDiverged                      the fit's loss is no longer a number
    ├── ResourceError                    a device or memory that is not there
    ├── ModelError                       a model is missing, damaged or not what it should be
    └── Cancelled                        the user stopped the run

Every message is one sentence or two: what is wrong, with which value or file, and what to do.
"""


class Tell2RegError(Exception):
    """Base of everything that is told to the user in one sentence, without a traceback."""


class InputError(Tell2RegError, ValueError):
    """A file, an argument or a value cannot be used."""


class GeometryError(InputError):
    """A grid, a spacing, a direction or a point cannot be used."""


class NothingFound(Tell2RegError):
    """No region or no pair is left to fit: an outcome of the run, not a fault of the program."""


class OutputError(Tell2RegError):
    """A result could not be written."""


class FitDiverged(Tell2RegError):
    """The loss of a fit is no longer a number.

    Args:
        step: the optimiser step, from 1, on its level.
        loss: what it was: NaN or infinite.
    """

    step, loss = 0, float("nan")

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(
            f"The fit diverged: at step {step} its loss is {loss}. Raise the smoothness, or check the regions and the "
            "volumes' geometry."
        )
        self.step, self.loss = step, loss


class ResourceError(Tell2RegError):
    """A device or memory that the run needs is not there."""


class ModelError(Tell2RegError):
    """A model is missing, damaged or not what it should be."""


class Cancelled(Tell2RegError):
    """The user stopped the run."""

    def __init__(self, message: str = "Cancelled; nothing was written.") -> None:
        super().__init__(message)


def error_of(kind: str, message: str) -> Tell2RegError:
    """An error that another process raised, with its own message: the class of that name, or the base of all."""
    known = globals().get(kind)
    if not (isinstance(known, type) and issubclass(known, Tell2RegError)):
        known = Tell2RegError
    error = known.__new__(known)
    error.args = (message,)
    return error
