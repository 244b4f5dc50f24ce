"""Sliders whose pictures are drawn beforehand, for slides."""
import re

import ipywidgets as W
import pytest

from ddpm_lite.course import explore, player, subplots
from ddpm_lite.course.widgets import Explorer


def line(t=3, scale=1.0):
    fig, ax = subplots(figsize=(3, 2))
    ax.plot([0, t * scale])
    return fig


def explorer(**controls):
    return Explorer(line, "Predict: where?", lambda t, scale: f"t = {t}, scale = {scale}", controls)


@pytest.mark.parametrize("control, labels", [
    (W.IntSlider(min=1, max=4, value=2), ["1", "2", "3", "4"]),
    (W.FloatSlider(min=-1, max=1, step=0.5, value=0), ["-1", "-0.5", "0", "0.5", "1"]),
    (W.Dropdown(options=["a", "b"]), ["a", "b"]),
    (W.SelectionSlider(options=[("none", 0), ("all", 9)]), ["none", "all"]),
])
def test_every_value_of_a_short_control_is_a_stop(control, labels):
    assert list(player.stops(control)) == labels


def test_a_long_slider_has_few_stops_with_its_ends_and_its_start():
    found = list(player.stops(W.IntSlider(min=5, max=995, step=10, value=100)).values())
    assert len(found) == player.FRAMES <= 50
    assert found[0] == 5 and found[-1] == 995 and 100 in found and found == sorted(found)
    assert all(isinstance(value, int) for value in found)


def test_a_player_holds_each_picture_and_starts_where_the_slider_does():
    page = player.player(explorer(t=(0, 4), scale=(0.0, 2.0, 0.5)), "t")
    assert re.findall(r'alt="t = (\d), scale = 1.0"', page) == list("01234")
    assert len(set(re.findall("base64,[^\"]+", page))) == 5
    assert 'max="4" value="3"' in page and "Predict: where?" in page and "scale = 1.0" in page


def test_a_player_moves_a_control_that_is_there():
    with pytest.raises(ValueError, match=r"play must name one of \['scale', 't'\], got 'T'"):
        player.player(explorer(t=(0, 4), scale=(0.0, 2.0)), "T")


def test_a_page_holds_one_picture_unless_slides_are_made(monkeypatch):
    shown = []
    monkeypatch.setattr("ddpm_lite.course.widgets.display", lambda data, raw: shown.append(data["text/html"]))
    options = {"question": "Predict: where?", "alt": "A line.", "play": "t", "t": (0, 4)}
    explore(line, **options)
    monkeypatch.setenv(player.PLAYERS, "1")
    explore(line, **options)
    assert [page.count("<img") for page in shown] == [1, 5]
