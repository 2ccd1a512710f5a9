"""What a node is to one stream: from wanting it to having let it go.

The table says what may follow what. That no two nodes are the owner in one epoch is the
store's promise (see `Ownership.acquire`); that a node does not act on what it no longer
has is kept here.
"""

from __future__ import annotations

import enum

from ..store.contracts import Owner

__all__ = ["TRANSITIONS", "Step", "Tenure", "TenureError", "TenureState"]


class TenureState(enum.Enum):
    """What the node is to the stream."""

    ABSENT = "absent"
    """Another node's, or nobody's."""
    ACQUIRING = "acquiring"
    """The store has been asked for it."""
    RESTORING = "restoring"
    """Owned; the model is being brought back, and nobody is served yet."""
    OWNED = "owned"
    HANDING_OVER = "handing over"
    """Owned; nothing new is taken, what was taken is applied and saved."""


class Step(enum.Enum):
    """What happens to it."""

    WANTED = "wanted"
    ACQUIRED = "acquired"
    REFUSED = "refused"
    RESTORED = "restored"
    LEAVING = "leaving"
    RELEASED = "released"
    LOST = "lost"


_S, _E = TenureState, Step
TRANSITIONS: dict[TenureState, dict[Step, TenureState]] = {
    _S.ABSENT: {_E.WANTED: _S.ACQUIRING, _E.LOST: _S.ABSENT},
    _S.ACQUIRING: {
        _E.ACQUIRED: _S.RESTORING,
        _E.REFUSED: _S.ABSENT,
        _E.LOST: _S.ABSENT,
    },
    _S.RESTORING: {
        _E.RESTORED: _S.OWNED,
        _E.LEAVING: _S.HANDING_OVER,
        _E.LOST: _S.ABSENT,
    },
    _S.OWNED: {_E.LEAVING: _S.HANDING_OVER, _E.LOST: _S.ABSENT},
    _S.HANDING_OVER: {_E.RELEASED: _S.ABSENT, _E.LOST: _S.ABSENT},
}
"""State -> step -> next state. What is not listed must not happen."""


class TenureError(Exception):
    """A step that must not follow; a fault of ours."""


class Tenure:
    """See the module.

    Attributes:
        state: what the node is to the stream.
        owner: its right to write, from `RESTORING` on.
    """

    __slots__ = ("_epoch", "owner", "state")

    def __init__(self) -> None:
        self.state = TenureState.ABSENT
        self.owner: Owner | None = None
        self._epoch = 0  # of the last one that was acquired

    def __repr__(self) -> str:
        return f"<Tenure {self.state.value} {self.owner}>"

    @property
    def serves(self) -> bool:
        """Whether the node takes batches and answers questions."""
        return self.state is TenureState.OWNED

    def advance(self, step: Step, owner: Owner | None = None) -> None:
        """Take a step; `owner` comes with `ACQUIRED`.

        Raises:
            TenureError: it must not follow.
        """
        following = TRANSITIONS[self.state].get(step)
        if following is None:
            raise TenureError(f"{step.value} while {self.state.value}")
        if step is Step.ACQUIRED:
            if owner is None or owner.epoch <= self._epoch:
                raise TenureError(f"acquired {owner} after epoch {self._epoch}")
            self.owner, self._epoch = owner, owner.epoch
        elif following is TenureState.ABSENT:
            self.owner = None
        self.state = following
