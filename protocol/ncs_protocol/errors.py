"""The error type of the protocol: a code from the table plus where and why.

There is one type because the code already carries the blame and the verdict; what an
error adds is the detail for a person and the place for a program.
"""

from __future__ import annotations

from .codes import Code

__all__ = ["NcsError"]


class NcsError(Exception):
    """A refusal with a code.

    Attributes:
        code: the row of the code table.
        detail: one sentence for a person, naming what was wrong.
        index: index of the offending point in its batch, if one point is to blame.
        retry_after_s: seconds to wait, for codes with the verdict ``later``.
        expected_seq: the sequence number to go on with, for ``seq_gap``.
        field: name of the field to blame, where the code does not tell.
        id: the ``id`` of the message that is refused, if it had one.
        seq: the ``seq`` of the message that is refused, if it had one.
        stream: the ``stream`` of the message that is refused, if it had one.
        subject: who was refused, where a signature vouches for it; for the log.
    """

    def __init__(
        self,
        code: Code,
        detail: str | None = None,
        *,
        index: int | None = None,
        retry_after_s: float | None = None,
        expected_seq: int | None = None,
        field: str | None = None,
    ) -> None:
        self.code = code
        self.detail = detail or code.meaning
        self.index = index
        self.retry_after_s = retry_after_s
        self.expected_seq = expected_seq
        self.field = field
        self.id: str | None = None
        self.seq: int | None = None
        self.stream: str | None = None
        self.subject: str | None = None
        super().__init__(f"{code.wire}: {self.detail}")
