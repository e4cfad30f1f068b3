"""The version of the library; its only definition."""

__version__ = "0.1.0"
