"""The command line: one command a stage, and a few for people. Imports stand inside the commands: help is instant."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import click

from gbaseg import __version__
from gbaseg.cli import project, results, stages
from gbaseg.errors import UserError
from gbaseg.runtime.ending import Ended, on_signals
from gbaseg.runtime.family import DVC_STAGE
from gbaseg.runtime.leaving import run_to_its_end


class Group(click.Group):
    """Prints a user's mistake without a traceback; lists commands in the order of the pipeline.

    Exit codes are in the help of `main`. A wrong call is a mistake like others: 1, not click's 2.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Of the program; in Python `main` is called."""
        if DVC_STAGE in os.environ:
            from gbaseg.runtime.stage_client import hand_over

            try:
                hand_over()
            except UserError as error:
                click.echo(f"gbaseg: {error}", err=True)
                sys.exit(error.exit_code)
        run_to_its_end(partial(super().__call__, *args, **kwargs))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _wrong_calls_as_mistakes():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with on_signals(), _wrong_calls_as_mistakes():
                return super().invoke(ctx)
        except UserError as error:
            click.echo(f"gbaseg: {error}", err=True)
            sys.exit(error.exit_code)
        except Ended as ended:
            click.echo(f"gbaseg: {ended}", err=True)
            raise
        except Exception as error:
            from gbaseg.runtime.room import disk_fault

            fault = disk_fault(error)
            if fault is None:
                raise
            click.echo(f"gbaseg: {fault}", err=True)
            sys.exit(UserError.exit_code)


@contextmanager
def _wrong_calls_as_mistakes() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        error.show()
        sys.exit(UserError.exit_code)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--device", metavar="NAME", help="auto (default), cpu, cuda or cuda:N.")
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes side by side on the processor; default: one a core."
)
def main(device: str | None, workers: int | None) -> None:
    """Cross-modal tumour segmentation with generative blending augmentation and self-training.

    The commands from `phantom` to `summarise` are the stages of the pipeline; `dvc repro` runs those that are due.

    Exit codes: 0 all is done; 1 a mistake in the call, the settings or the data, the message says which; 2 some scans
    could not be segmented, the others are done (predict); 143, 130, 129 ended by SIGTERM, Ctrl-C, a closed terminal.
    """
    # Environment, not parameters: they change no result, and reach the worker processes.
    if device is not None:
        from gbaseg.runtime.device import check_name

        check_name(device)
        os.environ["GBASEG_DEVICE"] = device
    if workers is not None:
        os.environ["GBASEG_WORKERS"] = str(workers)


for command in (*stages.COMMANDS, *results.COMMANDS, *project.COMMANDS):
    main.add_command(command)
