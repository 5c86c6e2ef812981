"""The trainings that the campaigns interrupt: short, with all that a run's folder can hold."""

from __future__ import annotations

from pathlib import Path

from support import Outcome, run

# Name and options. Checkpoints fall into epochs, onto their ends, and after every step.
TRAININGS = {
    "net": "--model net --epochs 2 --checkpoint-every 9 --record csv,jsonl",
    "custom": "--model custom --epochs 2 --checkpoint-every 23 --schedule cosine "
    "--record tensorboard,csv",
    "adam": "--model net --epochs 1 --checkpoint-every 1 --optimizer adam --lr 0.01 --record jsonl",
    "cnn": "--model cnn --epochs 1 --checkpoint-every 7 --schedule step --norm none --record csv",
}


class Training:
    """A training by the tool into a folder."""

    def __init__(self, tool: Path, name: str, folder: Path) -> None:
        self.tool, self.name, self.folder = tool, name, folder

    @property
    def start(self) -> list:
        """The command that begins it."""
        options = TRAININGS[self.name].split()
        return [self.tool, "train", "--quiet", "--threads", "1", *options, "--out", self.folder]

    @property
    def resume(self) -> list:
        """The command that continues it."""
        return [self.tool, "train", "--quiet", "--resume", self.folder]

    @property
    def next(self) -> list:
        """What a user does after a kill: a run that had not begun is begun."""
        begun = (self.folder / "settings.json").exists()
        return self.resume if begun else self.start

    def finish(self) -> Outcome:
        """Run to the end."""
        return run(self.next)

    def leftovers(self) -> list[str]:
        """Temporary files in the folder."""
        return [p.name for p in self.folder.rglob("*") if ".tmp" in p.name]
