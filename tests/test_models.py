import dataclasses
import json
import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ddpm_lite.models import MLP, TimeEmbedding, UNet, UNetConfig, sinusoid, time, unet

SMALL = {"width": 8, "levels": (1, 2), "blocks": 1, "heads": 2}


def awake(net: nn.Module) -> nn.Module:
    """In float64, the layers that start at 0 filled with noise, so that every part of the network counts."""
    for p in net.double().parameters():
        if not p.any():
            nn.init.normal_(p, std=0.3)
    return net


def images(size: int = 8, channels: int = 1) -> torch.Tensor:
    return torch.randn(3, channels, size, size, dtype=torch.float64)


T3 = torch.tensor([3, 500, 1000])


def check_sinusoid():
    """Against math.sin and math.cos; float32, angles to 1000: 1e-4."""
    hand = [[math.sin(t / 10_000 ** (2 * i / 6)) for i in range(3)]
            + [math.cos(t / 10_000 ** (2 * i / 6)) for i in range(3)] for t in T3.tolist()]
    assert_close(sinusoid(T3, 6), torch.tensor(hand), rtol=0, atol=1e-4)


def check_attention():
    """softmax(q k^T / sqrt(d)) v written out, head by head and pixel by pixel; float64, 1e-12."""
    layer, x = awake(unet.Attention(16, heads=2)), torch.randn(2, 16, 3, 4, dtype=torch.float64)
    weight, bias = layer.to_qkv.weight[:, :, 0, 0], layer.to_qkv.bias
    flat = layer.norm(x).reshape(2, 16, 12)
    q, k, v = (weight @ flat + bias[:, None]).reshape(2, 3, 2, 8, 12).unbind(1)         # [b, head, d, pixel]
    hand = torch.zeros(2, 2, 8, 12, dtype=torch.float64)
    for pixel in range(12):
        score = (q[..., pixel, None] * k).sum(2) / math.sqrt(8)                         # [b, head, pixel]
        hand[..., pixel] = (v * (score.exp() / score.exp().sum(-1, keepdim=True))[:, :, None]).sum(-1)
    hand = layer.out.weight[:, :, 0, 0] @ hand.reshape(2, 16, 12) + layer.out.bias[:, None]
    assert_close(layer(x), x + hand.reshape(x.shape), rtol=0, atol=1e-12)


def check_start():
    """A new network says 0, and its blocks that keep the width change nothing."""
    net, x = UNet(UNetConfig(**SMALL)), torch.randn(2, 1, 8, 8)
    assert not net(x, 5).any()
    h, emb = torch.randn(2, 16, 4, 4), torch.randn(2, 32)
    assert_close(net.middle.after[0](h, emb), h, rtol=0, atol=0)
    assert_close(net.middle.attention(h), h, rtol=0, atol=0)


def check_every_parameter_counts():
    """Each tensor of weights moves the output: nothing is built and then left out."""
    net = awake(UNet(UNetConfig(**SMALL, classes=2)))
    net(images(), T3, torch.tensor([0, 1, 2])).square().sum().backward()
    dead = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []
    assert net.label.weight.grad.any(dim=1).all()


def check_time_and_example():
    """Every example hears its own time, and no other example."""
    net, x = awake(UNet(UNetConfig(**SMALL))), images()
    together = net(x, T3)
    for i, t in enumerate(T3.tolist()):
        assert_close(net(x[i:i + 1], t), together[i:i + 1], rtol=0, atol=1e-10)
    assert (net(x, 7) - net(x, 8)).abs().amin(dim=0).max() > 1e-4


def check_labels():
    net, x = awake(UNet(UNetConfig(**SMALL, classes=4))), images()
    none, two = net(x, T3), net(x, T3, 2)
    assert_close(net(x, T3, 4), none, rtol=0, atol=0)                   # `classes` is the null class
    mixed = net(x, T3, torch.tensor([2, 4, 2]))                         # one example's label dropped
    assert_close(mixed, torch.stack([two[0], none[1], two[2]]), rtol=0, atol=1e-10)
    outs = [net(x, T3, label) for label in range(5)]
    assert min((a - b).abs().max() for i, a in enumerate(outs) for b in outs[:i]) > 1e-3


