"""Waits of asyncio's tasks. No thread waits for them: the library tells the loop when one has ended."""

from __future__ import annotations

import asyncio
from typing import Any

from .._shmkit import Waiting


async def wait(waiting: Waiting) -> Any:
    """What comes of a wait. Cancelled, it holds nothing, and nothing that was meant for others is lost."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not ended.done():
            ended.set_result(None)

    def tell() -> None:
        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:
            # The loop is closed, and nobody waits any more.
            pass

    try:
        if not waiting.begin(tell):
            await ended
        return waiting.result()
    finally:
        waiting.cancel()
