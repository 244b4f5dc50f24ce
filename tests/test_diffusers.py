"""Our numbers beside those of diffusers' schedulers, float64, at every t.

Times: their t runs 0..T-1 and their tables start at beta_1, so their t is ours less 1, and what they call
the step before 0 is our time 0. They make their tables in float32; `peer` puts our float64 betas in their
place, and all that follows is their own arithmetic.
"""

import pytest
import torch
from conftest import uneven
from torch.testing import assert_close

import ddpm_lite as dl
from ddpm_lite.prediction import scales

diffusers = pytest.importorskip("diffusers", reason="diffusers is missing: pip install -e '.[dev]'")

SCHEDULES = {"linear": dl.linear(40), "cosine": dl.cosine(30), "uneven": uneven(20)}
TARGETS = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}       # ours and theirs
DOUBLE = {"dtype": torch.float64}
close = {"rtol": 1e-10, "atol": 1e-10}


def peer(kind, sched, n=None, target="eps", clip=None, **options):
    """Their scheduler with our float64 tables, set to n steps (all of them by default)."""
    if kind != "DPMSolverMultistep":
        options |= {"clip_sample": clip is not None, "clip_sample_range": clip or 1.0}
    scheduler = getattr(diffusers, f"{kind}Scheduler")(
        sched.T, prediction_type=TARGETS[target], timestep_spacing="leading", **options)
    scheduler.set_timesteps(n or sched.T)
    scheduler.betas = sched.beta[1:]
    scheduler.alphas = 1 - scheduler.betas
    scheduler.alphas_cumprod = torch.cumprod(scheduler.alphas, 0)
    scheduler.one = scheduler.final_alpha_cumprod = torch.ones((), **DOUBLE)
    return scheduler


def network(sched, target):
    """A network that speaks the target: the exact one of N(0.3, 0.5) data, so that nothing grows."""
    exact = dl.exact.gaussian(sched, 0.3, 0.5)

    def net(x, t):
        a, b = scales(sched, t, x)
        eps = exact(x, t)
        return dl.TARGETS[target].make((x - b * eps) / a, eps, a, b)

    return net


def drawn(seed=1):
    """The noise that their step draws from `torch.Generator().manual_seed(seed)`."""
    g = torch.Generator().manual_seed(seed)
    return lambda x: torch.randn(x.shape, generator=g, dtype=x.dtype)


@pytest.fixture(params=SCHEDULES)
def sched(request):
    return SCHEDULES[request.param]


@pytest.mark.parametrize(("ours", "theirs"), [(dl.linear(), "linear"), (dl.cosine(), "squaredcos_cap_v2")])
def test_their_tables_are_ours_in_single_precision(ours, theirs):
    """Theirs in float32: a product of 1000 factors has an error of about 1000 times 6e-8."""
    scheduler = diffusers.DDPMScheduler(beta_schedule=theirs)
    assert_close(ours.beta[1:].float(), scheduler.betas, rtol=1e-6, atol=1e-7)
    assert_close(ours.alpha_bar[1:].float(), scheduler.alphas_cumprod, rtol=1e-4, atol=1e-8)


def test_noise_and_velocity(sched):
    t, scheduler = torch.arange(1, sched.T + 1), peer("DDPM", sched)
    x0, eps = torch.randn(2, sched.T, 2, 3, **DOUBLE)
    assert_close(dl.q_xt(sched, x0, t).sample(eps), scheduler.add_noise(x0, eps, t - 1), **close)
    v = dl.TARGETS["v"].make(x0, eps, *scales(sched, t, x0))
    assert_close(v, scheduler.get_velocity(x0, eps, t - 1), **close)


def follow(walk, scheduler, net, x, seed=1, **options):
    """Each step of our walk against their step from the same x_t with the same noise."""
    g, t = torch.Generator().manual_seed(seed), None
    for t_theirs, state in zip(scheduler.timesteps.tolist(), walk, strict=True):
        t = t_theirs + 1
        theirs = scheduler.step(net(x, torch.full((len(x),), t)), t_theirs, x, generator=g, **options)
        assert_close(state.x, theirs.prev_sample, **close, msg=lambda m, t=t: f"t = {t}: {m}")
        assert_close(state.x0, theirs.pred_original_sample, **close, msg=lambda m, t=t: f"t = {t}: {m}")
        x = state.x
    assert t == 1 and state.t == 0                                      # all the way


VARIANCES = {"beta_tilde": "fixed_small", "beta": "fixed_large"}


@pytest.mark.parametrize("clip", [None, 0.4])
@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("target", TARGETS)
def test_ddpm_steps(sched, target, variance, clip):
    net, x = network(sched, target), torch.randn(2, 3, **DOUBLE)
    scheduler = peer("DDPM", sched, None, target, clip, variance_type=VARIANCES[variance])
    walk = dl.ancestral(net, sched, x, target=target, variance=variance, clip=clip, noise=drawn())
    follow(walk, scheduler, net, x)


