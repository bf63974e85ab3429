"""Yardstick of `augur bench ops --only hstu`, `--only gru` and `--only mixture`: the same work composed in PyTorch, medians, one JSON object a line."""
import json, time
import torch
import torch.nn.functional as F
torch.set_num_threads(2)
torch.manual_seed(0)

def median(body, repeats=9, warm=3):
    for _ in range(warm): body()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return sorted(times)[repeats // 2] * 1e3

def say(op, shape, ms, peer): print(json.dumps({"op": op, "shape": shape, "milliseconds": round(ms, 4), "peer": peer}), flush=True)

def hstu(q, k, v, w, index, mask, n):
    return (F.silu(q @ k.transpose(-1, -2) + w[index]) * mask / n) @ v

for compiled in [False, True]:
    f = torch.compile(hstu) if compiled else hstu
    name = "pytorch " + torch.__version__ + (" --compile" if compiled else "")
    for B, H, L, K in [(128, 1, 200, 64), (128, 2, 50, 32), (16, 4, 1024, 64)]:
        q, k, v = (torch.rand(B, H, L, K) - .5 for _ in range(3))
        w = torch.rand(L) - .5
        i = torch.arange(L)
        index, mask = (i[None] - i[:, None]).clamp(max=0) + L - 1, torch.ones(L, L).tril()
        with torch.no_grad(): say("hstu forward", [B, H, L, K], median(lambda: f(q, k, v, w, index, mask, L)), name)
        g = torch.rand(B, H, L, K) - .5
        inputs = [t.requires_grad_() for t in (q, k, v, w)]
        def step():
            o = f(*inputs, index, mask, L)
            torch.autograd.grad(o, inputs, g)
        say("hstu forward+backward", [B, H, L, K], median(step), name)
for B, L, D in [(128, 50, 100), (256, 20, 128), (128, 200, 64)]:
    cell = torch.nn.GRU(D, D, batch_first=True)
    x = torch.rand(B, L, D) - .5
    with torch.no_grad(): say("gru forward", [B, L, D], median(lambda: cell(x)), "pytorch " + torch.__version__)
    x.requires_grad_()
    g = torch.rand(B, L, D) - .5
    ps = [x] + list(cell.parameters())
    def step(): torch.autograd.grad(cell(x)[0], ps, g)
    say("gru forward+backward", [B, L, D], median(step), "pytorch " + torch.__version__)

def mixture(g, *experts):
    shares = torch.softmax(g, 1)
    return sum(shares[:, e : e + 1] * x for e, x in enumerate(experts))

for compiled in [False, True]:
    f = torch.compile(mixture) if compiled else mixture
    name = "pytorch " + torch.__version__ + (" --compile" if compiled else "")
    B, E, D = 4096, 4, 64
    inputs = [(torch.rand(B, E) - .5).requires_grad_()] + [(torch.rand(B, D) - .5).requires_grad_() for _ in range(E)]
    g = torch.rand(B, D) - .5
    say("mixture of experts forward+backward", [B, E, D], median(lambda: torch.autograd.grad(f(*inputs), inputs, g)), name)
