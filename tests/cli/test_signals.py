"""A signal is answered by its own code, whatever comes of the exception that it raised."""

import os
import signal
import time

import pytest

from auditkit.cli.main import cli, main
from auditkit.cli.signals import Terminated


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_a_signal_that_compiled_code_wraps(monkeypatch, capsys, number, code):
    """Compiled code that calls back into Python raises an error of its own for what is raised there."""

    def work(*arguments, **options):
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        except (KeyboardInterrupt, Terminated):
            raise ValueError("the callback failed") from None

    monkeypatch.setattr(cli, "main", work)
    assert main(["checks"]) == code
    said = capsys.readouterr().err
    assert "--resume goes on with it" in said
    assert "internal error" not in said


def test_an_error_without_a_signal_is_one(monkeypatch, capsys):
    def work(*arguments, **options):
        raise ValueError("ours")

    monkeypatch.setattr(cli, "main", work)
    assert main(["checks"]) == 3
    assert "internal error, please report it: ValueError: ours" in capsys.readouterr().err