def check_skips():
    """The fine picture reaches the output beside the coarse one: with the middle cut off it still counts."""
    net = awake(UNet(UNetConfig(**SMALL)))
    net.up[0].grow.weight.data.zero_()
    x = images()
    assert (net(x, T3) - net(x + 0.1 * images(), T3)).abs().max() > 1e-3


CHECKS = [check_sinusoid, check_attention, check_start, check_every_parameter_counts, check_time_and_example,
          check_labels, check_skips]


@pytest.mark.parametrize("check", CHECKS)
def test_it_holds(check):
    check()


class Bare(unet.ResBlock):
    def forward(self, x, emb):                                          # deaf to the time
        return self.skip(x) + self.second(self.first(x))


class Skipless(unet.Up):
    def forward(self, x, skip, emb):
        return super().forward(x, torch.zeros_like(skip), emb)


def swapped(t, dim):
    sin, cos = time.sinusoid(t, dim).chunk(2, dim=1)
    return torch.cat([cos, sin], dim=1)


def unscaled(q, k, v):
    return (q @ k.mT).softmax(-1) @ v


def over_channels(q, k, v):
    return ((q.mT @ k / math.sqrt(q.shape[2])).softmax(-1) @ v.mT).mT


def class_0(net, x, label):
    return time.per_example(0 if label is None else label, x, "label")


def first_example(value, x, name):
    value = torch.as_tensor(value)
    return value.flatten()[:1].expand(len(x))


