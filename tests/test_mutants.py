"""The faults of this field, each planted in the package: a test must turn red.

MUTANTS: the number of a kind of fault -> its mutants. A mutant is a row: what is wrong, the file, the tests
that must see it, the right text, the wrong text. The package on disk stays as it is: in a process of its own
the module is loaded from the wrong text, and the tests run without the run-time shape checks.
"""

import contextlib
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import multiprocessing
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORKS = multiprocessing.get_context("forkserver")                       # imports all this once for all
FORKS.set_forkserver_preload(["pytest", "hypothesis", "torch.testing", "torch.nn.parallel", "torch._dynamo",
                              "tyro", "einops", "jaxtyping", "safetensors.torch"])

KINDS = {
    0: "slips in printed courses",
    1: "alpha_bar_{t-1} and alpha_bar_0",
    2: "t off by one, a strided step's previous time",
    3: "beta, beta_tilde, learned range",
    4: "times in a wrong order, repeated, past T, negative, float",
    5: "images from 0 to 1 or to 255",
    6: "x0 clipped, eps kept",
    7: "NaN",
    8: "half precision",
    9: "the moving average",
    10: "sampling in training mode",
    11: "zero terminal SNR",
    12: "the cosine schedule's ends",
    13: "devices",
    14: "worker processes",
    15: "checkpoints and files",
    16: "bad arguments",
    17: "ours: solvers, guidance, the bound, the optimizer",
}

