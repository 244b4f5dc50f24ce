"""What the reader has solved: kept through crashes, never in the way of a check."""
import ast
import json
import os

import pytest

from ddpm_lite.course import check, journal, progress


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def right(alpha_bar_prev, sigma):
    return (1 - alpha_bar_prev - sigma**2) ** 0.5


def test_checks_are_counted_and_solved_stays_solved(here):
    check("old_noise", None)                                            # untouched: nothing to keep
    assert not journal.FILE.exists()
    check("old_noise", lambda alpha_bar_prev, sigma: sigma)
    assert journal.read() == {"old_noise": {"checked": 1, "solved": None}}
    check("old_noise", right)
    day = journal.read()["old_noise"]["solved"]
    check("old_noise", lambda alpha_bar_prev, sigma: sigma)
    assert journal.read() == {"old_noise": {"checked": 3, "solved": day}} and len(day) == 10
    assert [path.name for path in here.iterdir()] == ["progress.json"]
    assert json.loads(journal.FILE.read_text())["version"] == 1 and "\n  " in journal.FILE.read_text()


def test_a_save_that_fails_keeps_what_was_there_and_the_verdict(monkeypatch, capsys):
    check("old_noise", right)
    before = journal.FILE.read_bytes()
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(full))
    check("two_points", lambda xt, alpha_bar_t: xt)
    said = capsys.readouterr().out
    assert "two_points: not yet." in said and "Your progress isn't kept" in said and "No space left" in said
    assert journal.FILE.read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"version": 2, "exercises": {}}',
                                  '{"version": 1, "exercises": {"old_noise": 3}}'])
def test_a_file_that_cant_be_read_is_named_and_left_alone(text, capsys):
    journal.FILE.write_text(text)
    check("old_noise", right)
    said = capsys.readouterr().out
    assert "old_noise: right. ✓" in said and f"{journal.FILE.resolve()} can't be read" in said
    assert journal.FILE.read_text() == text
    with pytest.raises(ValueError, match="mend it, or move it away to begin anew"):
        progress()


def test_progress_shows_every_notebook(capsys):
    check("old_noise", right)
    check("two_points", lambda xt, alpha_bar_t: xt)
    capsys.readouterr()
    progress()
    lines = ast.literal_eval(capsys.readouterr().out)["text/plain"].splitlines()
    [six] = [line for line in lines if line.startswith("06")]
    assert "1 of 6" in six and "✓ old_noise" in six and "… two_points" in six
    assert len(lines) == len({line[:2] for line in lines}) >= 12