FAULTS = {
    "cos before sin": (check_sinusoid, lambda m: m.setitem(globals(), "sinusoid", swapped)),
    "scores not divided by sqrt(d)":
        (check_attention, lambda m: m.setattr(unet.F, "scaled_dot_product_attention", unscaled)),
    "attention over channels":
        (check_attention, lambda m: m.setattr(unet.F, "scaled_dot_product_attention", over_channels)),
    "last convolutions not 0": (check_start, lambda m: m.setattr(unet, "zero", lambda layer: layer)),
    "time unused": (check_every_parameter_counts, lambda m: m.setattr(unet, "ResBlock", Bare)),
    "one time for all": (check_time_and_example, lambda m: m.setattr(unet, "per_example", first_example)),
    "None is class 0": (check_labels, lambda m: m.setattr(UNet, "classes", class_0)),
    "no skips": (check_skips, lambda m: m.setattr(unet, "Up", Skipless)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen(fault, monkeypatch, as_user):
    check, plant = FAULTS[fault]
    check()
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        check()


@pytest.mark.parametrize("size", [8, 10, 28, 30])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_even_size(size, channels):
    """10 halves to 5, 3, 2 and 30 to 15, 8, 4; a learned variance doubles the channels."""
    net = UNet(UNetConfig(channels=channels, width=8, levels=(1, 1, 1, 1), blocks=1, heads=1))
    assert net(torch.randn(2, channels, size, size + 2), 1).shape == (2, channels, size, size + 2)
    net = UNet(UNetConfig(channels=channels, learned_variance=True, **SMALL))
    assert net(torch.randn(2, channels, size, size), T3[:2]).shape == (2, 2 * channels, size, size)


def conv(a, b, k=3):
    return k * k * a * b + b


def block(a, b, emb):
    """norm, convolution, time, norm, convolution, and a 1 x 1 convolution where the width changes."""
    return 2 * a + conv(a, b) + (emb + 1) * b + 2 * b + conv(b, b) + (a != b) * conv(a, b, 1)


def test_parameters_by_formula():
    w, n = 32, 2
    emb = 4 * w
    ladder = [w, w, 2 * w]
    total = (w + 1) * emb + (emb + 1) * emb + conv(1, w)                                # time, stem
    total += block(w, w, emb) * n + conv(w, w)                                          # down
    total += block(w, 2 * w, emb) + (2 * n - 1) * block(2 * w, 2 * w, emb)              # middle
    total += 2 * ladder[-1] + conv(2 * w, 6 * w, 1) + conv(2 * w, 2 * w, 1)             # attention
    total += conv(2 * w, w) + block(2 * w, w, emb) + (n - 1) * block(w, w, emb)         # up
    total += 2 * w + conv(w, 1)                                                         # head
    assert sum(p.numel() for p in UNet(UNetConfig(levels=(1, 2), blocks=n)).parameters()) == total
    assert sum(p.numel() for p in UNet(UNetConfig(levels=(1, 2), blocks=n, classes=10)).parameters()) \
        == total + 11 * emb


def test_the_default_is_near_its_size():
    assert 400_000 < sum(p.numel() for p in UNet().parameters()) < 1_000_000


def test_config_survives_json():
    config = UNetConfig(levels=(1, 2, 3), classes=10, learned_variance=True)
    assert UNetConfig(**json.loads(json.dumps(dataclasses.asdict(config)))) == config


@pytest.mark.parametrize("bad, says", [
    ({"width": 12}, "multiple of 8, got 12"), ({"width": 0}, "width must be at least 1"),
    ({"heads": 5}, "heads must divide the last width 64, got 5"), ({"levels": (1,)}, "two or more"),
    ({"levels": (1, 0)}, "from 1"), ({"blocks": 0}, "blocks must be at least 1"),
    ({"channels": 0}, "channels must be at least 1"), ({"dropout": 1.0}, r"dropout in \[0, 1\)"),
    ({"classes": -1}, "classes must be 0 or more")])
def test_a_bad_config_is_refused(bad, says):
    with pytest.raises(ValueError, match=says):
        UNetConfig(**{"levels": (1, 2), **bad})


@pytest.mark.parametrize("classes, shape, t, label, says", [
    (0, (2, 1, 9, 8), 1, None, r"even and at least 8, got \[2, 1, 9, 8\]"),
    (0, (2, 1, 6, 6), 1, None, "at least 8"),
    (0, (2, 3, 8, 8), 1, None, r"\[b, 1, h, w\]"),
    (0, (2, 8, 8), 1, None, r"\[b, 1, h, w\]"),
    (0, (2, 1, 8, 8), 1, 3, "no classes"),
    (4, (2, 1, 8, 8), 1, 5, r"\[0, 4\]"),
    (4, (2, 1, 8, 8), 1, torch.tensor([0, -1]), r"\[0, 4\]"),
    (4, (2, 1, 8, 8), 1, torch.tensor([0, 1, 2]), "label must be an int or 2 integers"),
    (0, (2, 1, 8, 8), torch.tensor([0.5, 0.5]), None, "t must be an int or 2 integers, got torch.float32")])
def test_bad_input_is_refused(classes, shape, t, label, says, as_user):
    with pytest.raises(ValueError, match=says):
        UNet(UNetConfig(classes=classes, **SMALL))(torch.randn(shape), t, label)


def test_mlp():
    net, x = MLP(dim=3, width=16, depth=2).double(), torch.randn(5, 3, dtype=torch.float64)
    t = torch.arange(1, 6)
    assert net(x, t).shape == x.shape
    assert_close(net(x, t)[3:4], net(x[3:4], 4), rtol=0, atol=1e-12)
    assert (net(x, 1) - net(x, 2)).abs().max() > 1e-3
    net(x, t).square().sum().backward()
    assert all(p.grad.any() for p in net.parameters())
    with pytest.raises(ValueError, match="width even, got dim 2, width 7, depth 3"):
        MLP(width=7)


def test_time_embedding_tells_all_times_apart():
    """No two of a thousand times share a vector: nearest pair of sinusoids over 0.1 apart; float32."""
    codes = sinusoid(torch.arange(1, 1001), 32)
    assert torch.pdist(codes).min() > 0.1
    assert TimeEmbedding(32, 8)(torch.arange(1, 1001)).unique(dim=0).shape == (1000, 8)
    with pytest.raises(ValueError, match="dim must be even"):
        sinusoid(T3, 7)


@pytest.mark.parametrize("width", [8, 16, 32])
def test_a_block_of_any_width_hears_the_time(width):
    """With one channel a group, GroupNorm would take the time's shift out again, exactly."""
    block = unet.ResBlock(width, width, 16, dropout=0.0)
    block.second[-1].reset_parameters()
    x = torch.randn(2, width, 8, 8)
    early, late = block(x, torch.randn(2, 16)), block(x, torch.randn(2, 16))
    assert (early - late).std() > 0.1 * (early - x).std()
