"""Lines that are worked on together as far as they have arrived."""

import queue
import threading
from collections.abc import Iterable, Iterator


def as_they_come(lines: Iterable[str], *, at_most: int) -> Iterator[list[str]]:
    """Group ``lines``: those that have arrived by the time the last group was done.

    A slow source, such as a person typing, is answered line by line; a fast one in groups of
    ``at_most``. An error in ``lines`` is raised here, after the lines before it.
    """
    arrived: queue.Queue[str | BaseException | None] = queue.Queue(maxsize=4 * at_most)

    def read() -> None:
        try:
            for line in lines:
                arrived.put(line)
            arrived.put(None)
        except BaseException as error:
            arrived.put(error)

    threading.Thread(target=read, daemon=True).start()
    end: str | BaseException | None = ""
    while isinstance(end, str):
        group: list[str] = []
        end = arrived.get()
        while isinstance(end, str):
            group.append(end)
            if len(group) == at_most or arrived.empty():
                break
            end = arrived.get()
        if group:
            yield group
    if end is not None:
        raise end