MUTANTS = {
    0: [
        ("variance for standard deviation", "process", "process -k standard",
         "self.var.sqrt() * eps", "self.var * eps"),
        ("beta for its root", "process", "process -k chain",
         "fit(beta, x_prev))", "fit(beta.sqrt(), x_prev))"),
        ("sqrt(1 - alpha_bar) as a variance", "process", "process -k chain",
         "fit(1 - alpha_bar, x0))", "fit((1 - alpha_bar).sqrt(), x0))"),
        ("alpha for alpha_bar", "process", "process -k chain",
         "alpha_bar = at(sched.alpha_bar, t)\n    return", "alpha_bar = at(sched.alpha, t)\n    return"),
        ("alpha_bar for alpha in the posterior's mean", "process", "process -k grid",
         "on_xt = alpha.sqrt()", "on_xt = alpha_bar.sqrt()"),
        ("uniform noise", "sample", "properties -k noise",
         "torch.randn(x.shape, generator=generator)", "torch.rand(x.shape, generator=generator)"),
        ("noise at the last step", "sample", "sample -k no_noise",
         "p.sample(noise(x)) if prev > 0 else p.mean", "p.sample(noise(x))"),
        ("DDIM's eta outside the square", "sample", "sample -k ddims_noise",
         "var = eta**2 * beta_tilde", "var = eta * beta_tilde"),
        ("DDIM's direction without sigma", "sample", "sample -k family",
         "(1 - alpha_bar_prev - var) ** 0.5", "(1 - alpha_bar_prev) ** 0.5"),
    ],
    1: [
        ("alpha_bar_0 isn't 1", "schedule", "schedule -k start_at_clean",
         "beta = torch.cat([beta.new_zeros(1), beta])", "beta = torch.cat([beta[:1], beta])"),
        ("alpha_bar_{t-1} taken at t", "process", "process -k grid",
         "at(sched.alpha_bar, before(t, prev))",
         "at(sched.alpha_bar, t if prev is None else before(t, prev))"),
        ("a table that starts anywhere passes", "schedule", "properties -k tables",
         "len(table) < 2 or table[0] != first", "len(table) < 2"),
    ],
    2: [
        ("t off by one in the loss", "loss", "loss -k by_hand",
         "xt = _noised(sched, x0, t, eps)\n    return _squared",
         "xt = _noised(sched, x0, t - 1, eps)\n    return _squared"),
        ("trained on t, sampled at t + 1", "sample", "sample -k papers_update",
         "x0 = predict(sched, target, call(net, x, t), x, t, clip).x0",
         "x0 = predict(sched, target, call(net, x, t + 1), x, t, clip).x0"),
        ("ancestral's stride forgotten", "sample", "sample -k eta_1",
         "p, hat = p_step(sched, call(net, x, t), x, t, prev,",
         "p, hat = p_step(sched, call(net, x, t), x, t, t - 1,"),
        ("DDIM's stride forgotten", "sample", "sample -k eta_1",
         "float(sched.alpha_bar[prev])", "float(sched.alpha_bar[t - 1])"),
        ("the walk ends at 1", "sample", "sample -k test_times",
         "for i in range(steps, -1, -1)]", "for i in range(steps, 0, -1)]"),
        ("the bound's times from 1", "loss", "loss -k every_time", "t = 2 + ((i + u)", "t = 1 + ((i + u)"),
        ("training's times from 0", "batches", "train -k stratified",
         "return 1 + ((torch.arange", "return 0 + ((torch.arange"),
    ],
    3: [
        ("beta and beta_tilde mixed up", "prediction", "prediction -k variances",
         '"beta_tilde": _beta_tilde, "beta": _beta,', '"beta_tilde": _beta, "beta": _beta_tilde,'),
        ("learned variance upside down", "prediction", "prediction -k variances",
         "v * high + (1 - v) * low", "v * low + (1 - v) * high"),
        ("learned range from 0 to 1", "prediction", "prediction -k variances",
         "v = (learned + 1) / 2", "v = learned"),
        ("a stride has one step's beta", "prediction", "prediction -k variances",
         "return 1 - at(sched.alpha_bar, t) / at(sched.alpha_bar, prev) ", "return at(sched.beta, t) "),
    ],
    4: [
        ("rising times pass", "sample", "sample -k bad_input", "any(t <= prev for", "any(t == prev for"),
        ("repeated times pass", "sample", "sample -k bad_input", "any(t <= prev for", "any(t < prev for"),
        ("times past T pass", "sample", "sample -k bad_input", "ts[0] > T or ", ""),
        ("times that don't end at 0 pass", "sample", "sample -k bad_input", "ts[-1] != 0 or ", ""),
        ("float times pass", "sample", "sample -k bad_input",
         "whole = all(isinstance(t, int) for t in ts)", "whole = True"),
        ("negative times wrap around", "schedule", "schedule -k bad_input",
         "if not 0 <= t <= T:", "if not t <= T:"),
        ("negative times wrap around in a batch", "schedule", "schedule -k bad_input",
         "not 0 <= int(index.min())", "not -T <= int(index.min())"),
        ("prev = t passes", "process", "process -k bad_times", "(prev >= t)", "(prev > t)"),
        ("t = 0 passes", "process", "process -k bad_times", "else 1) < 1:", "else 1) < 0:"),
    ],
    5: [
        ("images from 0 to 255 pass", "batches", "train -k refused",
         "max(-low, high) > 1 + 1e-6", "max(-low, high) > 1000"),
        ("images from 0 to 1 pass without a word", "batches", "train -k warned",
         "data.ndim == 4 and low >= 0", "data.ndim == 4 and low > 0.5"),
        ("samples in bytes pass", "schedule", "schedule -k bad_input",
         "if not like.is_floating_point():", "if False:"),
    ],
    6: [("x0 clipped, eps left as it was", "prediction", "prediction -k clipped",
         "return Prediction(x0, (xt - a * x0) / b)", "return Prediction(x0, kind.eps(out, xt, a, b))")],
    7: [
        ("NaN in the data passes", "batches", "train -k refused",
         "if not (finite :=", "if False and not (finite :="),
        ("NaN in the loss passes", "train", "train -k nan",
         "if not math.isfinite(loss + norm):", "if False:"),
        ("a step into NaN is taken", "train", "train -k nan",
         "self.optimizer.found_inf = self.bad", "self.found_inf = self.bad"),
        ("NaN is saved", "checkpoint", "checkpoint -k nan",
         "if not all(v.isfinite().all() for v in tensors.values()):\n        raise FloatingPointError",
         "if False:\n        raise FloatingPointError"),
        ("a beta of NaN passes", "schedule", "schedule -k bad_input",
         "if not bool(((beta > 0) & (beta < 1)).all()):", "if bool(((beta <= 0) | (beta >= 1)).any()):"),
    ],
    8: [
        ("tables cast before they are used", "schedule", "schedule -k gather",
         "    return table[index]", "    return table[index].bfloat16().double()"),
        ("1 - alpha_bar after the cast", "process", "prediction -k half",
         "fit(1 - alpha_bar, x0))", "1 - fit(alpha_bar, x0))"),
    ],
    9: [
        ("the average never moves", "train", "train -k average",
         "        self.average.update_parameters(self.net)\n", ""),
        ("the average is too young", "ema", "train -k average",
         "min(self.decay, (1 + n) / (10 + n))", "self.decay"),
        ("the average averages buffers", "ema", "train -k average",
         "average.copy_(now)", "average.lerp_(now, 0.5)"),
        ("the weights are sampled, not the average", "checkpoint", "checkpoint -k loads",
         'name.startswith("ema.module.")}', 'name.startswith("ema.module.")}\n'
         '    average = {name[4:]: v for name, v in tensors.items() if name.startswith("net.")}'),
    ],
    10: [
        ("a run is loaded in training mode", "checkpoint", "checkpoint -k loads",
         "Run(net.eval()", "Run(net.train()"),
        ("the average is in training mode", "ema", "train -k dropout",
         "self.eval().requires", "self.requires"),
        ("nobody says so", "sample", "sample -k training",
         'if getattr(net, "training", False):', "if False:"),
    ],
    11: [("eps at zero terminal SNR", "prediction", "prediction -k terminal",
          'if target == "eps" and not', 'if target == "epsilon" and not')],
    12: [
        ("uncapped", "schedule", "schedule -k cosine", ".clamp(max=beta_max)", ""),
        ("no offset", "schedule", "schedule -k cosine", "(t / T + s) / (1 + s)", "(t / T)"),
    ],
    13: [
        ("float64 reaches a device that has none", "schedule", "schedule -k device",
         "    coefficient = coefficient.to(like.dtype) ", "    coefficient = coefficient.to(like.device) "),
        ("t stays on another device than the table", "schedule", "properties -k device",
         "index = t.to(table.device)", "index = t"),
        ("the sampler's noise drawn on the device", "sample", "properties -k noise",
         "drawn = torch.randn(x.shape, generator=generator)", "drawn = torch.randn(x.shape).to(x).normal_()"),
        ("the bound's noise drawn on the device", "loss", "properties -k noise",
         "torch.randn(x0.shape, generator=generator).to(x0)", "torch.randn_like(x0)"),
    ],
    14: [("a step waits for a DataLoader's worker", "train", "properties -k process",
          "reports.append(self._advance())", "reports.append(self._advance())\n            "
          "next(iter(torch.utils.data.DataLoader(self.data, num_workers=1)))")],
    15: [
        ("a save in place", "atomic", "checkpoint -k cut", 'with open(part, "wb")', 'with open(path, "wb")'),
        ("a save that isn't flushed to the disk", "atomic", "checkpoint -k full",
         "os.fsync(file.fileno())", "pass"),
        ("a failed save leaves its part", "atomic", "checkpoint -k full",
         "part.unlink(missing_ok=True)", "pass"),
        ("a killed save's part stays", "checkpoint", "checkpoint -k leftovers", "leftover.unlink()", "pass"),
        ("a full disk or a locked folder isn't named", "atomic", "checkpoint -k full",
         'f"can\'t write {path} ({why}); what was there stays"', "why"),
        ("a damaged checkpoint passes", "files", "checkpoint -k flipped",
         "if checksum(tensors, about) != about", "if False and checksum(tensors, about) != about"),
        ("a wrong download passes", "download", "data -k wrong",
         "if (found := digest(part)) == sha256:", "if (found := digest(part)):"),
        ("a resumed run starts over", "checkpoint", "checkpoint -k bitwise and plain",
         'int(about["step"])', '0 * int(about["step"])'),
        ("the optimizer's state isn't kept", "train", "checkpoint -k bitwise and plain",
         "return net | average | state", "return net | average"),
    ],
    16: [
        ("T = 1 passes", "schedule", "schedule -k bad_input", "T < 2", "T < 1"),
        ("a beta of 0 passes", "schedule", "schedule -k bad_input",
         "if not bool(((beta > 0) & (beta < 1)).all()):", "if not bool((beta < 1).all()):"),
        ("a beta of 1.5 passes", "schedule", "schedule -k bad_input",
         "if not bool(((beta > 0) & (beta < 1)).all()):", "if not bool((beta > 0).all()):"),
        ("steps > T pass", "sample", "sample -k bad_input", "if not 1 <= steps <= T:", "if not 1 <= steps:"),
        ("an empty batch passes", "loss", "loss -k bad_input", "if len(x0) == 0 or", "if"),
        ("an eps of another shape passes", "loss", "loss -k bad_input", " or x0.shape != eps.shape:", ":"),
        ("an output of another shape passes", "prediction", "prediction -k bad_input",
         "    if out.ndim < 2 or", "    if False and"),
        ("times for fewer examples pass", "schedule", "schedule -k bad_input",
         "if len(coefficient) != len(like):", "if False:"),
    ],
    17: [
        ("DPM-Solver's second order lost", "sample", "sample -k order",
         "if second_order else x0", "if False else x0"),
        ("guidance with the wrong sign", "sample", "sample -k guidance",
         "(1 + strength) * said - strength", "(1 - strength) * said + strength"),
        ("the bound's first term counted as a KL", "loss", "loss -k gaussian_data",
         "as_tensor(t) == 1", "as_tensor(t) == 0"),
        ("the decoder's end levels cut off", "loss", "loss -k decoder",
         "x0 <= -1 + half, -math.inf,", "x0 < -9, -math.inf,"),
        ("the bound trains the mean", "loss", "loss -k moves_the_mean", "half.detach()", "half"),
        ("an unused branch spoils the gradient", "loss", "loss -k wild", "p.var.where(first, 1)", "p.var"),
        ("weights of the memoriser underflow", "exact", "exact -k overflows",
         "here = logit.logsumexp(1, keepdim=True)", "here = logit.exp().sum(1, keepdim=True).log()"),
    ],
}
ROWS = [pytest.param(*row, id=f"{kind} {row[0]}") for kind, rows in MUTANTS.items() for row in rows]


