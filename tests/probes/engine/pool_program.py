"""A program with a pool, to be killed: prints the pids of its workers as JSON and goes on probing.

python -m tests.probes.engine.pool_program URL
"""

from __future__ import annotations

import asyncio
import json
import sys

from probes.engine.pool import WorkerPool
from tests.probes.support import target


async def run(url: str) -> None:
    pool = WorkerPool([target(url, name=f"t{number}", every="200ms") for number in range(10)], "test", processes=2)
    await pool.start()
    print(json.dumps(pool.pids()), flush=True)
    async for _ in pool.batches():
        pass


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
