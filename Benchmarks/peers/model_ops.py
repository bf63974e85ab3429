"""Yardstick of the ops of models in `augur bench ops`: the same work composed in PyTorch, medians, one JSON object a line.

    python Benchmarks/peers/model_ops.py [--threads 2] [--only TEXT] [--compile]

Histories have one length here, which is the best case of a dense tensor."""
import argparse, json, math, os, time
import torch
import torch.nn.functional as F

options = argparse.ArgumentParser()
options.add_argument("--threads", type=int, default=os.cpu_count())
options.add_argument("--repeats", type=int, default=9)
options.add_argument("--only", default="")
options.add_argument("--compile", action="store_true")
options = options.parse_args()
torch.set_num_threads(options.threads)
torch.manual_seed(0)
NAME = "pytorch " + torch.__version__ + (" --compile" if options.compile else "")


def random(*shape): return torch.rand(*shape) - .5


def median(body, warm=3):
    for _ in range(warm): body()
    times = []
    for _ in range(options.repeats):
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return sorted(times)[options.repeats // 2] * 1e3


def say(op, shape, body):
    if not op.startswith(options.only): return
    print(json.dumps(dict(op=op, shape=shape, dtype="float32", milliseconds=round(median(body), 4), peer=NAME)), flush=True)


def both(op, shape, f, *inputs, watched=None, is_compiled=True):
    """Forward and backward through `f` for a random gradient; the first `watched` inputs get one."""
    if options.compile and not is_compiled or not f"{op} forward+backward".startswith(options.only): return
    f = torch.compile(f) if options.compile else f
    asked = [x.requires_grad_() for x in inputs[:watched]]
    y = f(*inputs)
    g = random(*y.shape) if y.dim() else None
    say(f"{op} forward+backward", shape, lambda: torch.autograd.grad(f(*inputs), asked, g))


def hstu(q, k, v, w, index, mask, n): return (F.silu(q @ k.transpose(-1, -2) + w[index]) * mask / n) @ v


def attention_kin():
    for B, H, L, K in [(128, 1, 200, 64), (128, 2, 50, 32), (16, 4, 1024, 64)]:
        i = torch.arange(L)
        rest = random(L), (i[None] - i[:, None]).clamp(max=0) + L - 1, torch.ones(L, L).tril(), L
        q = [random(B, H, L, K) for _ in range(3)]
        f = torch.compile(hstu) if options.compile else hstu
        with torch.no_grad(): say("hstu forward", [B, H, L, K], lambda: f(*q, *rest))
        both("hstu", [B, H, L, K], hstu, *q, *rest, watched=4)
    for B, L, D in [] if options.compile else [(128, 50, 100), (256, 20, 128), (128, 200, 64)]:
        cell, x = torch.nn.GRU(D, D, batch_first=True), random(B, L, D)
        with torch.no_grad(): say("gru forward", [B, L, D], lambda: cell(x))
        x.requires_grad_()
        g, asked = random(B, L, D), [x, *cell.parameters()]
        say("gru forward+backward", [B, L, D], lambda: torch.autograd.grad(cell(x)[0], asked, g))


def pairs(h, t):
    t = t[:, None].expand_as(h)
    return torch.cat([t, h, t - h, t * h], -1)


def augru(x, a, u, c):
    h, states = torch.zeros(len(x), u.shape[0]), []
    for t in range(x.shape[1]):
        (xz, xr, xn), (z, r, n) = x[:, t].chunk(3, 1), (h @ u + c).chunk(3, 1)
        h = h + a[:, t] * (1 - torch.sigmoid(xz + z)) * (torch.tanh(xn + torch.sigmoid(xr + r) * n) - h)
        states.append(h)
    return torch.stack(states, 1)


def target_attention(B=1024, L=50, D=18):
    h, t = random(B, L, D), random(B, D)
    both("target pairs", [B, L, D], pairs, h, t)
    both("target shares", [B, L, D], lambda h, t: torch.einsum("bld,bd->bl", h, t).softmax(1), h, t)
    both("weighted sums", [B, L, D], lambda h, a: (a * h).sum(1), h, random(B, L, 1))
    # Compiling the loop over events takes minutes.
    both("augru", [B, L, D], augru, random(B, L, 3 * D), random(B, L, 1), random(D, 3 * D), random(3 * D), is_compiled=False)


def windows(B=128, L=50, D=64, N=5):
    both("window maximum", [B, L, 16, N], lambda x: F.max_pool1d(F.pad(x, (N - 1, 0), value=-math.inf), N, 1), random(B, 16, L))

    def sums(x, g): return torch.einsum("bldn,mn->blmd", F.pad(x, (0, 0, N - 1, 0)).unfold(1, N, 1), g)

    both("window sums", [B, L, D, N], sums, random(B, L, D), random(4, N))


def mixture(g, *experts):
    shares = torch.softmax(g, 1)
    return sum(shares[:, e:e + 1] * x for e, x in enumerate(experts))


def swiglu(x):
    a, b = x.chunk(2, 1)
    return F.silu(a) * b


def interactions(B=4096, E=4, D=64, fields=10):
    both("mixture of experts", [B, E, D], mixture, random(B, E), *(random(B, D) for _ in range(E)))
    both("field pairs", [B, fields, fields], lambda e: .5 * (e.sum(1) ** 2 - (e ** 2).sum(1)).sum(1), random(B, fields, fields))
    both("cross", [B, 400], torch.addcmul, random(B, 400), random(B, 400), random(B, 400))
    both("swiglu", [B, 512], swiglu, random(B, 512))


def dice(x, alpha):
    p = torch.sigmoid(F.batch_norm(x, None, None, training=True, eps=1e-9))
    return p * x + alpha * (1 - p) * x


def norms(T=25_600, B=4096):
    both("layer norm", [T, 64], lambda x, g, b: F.layer_norm(x, (64,), g, b), random(T, 64), random(64), random(64))
    both("batch norm", [B, 400], lambda x, g, b: F.batch_norm(x, None, None, g, b, training=True), random(B, 400), random(400), random(400))
    both("dice", [T, 80], dice, random(T, 80), random(80))


def focal(x, y):
    m = torch.where(y > .5, -x, x)
    return (torch.where(y > .5, .25, .75) * torch.sigmoid(m) ** 2 * F.softplus(m)).mean()


def quantile(x, y):
    e = y - x
    return torch.maximum(.9 * e, -.1 * e).mean()


def entire_space(a, b, click):
    both = F.logsigmoid(a) + F.logsigmoid(b)
    return (F.binary_cross_entropy_with_logits(a, click) - (click * both + (1 - click) * torch.log(-torch.expm1(both))).mean())


def delayed(a, b, converted, days):
    rate = b.exp() * days
    return torch.where(converted > .5, F.softplus(-a) - b + rate, F.softplus(a) - F.softplus(a - rate)).mean()


def weibull(a, b, step, came):
    scale, shape = F.softplus(a), F.softplus(b)
    now, then = (step / scale) ** shape, ((step + 1) / scale) ** shape
    return torch.where(came > .5, now - torch.log(-torch.expm1(now - then)), then).mean()


def lognormal(a, mean, spread, y):
    s, bought = F.softplus(spread).clamp(3e-4, 5), y > 0
    log = torch.log(torch.where(bought, y, 1))
    part = torch.where(bought, log + s.log() + .5 * math.log(2 * math.pi) + (log - mean) ** 2 / (2 * s * s), 0)
    penalty = .01 * (mean ** 2).mean() + .01 * (spread ** 2).mean()
    return F.binary_cross_entropy_with_logits(a, bought.float()) + part.sum() / bought.sum() + penalty


def losses(T=1 << 20):
    choice, amount = (torch.arange(T) % 2).float(), (torch.arange(T) % 9).float()
    x = [random(T) for _ in range(3)]
    for name, outputs, labels, f in [
        ("binary", 1, [choice], F.binary_cross_entropy_with_logits), ("focal", 1, [choice], focal), ("huber", 1, [amount], F.huber_loss),
        ("quantile", 1, [amount], quantile), ("poisson", 1, [amount], F.poisson_nll_loss), ("ranked", 2, [], lambda a, b: F.softplus(b - a).mean()),
        ("entire-space", 2, [choice], entire_space), ("delayed", 2, [choice, amount], delayed), ("weibull", 2, [amount, choice], weibull),
        ("lognormal", 3, [amount], lognormal),
    ]:
        both(f"{name} loss", [T], f, *x[:outputs], *labels, watched=outputs)


def sampled(T=6400, D=64, N=256, V=20_000):
    targets, negatives = torch.arange(T) * 7919 % V, torch.arange(N) * 104_729 % V

    def loss(h, table):
        positive, scores = (h * table[targets]).sum(1), h @ table[negatives].T
        scores = scores.masked_fill(negatives[None] == targets[:, None], -math.inf)
        return (torch.logsumexp(torch.cat([positive[:, None], scores], 1), 1) - positive).mean()

    both("sampled softmax", [T, D, N, V], loss, random(T, D), random(V, D))


for part in (attention_kin, target_attention, windows, interactions, norms, losses, sampled): part()