class Planted(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Loads one module of the package from another text."""

    def __init__(self, name: str, path: Path, text: str) -> None:
        importlib.machinery.SourceFileLoader.__init__(self, name, str(path))
        self.text = text

    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            return importlib.util.spec_from_file_location(name, self.path, loader=self)
        return None

    def get_code(self, name):
        return compile(self.text, self.path, "exec")


def run(planted: tuple[str, Path, str] | None, tests: str, said: Path) -> None:
    """In a process of its own: the tests with the planted module, no plugin but pytest's own."""
    gc.freeze()                                                         # pytest collects garbage at its end
    name, words = tests.split(" -k ")
    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    if planted:
        sys.meta_path.insert(0, Planted(*planted))
    options = ["-x", "-q", "-p", "no:cacheprovider", "-o", "addopts=", "--assert=plain", "--tb=short"]
    with open(said, "w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        code = pytest.main([*options, f"tests/test_{name}.py", "-k", words])
    os._exit(int(code))


def outcome(planted: tuple[str, Path, str] | None, tests: str, said: Path) -> tuple[int | None, str]:
    """pytest's exit code and its words."""
    child = FORKS.Process(target=run, args=(planted, tests, said))
    child.start()
    child.join(300)
    child.kill()
    return child.exitcode, said.read_text()


@pytest.mark.parametrize(("fault", "file", "tests", "right", "wrong"), ROWS)
def test_the_planted_fault_is_seen(tmp_path, fault, file, tests, right, wrong):
    path = ROOT / "ddpm_lite" / f"{file}.py"
    text = path.read_text()
    assert text.count(right) == 1, f"{path.name} must hold this text once: {right}"
    code, said = outcome((f"ddpm_lite.{file}", path, text.replace(right, wrong)), tests, tmp_path / "said")
    assert code == 1 and "1 failed" in said, said[-2000:]


def test_without_a_fault_the_same_tests_pass(tmp_path):
    """Else a mutant could be rejected for another reason than its fault."""
    chosen = {tuple(row[2].split(" -k ")) for rows in MUTANTS.values() for row in rows}
    for name in sorted({name for name, _ in chosen}):
        words = " or ".join(sorted(word for file, word in chosen if file == name))
        code, said = outcome(None, f"{name} -k {words}", tmp_path / "said")
        assert code == 0, said[-2000:]


def test_each_kind_of_fault_has_a_mutant():
    assert list(MUTANTS) == list(KINDS) and all(MUTANTS.values())
