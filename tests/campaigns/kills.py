"""Kills a training at every call that changes a file, and at random moments, and continues it.

Holds where the files are those of the training never killed, byte by byte, and nothing is left
over.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from runs import TRAININGS, Training
from support import Campaign, Faults, content, differences, options, run


def check(campaign: Campaign, training: Training, whole: dict[str, bytes], what: str) -> None:
    """Continue and compare."""
    outcome = training.finish()
    if not campaign.case(outcome.code == 0, f"{what}: it did not continue: {outcome.text}"):
        return
    different = differences(content(training.folder), whole)
    campaign.case(not different, f"{what}: other bytes in {different}")
    campaign.case(not training.leftovers(), f"{what}: left {training.leftovers()}")


def at_calls(campaign: Campaign, faults: Faults, training: Training, most: int | None) -> None:
    """Kill before, and in the middle of, each call; sometimes the continued one again."""
    calls = faults.calls(training.start, training.folder, "kill")
    whole = content(training.folder)
    cases = [(n, action) for n in range(1, len(calls) + 1) for action in ("kill", "torn")]
    for n, action in campaign.some(cases, most):
        what = f"{training.name}: {action} at call {n} ({calls[n - 1]})"
        shutil.rmtree(training.folder)
        killed = faults.run(training.start, training.folder, action, n)
        campaign.case(killed.code == -signal.SIGKILL, f"{what}: it ended with {killed.code}")
        if campaign.random.random() < 0.3:
            faults.run(training.next, training.folder, "torn", campaign.random.randint(1, 20))
        check(campaign, training, whole, what)


def at_random(campaign: Campaign, training: Training, times: int) -> None:
    """Kill at moments that the clock decides."""
    shutil.rmtree(training.folder, ignore_errors=True)
    start = time.monotonic()
    run(training.start)
    length = time.monotonic() - start
    whole = content(training.folder)
    for _ in range(times):
        shutil.rmtree(training.folder)
        moments = [campaign.random.uniform(0, length) for _ in range(campaign.random.randint(1, 3))]
        for moment in moments:
            process = subprocess.Popen(
                [str(word) for word in training.next], stderr=subprocess.DEVNULL
            )
            time.sleep(moment)
            process.kill()
            process.wait()
        check(campaign, training, whole, f"{training.name}: killed after {moments} s")


def main() -> int:
    """Run the campaign."""
    o = options(__doc__)
    campaign = Campaign("kills", o.seed)
    with tempfile.TemporaryDirectory() as folder:
        faults = Faults(Path(folder))
        for name in TRAININGS if o.full else ["net", "custom"]:
            training = Training(o.tool, name, Path(folder) / name)
            at_calls(campaign, faults, training, None if o.full else 12)
            at_random(campaign, training, 50 if o.full else 3)
    return campaign.end()


if __name__ == "__main__":
    sys.exit(main())
