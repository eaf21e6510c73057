"""Question and answer over a socket, with bodies in shared memory where they are large enough and the system has it."""

from __future__ import annotations

import contextlib
import os
import socket

from auditkit.models.worker import segments
from auditkit.models.worker.segments import Segment
from auditkit.models.worker.wire import Frame, WireError, body_size, receive, send

_OFFER = "segments"


class Asking:
    """The parent's end. It makes the memory, as large as its questions need, and as the answers turn out to be."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._question: Segment | None = None
        self._answer: Segment | None = None
        self._largest_answer = 0

    def ask(self, frame: Frame, seconds: float) -> Frame:
        """The answer, checked. Raises as `wire.send` and `wire.receive`."""
        self._make_room(body_size(frame), seconds)
        send(self._connection, frame, seconds, shared=self._question)
        answer = receive(self._connection, seconds, shared=self._answer)
        self._largest_answer = max(self._largest_answer, body_size(answer))
        return answer

    def _make_room(self, question: int, seconds: float) -> None:
        if question > _size(self._question) and (made := segments.make(question, for_answers=False)):
            self._question = self._hand_over(self._question, made, "question", seconds)
        if self._largest_answer > _size(self._answer) and (
            made := segments.make(self._largest_answer, for_answers=True)
        ):
            self._answer = self._hand_over(self._answer, made, "answer", seconds)

    def _hand_over(self, old: Segment | None, made: tuple[Segment, int], which: str, seconds: float) -> Segment:
        segment, descriptor = made
        try:
            send(self._connection, Frame(_OFFER, {"for": which}), seconds, descriptors=[descriptor])
        finally:
            os.close(descriptor)
        if old is not None:
            old.close()
        return segment

    def close(self) -> None:
        """Close the connection and the memory; safe to call twice."""
        self._connection.close()
        for segment in (self._question, self._answer):
            if segment is not None:
                segment.close()


class Answering:
    """The worker's end."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._question: Segment | None = None
        self._answer: Segment | None = None

    def receive(self) -> Frame:
        """The next question. Raises as `wire.receive`."""
        while True:
            descriptors: list[int] = []
            frame = receive(self._connection, shared=self._question, descriptors=descriptors)
            if frame.op != _OFFER:
                return frame
            self._adopt(frame, descriptors)

    def _adopt(self, frame: Frame, descriptors: list[int]) -> None:
        if len(descriptors) != 1:
            raise WireError("shared memory without a descriptor")
        if frame.fields.get("for") == "question":
            self._question = _replaced(self._question, Segment.adopt(descriptors[0], writable=False))
        else:
            self._answer = _replaced(self._answer, Segment.adopt(descriptors[0], writable=True))

    def send(self, frame: Frame) -> None:
        """Answer. Raises as `wire.send`."""
        send(self._connection, frame, shared=self._answer)


def _replaced(old: Segment | None, new: Segment) -> Segment:
    if old is not None:
        with contextlib.suppress(BufferError):
            old.close()
    return new


def _size(segment: Segment | None) -> int:
    return 0 if segment is None else segment.size
