"""What can go wrong in the engine: the caller's values, and nothing else.

ValueError
  NCSProcessingError    points that cannot be learned; also called ProcessingError

A parameter outside its range and a damaged snapshot are a plain ValueError.
"""

from __future__ import annotations

__all__ = ["NCSProcessingError", "ProcessingError"]


class NCSProcessingError(ValueError):
    """Points were refused: the caller is to blame, and nothing was learned."""


ProcessingError = NCSProcessingError
"""The other name that the guides use."""
