"""Each fault that is common in this field is planted in a copy of the package, and the tests must turn red.

A row: the fault, the file, the tests that must see it, the right text, the wrong text.
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
    ("alpha_bar_0 isn't 1", "schedule.py", "schedule",
     "beta = torch.cat([beta.new_zeros(1), beta])", "beta = torch.cat([beta[:1], beta])"),
    ("alpha_bar_{t-1} taken at t", "process.py", "process",
     "at(sched.alpha_bar, before(t, prev))", "at(sched.alpha_bar, t if prev is None else before(t, prev))"),
    ("alpha for alpha_bar", "process.py", "process",
     "alpha_bar = at(sched.alpha_bar, t)\n    return", "alpha_bar = at(sched.alpha, t)\n    return"),
    ("variance for standard deviation", "process.py", "process", "self.var.sqrt() * eps", "self.var * eps"),
    ("beta for its root", "process.py", "process", "fit(beta, x_prev))", "fit(beta.sqrt(), x_prev))"),
    ("t off by one in the loss", "loss.py", "loss",
     "xt = _noised(sched, x0, t, eps)\n    return _squared",
     "xt = _noised(sched, x0, t - 1, eps)\n    return _squared"),
    ("trained on t, sampled at t + 1", "sample.py", "sample",
     "x0 = predict(sched, target, call(net, x, t), x, t, clip).x0",
     "x0 = predict(sched, target, call(net, x, t + 1), x, t, clip).x0"),
    ("a strided step with the wrong previous time", "sample.py", "sample",
     "p, hat = p_step(sched, call(net, x, t), x, t, prev,",
     "p, hat = p_step(sched, call(net, x, t), x, t, t - 1,"),
    ("beta and beta_tilde mixed up", "prediction.py", "prediction",
     '"beta_tilde": _beta_tilde, "beta": _beta,', '"beta_tilde": _beta, "beta": _beta_tilde,'),
    ("learned variance upside down", "prediction.py", "prediction",
     "v * high + (1 - v) * low", "v * low + (1 - v) * high"),
    ("rising times pass", "sample.py", "sample", "any(t <= prev for", "any(t == prev for"),
    ("negative times wrap around", "schedule.py", "schedule", "if not 0 <= t <= T:", "if not t <= T:"),
    ("times past T wrap around in a batch", "schedule.py", "schedule",
     "not 0 <= int(index.min())", "not -T <= int(index.min())"),
    ("x0 clipped, eps left as it was", "prediction.py", "prediction",
     "return Prediction(x0, (xt - a * x0) / b)", "return Prediction(x0, kind.eps(out, xt, a, b))"),
    ("tables cast before they are used", "schedule.py", "schedule",
     "    return table[index]", "    return table[index].bfloat16().double()"),
    ("float64 reaches a device that has none", "schedule.py", "schedule",
     "    coefficient = coefficient.to(like.dtype) ", "    coefficient = coefficient.to(like.device) "),
    ("eps at zero terminal SNR", "prediction.py", "prediction",
     'if target == "eps" and not', 'if target == "epsilon" and not'),
    ("cosine schedule uncapped", "schedule.py", "schedule", ".clamp(max=beta_max)", ""),
    ("noise at the last step", "sample.py", "sample",
     "p.sample(noise(x)) if prev > 0 else p.mean", "p.sample(noise(x))"),
    ("DDIM's eta outside the square", "sample.py", "sample",
     "var = eta**2 * beta_tilde", "var = eta * beta_tilde"),
    ("DDIM's direction without sigma", "sample.py", "sample",
     "(1 - alpha_bar_prev - var) ** 0.5", "(1 - alpha_bar_prev) ** 0.5"),
    ("DPM-Solver's second order lost", "sample.py", "sample", "if second_order else x0", "if False else x0"),
    ("guidance with the wrong sign", "sample.py", "sample",
     "(1 + strength) * said - strength", "(1 - strength) * said + strength"),
    ("the bound's first term counted as a KL", "loss.py", "loss", "== 1\n", "== 0\n"),
    ("the decoder's end levels cut off", "loss.py", "loss",
     "x0 <= -1 + half, -math.inf,", "x0 < -9, -math.inf,"),
    ("the bound trains the mean", "loss.py", "loss", "half.detach()", "half"),
    ("an unused branch spoils the gradient", "loss.py", "loss -k wild", "p.var.where(first, 1)", "p.var"),
    ("T = 0 passes", "schedule.py", "schedule", "T < 2", "T < 0"),
    ("beta of 1.5 passes", "schedule.py", "schedule", "(beta > 0) & (beta < 1)).all()", "(beta > 0)).all()"),
    ("steps > T pass", "sample.py", "sample", "if not 1 <= steps <= T:", "if not 1 <= steps:"),
    ("an empty batch passes", "loss.py", "loss", "if len(x0) == 0 or", "if"),
    ("weights of the memoriser underflow", "exact.py", "exact",
     "here = logit.logsumexp(1, keepdim=True)", "here = logit.exp().sum(1, keepdim=True).log()"),
    ("times from 0 in training", "batches.py", "train -k stratified",
     "return 1 + ((torch.arange", "return 0 + ((torch.arange"),
    ("images from 0 to 255 pass", "batches.py", "train -k refused",
     "max(-low, high) > 1 + 1e-6", "max(-low, high) > 1000"),
    ("images in [0, 1] pass without a word", "batches.py", "train -k warned",
     "data.ndim == 4 and low >= 0", "data.ndim == 4 and low > 0.5"),
    ("NaN in the data passes", "batches.py", "train -k refused",
     "if not (finite :=", "if False and not (finite :="),
    ("NaN in the loss passes", "train.py", "train -k nan", "if not math.isfinite(loss + norm):", "if False:"),
    ("a step into NaN is taken", "train.py", "train -k nan",
     "self.optimizer.found_inf = self.bad", "self.found_inf = self.bad"),
    ("the average never moves", "train.py", "train -k average",
     "        self.average.update_parameters(self.net)\n", ""),
    ("the average is too young", "ema.py", "train -k average",
     "step = 1 - ((1 + n) / torch.as_tensor(10 + n)).clamp(max=decay)", "step = 1 - torch.as_tensor(decay)"),
    ("the average averages buffers", "ema.py", "train -k average", "use_buffers=False", "use_buffers=True"),
    ("sampling in training mode", "checkpoint.py", "checkpoint -k loads",
     "Run(net.eval()", "Run(net.train()"),
    ("a resumed run starts over", "checkpoint.py", "checkpoint -k bitwise",
     'int(about["step"])', '0 * int(about["step"])'),
    ("the optimizer's state isn't kept", "train.py", "checkpoint -k bitwise",
     "return net | average | state", "return net | average"),
    ("a save in place", "files.py", "checkpoint -k cut", 'with open(part, "wb")', 'with open(path, "wb")'),
    ("a damaged checkpoint passes", "files.py", "checkpoint -k flipped",
     "if checksum(tensors) != about", "if False and checksum(tensors) != about"),
    ("a wrong download passes", "download.py", "data -k wrong",
     "if (found := digest(part)) == sha256:", "if (found := digest(part)):"),
]


def _run(root: str, tests: str) -> None:
    """In a child of its own: the tests on the copy at root."""
    name, *choice = tests.split()
    os.chdir(root)
    sys.path.insert(0, root)
    with open("said.txt", "w") as said, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", f"tests/test_{name}.py", *choice])
    os._exit(int(code))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[0])
def test_the_planted_fault_is_seen(tmp_path, fault):
    _, file, tests, right, wrong = fault
    for folder in ("ddpm_lite", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "ddpm_lite" / file
    text = path.read_text()
    assert text.count(right) == 1, f"{file} must hold this text once: {right}"
    path.write_text(text.replace(right, wrong))
    child = FORKS.Process(target=_run, args=(str(tmp_path), tests))
    child.start()
    child.join(300)
    child.kill()
    said = (tmp_path / "said.txt").read_text()
    assert child.exitcode == 1 and "1 failed" in said, said[-2000:]
