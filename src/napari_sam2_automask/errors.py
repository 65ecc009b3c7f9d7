"""The errors a person can cause, each with a message that says what was wrong and what to do."""

from __future__ import annotations

__all__ = [
    "AutomaskError",
    "CandidatesError",
    "FormatError",
    "ImageError",
    "MemoryBudgetError",
    "MendError",
    "ModelError",
    "NewRunError",
    "OutputError",
    "OutputNameError",
    "SettingsError",
]


class AutomaskError(Exception):
    """Base of every error that a user can cause and mend.

    The message is one line: what was wrong, then what to do. The viewer shows it as a notification, the
    command line prints it to standard error and exits with a non-zero status.
    """


class SettingsError(AutomaskError, ValueError):
    """A setting is out of its range, unknown, or contradicts another one."""


class ImageError(AutomaskError, ValueError):
    """An image cannot be read, or has a shape or data type that cannot be segmented."""


class FormatError(AutomaskError, ValueError):
    """A file format cannot hold what is to be written; nothing has been written."""


class ModelError(AutomaskError):
    """A model is unknown, not at hand, damaged, or of another architecture."""


class OutputError(AutomaskError, OSError):
    """A result cannot be written where it was asked for."""


class OutputNameError(OutputError):
    """A result cannot have its name, or what has it cannot be replaced; other results can come there."""


class UnfinishedError(AutomaskError):
    """What was kept of a run that was stopped is damaged, or of another run."""


class CandidatesError(AutomaskError, ValueError):
    """Stored candidates are empty, damaged, or do not fit the request."""


class LearningError(AutomaskError, ValueError):
    """Images and labels that nothing can be learned from, or learning that went wrong."""


class MendError(AutomaskError, ValueError):
    """A correction by hand cannot be done; nothing has changed."""


class NewRunError(CandidatesError):
    """Settings ask for what only another run of the model can answer.

    Attributes
    ----------
    fields : tuple of str
        The settings that do, by their names in `AmgSettings`.
    """

    def __init__(self, message: str, *fields: str) -> None:
        super().__init__(message)
        self.fields = fields


class MemoryBudgetError(AutomaskError):
    """The request needs more memory than the machine has, said before anything starts."""
