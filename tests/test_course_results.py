"""What notebooks read of `make bench`."""

import json

from ddpm_lite.course import results


def test_a_stage_is_read_and_a_missing_one_says_what_to_do(tmp_path, capsys):
    path = tmp_path / "results.json"
    assert results.read("quality", path) is None
    assert "'quality'" in (said := capsys.readouterr().out) and "make bench" in said
    path.write_text(json.dumps({"quality": {"seconds": 60}}))
    assert results.read("quality", path) == {"seconds": 60} and capsys.readouterr().out == ""
    assert results.read("speed", path) is None and "'speed'" in capsys.readouterr().out
