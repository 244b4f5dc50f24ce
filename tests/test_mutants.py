"""Each fault that is common in this field is planted in a copy of the package, and the tests must turn red.

A row: the kind of fault, the file, the right text, the wrong text, the tests that must see it.
"""

import contextlib
import multiprocessing
import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORKS = multiprocessing.get_context("forkserver")                       # imports torch once for all faults
FORKS.set_forkserver_preload(["torch", "beartype", "jaxtyping"])

FAULTS = [
    ("alpha_bar_0 isn't 1", "schedule.py", "beta = torch.cat([beta.new_zeros(1), beta])",
     "beta = torch.cat([beta[:1], beta])", "schedule"),
    ("alpha_bar_{t-1} taken at t", "process.py", "at(sched.alpha_bar, before(t, prev))",
     "at(sched.alpha_bar, t if prev is None else before(t, prev))", "process"),
    ("alpha for alpha_bar", "process.py", "alpha_bar = at(sched.alpha_bar, t)\n    return",
     "alpha_bar = at(sched.alpha, t)\n    return", "process"),
    ("variance for standard deviation", "process.py", "self.var.sqrt() * eps", "self.var * eps", "process"),
    ("beta for its root", "process.py", "fit(beta, x_prev))", "fit(beta.sqrt(), x_prev))", "process"),
    ("t off by one in the loss", "loss.py", "xt = _noised(sched, x0, t, eps)\n    return _squared",
     "xt = _noised(sched, x0, t - 1, eps)\n    return _squared", "loss"),
    ("trained on t, sampled at t + 1", "sample.py",
     "x0 = predict(sched, target, call(net, x, t), x, t, clip).x0",
     "x0 = predict(sched, target, call(net, x, t + 1), x, t, clip).x0", "sample"),
    ("a strided step with the wrong previous time", "sample.py",
     "p, hat = p_step(sched, call(net, x, t), x, t, prev,", "p, hat = p_step(sched, call(net, x, t), x, t, t - 1,",
     "sample"),
    ("beta and beta_tilde mixed up", "prediction.py", '"beta_tilde": _beta_tilde, "beta": _beta,',
     '"beta_tilde": _beta, "beta": _beta_tilde,', "prediction"),
    ("learned variance upside down", "prediction.py", "v * high + (1 - v) * low", "v * low + (1 - v) * high",
     "prediction"),
    ("rising times pass", "sample.py", "any(t <= prev for", "any(t == prev for", "sample"),
    ("negative times wrap around", "schedule.py", "if not 0 <= t <= T:", "if not t <= T:", "schedule"),
    ("times past T wrap around in a batch", "schedule.py", "not 0 <= int(index.min())", "not -T <= int(index.min())",
     "schedule"),
    ("x0 clipped, eps left as it was", "prediction.py", "return Prediction(x0, (xt - a * x0) / b)",
     "return Prediction(x0, kind.eps(out, xt, a, b))", "prediction"),
    ("tables cast before they are used", "schedule.py", "    return table[index]",
     "    return table[index].bfloat16().double()", "schedule"),
    ("float64 reaches a device that has none", "schedule.py", "coefficient.to(like.dtype).to(like.device)",
     "coefficient.to(like.device).to(like.dtype)", "schedule"),
    ("eps at zero terminal SNR", "prediction.py", 'if target == "eps" and not', 'if target == "epsilon" and not',
     "prediction"),
    ("cosine schedule uncapped", "schedule.py", ".clamp(max=beta_max)", "", "schedule"),
    ("noise at the last step", "sample.py", "p.sample(noise(x)) if prev > 0 else p.mean", "p.sample(noise(x))",
     "sample"),
    ("DDIM's eta outside the square", "sample.py", "var = eta**2 * beta_tilde", "var = eta * beta_tilde",
     "sample"),
    ("DDIM's direction without sigma", "sample.py", "(1 - alpha_bar_prev - var) ** 0.5", "(1 - alpha_bar_prev) ** 0.5",
     "sample"),
    ("DPM-Solver's second order lost", "sample.py", "if second_order else x0", "if False else x0", "sample"),
    ("guidance with the wrong sign", "sample.py", "(1 + strength) * with_label - strength",
     "(1 - strength) * with_label + strength", "sample"),
    ("the bound's first term counted as a KL", "loss.py", "== 1\n", "== 0\n", "loss"),
    ("the decoder's end levels cut off", "loss.py", "x0 <= -1 + half, -math.inf,", "x0 < -9, -math.inf,", "loss"),
    ("the bound trains the mean", "loss.py", "half.detach()", "half", "loss"),
    ("T = 0 passes", "schedule.py", "T < 2", "T < 0", "schedule"),
    ("beta of 1.5 passes", "schedule.py", "(beta > 0) & (beta < 1)).all()", "(beta > 0)).all()", "schedule"),
    ("steps > T pass", "sample.py", "if not 1 <= steps <= T:", "if not 1 <= steps:", "sample"),
    ("an empty batch passes", "loss.py", "if len(x0) == 0 or", "if", "loss"),
    ("weights of the memoriser underflow", "exact.py", "here = logit.logsumexp(1, keepdim=True)",
     "here = logit.exp().sum(1, keepdim=True).log()", "exact"),
]


def _run(root: str, tests: str) -> None:
    """In a child of its own: the tests on the copy at root."""
    os.chdir(root)
    sys.path.insert(0, root)
    with open("said.txt", "w") as said, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests.split()])
    os._exit(int(code))


@pytest.mark.parametrize(("file", "right", "wrong", "tests"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_the_planted_fault_is_seen(tmp_path, file, right, wrong, tests):
    for folder in ("ddpm_lite", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "ddpm_lite" / file
    text = path.read_text()
    assert text.count(right) == 1, f"{file} must hold this text once: {right}"
    path.write_text(text.replace(right, wrong))
    child = FORKS.Process(target=_run, args=(str(tmp_path), f"tests/test_{tests}.py"))
    child.start()
    child.join(300)
    child.kill()
    said = (tmp_path / "said.txt").read_text()
    assert child.exitcode == 1 and "1 failed" in said, said[-2000:]