def leading(sched, n):
    """Their n "leading" times in our count, and 0 to end with: 1 + k T/n."""
    return [*range(1 + (n - 1) * (sched.T // n), 0, -(sched.T // n)), 0]


@pytest.mark.parametrize("variance", VARIANCES)
def test_strided_ddpm_steps(sched, variance):
    net, x, n = network(sched, "eps"), torch.randn(2, 3, **DOUBLE), 10
    scheduler = peer("DDPM", sched, n, variance_type=VARIANCES[variance])
    walk = dl.ancestral(net, sched, x, leading(sched, n), variance=variance, noise=drawn())
    follow(walk, scheduler, net, x)


def test_ddpm_steps_with_a_learned_variance(sched):
    exact, x = network(sched, "eps"), torch.randn(2, 3, 1, **DOUBLE)

    def net(x, t):
        return torch.cat([exact(x, t), torch.sin(5 * x)], 1)            # the second half within [-1, 1]

    walk = dl.ancestral(net, sched, x, variance="learned", noise=drawn())
    follow(walk, peer("DDPM", sched, variance_type="learned_range"), net, x)


@pytest.mark.parametrize("clip", [None, 0.4])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("target", TARGETS)
def test_ddim_steps(sched, target, eta, clip):
    """With a clip theirs need `use_clipped_model_output`: by default they keep an eps that doesn't fit x0."""
    net, x = network(sched, target), torch.randn(2, 3, **DOUBLE)
    scheduler = peer("DDIM", sched, None, target, clip)
    walk = dl.ddim(net, sched, x, sched.T, eta, target=target, clip=clip, noise=drawn())
    follow(walk, scheduler, net, x, eta=eta, use_clipped_model_output=True)


def test_a_thousand_times():
    sched, scheduler = dl.linear(), peer("DDPM", dl.linear(), target="v")
    net, x, t = network(sched, "v"), torch.randn(1000, 2, **DOUBLE), torch.arange(1, 1001)
    out, noise = net(x, t), drawn()
    p, hat = dl.p_step(sched, out, x, t, target="v")
    for i in range(1000):
        g = torch.Generator().manual_seed(1)
        theirs = scheduler.step(out[i : i + 1], i, x[i : i + 1], generator=g)
        x_prev = p.mean[i] + p.var[i].sqrt() * (drawn()(x[:1])[0] if i else 0)      # none at the last step
        assert_close(x_prev[None], theirs.prev_sample, **close)
        assert_close(hat.x0[i : i + 1], theirs.pred_original_sample, **close)
    walk = dl.ddim(net, sched, x[:2], 1000, 0.5, target="v", noise=noise)
    follow(walk, peer("DDIM", sched, target="v"), net, x[:2], eta=0.5)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_strided_ddim_steps(sched, eta):
    net, x, n = network(sched, "eps"), torch.randn(2, 3, **DOUBLE), 10
    walk = dl.ddim(net, sched, x, leading(sched, n), eta, noise=drawn())
    follow(walk, peer("DDIM", sched, n), net, x, eta=eta)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("n", [2, 10, 20])
def test_dpm_solver_steps(sched, target, n):
    """Their step casts x to float32, so it is followed at 1e-5 and its two updates in float64 at 1e-10."""
    net, times = network(sched, target), dl.times(sched.T, n)
    scheduler = peer("DPMSolverMultistep", sched, n, target)
    scheduler.set_timesteps(timesteps=[t - 1 for t in times[:-1]])
    alpha_bar = sched.alpha_bar[times]
    scheduler.sigmas = ((1 - alpha_bar) / alpha_bar).sqrt()             # theirs are float32
    x, outputs = torch.randn(2, 3, **DOUBLE), []
    walk = dl.dpm_solver(net, sched, x, times, target=target)
    for i, (t, state) in enumerate(zip(times, walk, strict=False)):
        said = net(x, torch.full((len(x),), t))
        single = scheduler.step(said, t - 1, x).prev_sample             # chooses the order of each step
        assert_close(state.x, single, rtol=1e-5, atol=1e-5)
        scheduler._step_index = i                                       # the step has moved it on
        outputs.append(scheduler.convert_model_output(said, sample=x))
        if i in (0, n - 1):
            theirs = scheduler.dpm_solver_first_order_update(outputs[-1], sample=x)
        else:
            theirs = scheduler.multistep_dpm_solver_second_order_update(outputs, sample=x)
        scheduler._step_index = i + 1
        assert_close(state.x, theirs, **close, msg=lambda m, t=t: f"t = {t}: {m}")
        assert_close(state.x0, outputs[-1], **close)
        x = state.x
    assert i == n - 1
