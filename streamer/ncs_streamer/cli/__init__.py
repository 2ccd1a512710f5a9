"""The command `ncs`."""

from .main import main

__all__ = ["main"]
