"""`ddpm-lite train | sample | evaluate`: reads the options, runs the command, says errors in one line."""
import contextlib
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import tyro

from ddpm_lite.checkpoint import read_config
from ddpm_lite.cli_sample import Evaluate, Sample
from ddpm_lite.cli_train import Train
from ddpm_lite.download import DownloadError

Command: Any = (
    Annotated[Train, tyro.conf.subcommand("train")] | Annotated[Sample, tyro.conf.subcommand("sample")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")])
FAILURES = (OSError, ArithmeticError, ImportError, DownloadError)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 2 bad arguments (one line says what was expected), 1 everything else."""
    try:
        return parse(sys.argv[1:] if argv is None else argv).run()
    except SystemExit:                                                  # --help
        return 0
    except (ValueError, FileNotFoundError, FileExistsError) as error:
        return complain(error, 2)
    except FAILURES as error:
        return complain(error, 1)
    except (MemoryError, RuntimeError) as error:                        # torch's allocators raise the latter
        if isinstance(error, RuntimeError) and not re.search("allocate memory|out of memory", str(error)):
            raise
        return complain("out of memory: try a smaller --batch or --width", 1)
    except KeyboardInterrupt:
        return complain("interrupted; what was saved before stays", 1)


def complain(error: object, code: int) -> int:
    text = str(error)
    if isinstance(error, OSError) and error.strerror:                   # without the number
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    print("ddpm-lite:", " ".join(text.split()), file=sys.stderr)
    return code


def parse(argv: Sequence[str]) -> Train | Sample | Evaluate:
    """The command that argv asks for; on --resume the run's own options are the defaults."""
    command = ask(Command, argv)
    if not isinstance(command, Train) or not command.resume:
        return command
    said = read_config(command.out)
    network, sched, training = said["network"], said["schedule"], said["training"]
    if command.steps is not None or command.seconds is not None:        # a new budget replaces the old one
        training |= {"steps": None, "seconds": None}
    saved = replace(
        command, **training, schedule=sched.get("name", "custom"), T=sched.get("T", 0),
        labels=network["classes"] > 0, levels=tuple(network["levels"]),
        **{name: network[name] for name in ("width", "blocks", "dropout")})
    return ask(Train, argv[1:], default=saved)


def ask(kind: Any, argv: Sequence[str], **default: Any) -> Any:
    """tyro's answer; its box of complaints becomes one line of a ValueError."""
    box, config = io.StringIO(), [tyro.conf.DisallowNone]
    if not default:                                                     # a flag that is on would be --no-flag
        config.append(tyro.conf.FlagCreatePairsOff)
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(kind, args=argv, prog="ddpm-lite", config=config, **default)
    except SystemExit as end:
        if not end.code:
            raise
    lines = [line.strip("│ ") for line in box.getvalue().splitlines()[1:-1]]
    parts = [part.strip("\n─. ") for part in re.split(r"^─*$", "\n".join(lines), flags=re.MULTILINE)]
    hints = re.compile("Argument helptext|For full helptext|Got errors")
    raise ValueError("; ".join(part for part in parts if part and not hints.match(part)) + "; see --help")
