"""Lets the disk fail at every write of a training: no space, errors, interruptions, short writes.

Holds where a failure ends in one line that names a file and the reason, with exit status 1 and no
half-written file, the run continues to the same bytes afterwards, and what the system only
interrupts changes nothing.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from runs import TRAININGS, Training
from support import Campaign, Faults, content, differences, options

REASONS = {"nospace": "No space left on device", "error": "Input/output error"}


def fails(campaign: Campaign, training: Training, outcome, action: str, what: str) -> None:
    """Check how it failed."""
    lines = outcome.err.splitlines()
    campaign.case(
        outcome.code == 1 and len(lines) == 1, f"{what}: ended with {outcome.code}: {lines}"
    )
    named = str(training.folder) in outcome.err and REASONS[action] in outcome.err
    campaign.case(named, f"{what}: the message names no file or no reason: {lines}")
    campaign.case(not training.leftovers(), f"{what}: left {training.leftovers()}")


def at_calls(
    campaign: Campaign, faults: Faults, training: Training, action: str, most: int | None
) -> None:
    """Try one kind of error at each call."""
    shutil.rmtree(training.folder, ignore_errors=True)
    calls = faults.calls(training.start, training.folder, action)
    whole = content(training.folder)
    for n in campaign.some(list(range(1, len(calls) + 1)), most):
        what = f"{training.name}: {action} at call {n} ({calls[n - 1]})"
        shutil.rmtree(training.folder, ignore_errors=True)
        outcome = faults.run(training.start, training.folder, action, n)
        if action in REASONS:
            fails(campaign, training, outcome, action, what)
            outcome = training.finish()
        campaign.case(outcome.code == 0 and not outcome.err, f"{what}: {outcome.text}")
        different = differences(content(training.folder), whole)
        campaign.case(not different, f"{what}: other bytes in {different}")


def main() -> int:
    """Run the campaign."""
    o = options(__doc__)
    campaign = Campaign("disk_errors", o.seed)
    with tempfile.TemporaryDirectory() as folder:
        faults = Faults(Path(folder))
        for name in TRAININGS if o.full else ["net", "custom"]:
            training = Training(o.tool, name, Path(folder) / name)
            for action in ("nospace", "error", "again", "short"):
                at_calls(campaign, faults, training, action, None if o.full else 5)
    return campaign.end()


if __name__ == "__main__":
    sys.exit(main())
