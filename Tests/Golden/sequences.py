"""Next-item models: the equations of the papers in float64 PyTorch, four steps of Adam on one fixed batch.

Weights, histories and negatives are functions of their place (`fixed`), as in Tests/OpCases/OpCase.swift.
"""
import torch
import torch.nn.functional as F

V, D, H, L, BLOCKS, STEPS = 40, 8, 2, 10, 2, 4
LENGTHS = [7, 4, 1]
MASKED = [2, 6, 9, 11]
torch.set_default_dtype(torch.float64)


def fixed(index, salt):
    mask = 2**64 - 1
    z = ((index + 1) * 0x9E3779B97F4A7C15 + salt * 0xD1B54A32D192ED03) & mask
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
    return ((z ^ z >> 31) >> 11) * 2.0**-52 - 1


def ids(count, salt):
    return torch.tensor([min(V - 1, int((fixed(i, salt) + 1) / 2 * V)) for i in range(count)])


class Weights:
    """Named tensors, made when the model first asks for them; the salt of each comes from its name."""

    def __init__(self):
        self.tensors = {}

    def __call__(self, name, *shape):
        if name not in self.tensors:
            salt, count = sum((i + 1) * byte for i, byte in enumerate(name.encode())), torch.Size(shape).numel()
            values = torch.tensor([fixed(i, salt) for i in range(count)]).float().double()
            base = 1.0 if name.endswith("gain") else 0.0
            self.tensors[name] = (base + 0.3 * values.reshape(shape)).float().double().requires_grad_()
        return self.tensors[name]


def norm(w, name, x, epsilon):
    return F.layer_norm(x, (D,), w(name + ".gain", D), w(name + ".bias", D), epsilon)


def linear(w, name, x, n, bias=True):
    weight = w(name + ".weight", x.shape[-1], n)
    return x @ weight + w(name + ".bias", n) if bias else x @ weight


def attention(w, name, q, x):
    K, rows = D // H, x.shape[0]
    q = linear(w, name + ".query", q, D).view(rows, H, K).transpose(0, 1)
    k, v = (t.reshape(rows, H, K).transpose(0, 1) for t in linear(w, name + ".key-value", x, 2 * D).split(D, -1))
    scores = q @ k.transpose(1, 2) / K**0.5
    scores = scores.masked_fill(torch.ones(rows, rows).triu(1).bool(), float("-inf"))
    return linear(w, name + ".output", (scores.softmax(-1) @ v).transpose(0, 1).reshape(rows, D), D)


def sasrec_block(w, name, x, pre_norm):
    q = norm(w, name + ".attention-norm", x, 1e-8)
    h = (x if pre_norm else q) + attention(w, name + ".attention", q, q if pre_norm else x)
    z = norm(w, name + ".feed-forward-norm", h, 1e-8)
    up = F.relu(linear(w, name + ".feed-forward.up", z, D))
    return (h if pre_norm else z) + linear(w, name + ".feed-forward.down", up, D)


def ligr_block(w, name, x):
    z = norm(w, name + ".attention-norm", x, 1e-5)
    h = x + torch.sigmoid(linear(w, name + ".attention-gate", x, D)) * attention(w, name + ".attention", z, z)
    z = norm(w, name + ".feed-forward-norm", h, 1e-5)
    a, b = linear(w, name + ".feed-forward.up", z, 8 * D, bias=False).split(4 * D, -1)
    f = linear(w, name + ".feed-forward.down", F.silu(a) * b, D, bias=False)
    return h + torch.sigmoid(linear(w, name + ".feed-forward-gate", h, D)) * f


def time_bias(w, name, times):
    """w[floor(ln(max(|t_{i+1} - t_j|, 1)) / 0.301)], the last row with its own time."""
    gaps = (torch.cat([times[1:], times[-1:]])[:, None] - times[None]).abs().clamp(min=1)
    return w(name, 129)[(gaps.log() / 0.301).floor().long().clamp(max=128)]


def hstu_block(w, name, x, times=None):
    K, rows = D // H, x.shape[0]
    z = F.layer_norm(x, (D,), eps=1e-6)
    u = F.silu(linear(w, name + ".gate", z, D, bias=False))
    q = F.silu(linear(w, name + ".attention.query", z, D, bias=False)).view(rows, H, K).transpose(0, 1)
    kv = F.silu(linear(w, name + ".attention.key-value", z, 2 * D, bias=False))
    k, v = (t.reshape(rows, H, K).transpose(0, 1) for t in kv.split(D, -1))
    bias = w(name + ".attention.position", L)[(torch.arange(rows)[None] - torch.arange(rows)[:, None]).clamp(max=0) + L - 1]
    if times is not None:
        bias = bias + time_bias(w, name + ".attention.time", times)
    a = (F.silu(q @ k.transpose(1, 2) + bias) / L).tril()
    o = (a @ v).transpose(0, 1).reshape(rows, D)
    return x + linear(w, name + ".output", u * F.layer_norm(o, (D,), eps=1e-6), D)


def bert_block(w, name, x, activation=lambda x: F.gelu(x, approximate="tanh")):
    K, rows = D // H, x.shape[0]
    q = linear(w, name + ".attention.query", x, D).view(rows, H, K).transpose(0, 1)
    k, v = (t.reshape(rows, H, K).transpose(0, 1) for t in linear(w, name + ".attention.key-value", x, 2 * D).split(D, -1))
    o = ((q @ k.transpose(1, 2) / K**0.5).softmax(-1) @ v).transpose(0, 1).reshape(rows, D)
    h = norm(w, name + ".attention-norm", x + linear(w, name + ".attention.output", o, D), 1e-5)
    up = activation(linear(w, name + ".feed-forward.up", h, 4 * D))
    return norm(w, name + ".feed-forward-norm", h + linear(w, name + ".feed-forward.down", up, D), 1e-5)


def bert_states(w, items):
    x = w("items", V + 1, D)[items] + w("positions", L, D)[L - len(items):]
    for i in range(BLOCKS):
        x = bert_block(w, f"blocks.{i}", x)
    return F.gelu(linear(w, "head", x, D), approximate="tanh")


def gru_states(w, x):
    """torch.nn.GRU with its gates in the order r, z, n; ours are z, r, n."""
    cell = torch.nn.GRU(D, D)
    weights = [("layers.0.input.weight", D), ("layers.0.state.weight", D), ("layers.0.input.bias", 0), ("layers.0.state.bias", 0)]
    named = {}
    for (name, rows), parameter in zip(weights, ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]):
        z, r, n = w(name, *([rows] if rows else []), 3 * D).split(D, -1)
        named[parameter] = torch.cat([r, z, n], -1).T if rows else torch.cat([r, z, n])
    return torch.func.functional_call(cell, named, (x[:, None],))[0][:, 0]


def caser_states(w, x, N=5, filters=3, vertical=2):
    rows = x.shape[0]
    z = torch.stack([torch.cat([torch.zeros(N - 1, D), x])[t:t + N] for t in range(rows)])  # [T, N, D]
    out = torch.einsum("mn,tnd->tmd", w("vertical.weight", vertical, N), z).reshape(rows, -1)
    hidden = linear(w, "vertical.output", out, D)
    for h in range(1, N + 1):
        windows = torch.cat([torch.zeros(h - 1, D), x]).unfold(0, h, 1).transpose(1, 2).reshape(rows, h * D)
        c = F.relu(linear(w, f"horizontal.{h}", windows, filters))
        best = torch.stack([c[max(0, t - N + h):t + 1].max(0).values for t in range(rows)])
        hidden = hidden + linear(w, f"horizontal.{h}.output", best, D, bias=False)
    return F.relu(hidden)


def tower(w, name, x, hidden):
    return linear(w, name + ".output", F.relu(linear(w, name + ".hidden.0", x, hidden)), D)


def two_tower_states(w, x):
    means = x.cumsum(0) / torch.arange(1, len(x) + 1)[:, None]
    return tower(w, "user", torch.cat([means, x], -1), 6)


def states(w, model, items, times):
    if model == "bert4rec":
        return bert_states(w, items)
    table = w("items", V, D)
    if model == "gru4rec":
        return gru_states(w, table[items])
    if model == "caser":
        return caser_states(w, table[items])
    if model == "two-tower":
        return two_tower_states(w, table[items])
    positions = w("positions", L, D)
    if model.startswith("esasrec"):
        x = table[items] + positions[L - len(items):]
    else:
        x = D**0.5 * table[items] + positions[L - len(items):]
    for i in range(BLOCKS):
        name = f"blocks.{i}"
        if model.startswith("esasrec"):
            x = ligr_block(w, name, x)
        elif model.startswith("hstu"):
            x = hstu_block(w, name, x, times if model == "hstu times" else None)
        else:
            x = sasrec_block(w, name, x, model == "sasrec pre-norm")
    return x if model.startswith(("esasrec", "hstu")) else norm(w, "norm", x, 1e-8)


def loss(model, h, table, targets, negatives):
    """h [T, D], targets [T], negatives [T, N]; a negative equal to the target is left out."""
    if model in ("esasrec cosine", "two-tower"):
        h, table = F.normalize(h), F.normalize(table) / 0.5
    positive = (h * table[targets]).sum(-1)
    shares = torch.log(torch.arange(1, V + 1) / 820) if model == "two-tower" else torch.zeros(V + 1)
    if model in ("sasrec", "bert4rec"):
        return F.cross_entropy(h @ table.T, targets)
    scores = torch.einsum("td,tnd->tn", h, table[negatives])
    same = negatives == targets[:, None]
    if model in ("esasrec", "esasrec cosine", "hstu", "hstu times", "gru4rec", "two-tower"):
        positive = positive - shares[targets]
        scores = (scores - shares[negatives]).masked_fill(same, float("-inf"))
        return (torch.logsumexp(torch.cat([positive[:, None], scores], 1), 1) - positive).mean()
    each = F.softplus(scores).masked_fill(same, 0).sum(1)
    if model in ("sasrec pre-norm", "caser"):
        return (F.softplus(-positive) + each).mean()
    n = negatives.shape[1]
    beta = 1 - 0.75 * (1 - n / (V - 1))
    return ((beta * F.softplus(-positive) + each) / (n + 1)).mean()


def losses(model):
    T, B, N = sum(LENGTHS), len(LENGTHS), 5
    inputs, targets, chosen = ids(T, 1), ids(T, 2), torch.arange(T)
    if model == "bert4rec":
        chosen = torch.tensor(MASKED)
        inputs[chosen], targets = V, targets[chosen]
    inputs, times = inputs.split(LENGTHS), (torch.arange(T) ** 2 * 5000.0).split(LENGTHS)
    if model in ("sasrec pre-norm", "caser"):
        negatives = ids(T * N, 3).view(T, N)
    else:
        negatives = torch.repeat_interleave(ids(B * N, 3).view(B, N), torch.tensor(LENGTHS), 0)
    w, optimizer, result = Weights(), None, []
    for _ in range(STEPS):
        h = torch.cat([states(w, model, *rows) for rows in zip(inputs, times)])[chosen]
        rows = V + 1 if model == "bert4rec" else V
        table = w("output-items", V, D) if model in ("gsasrec", "gru4rec", "caser", "two-tower") else w("items", rows, D)
        table = tower(w, "item", table, 7) if model == "two-tower" else table
        value = loss(model, h, table, targets, negatives)
        optimizer = optimizer or torch.optim.Adam(w.tensors.values(), lr=0.01, betas=(0.9, 0.98), eps=1e-8)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        result.append(round(value.item(), 9))
    return result


SEQUENCE_MODELS = ["sasrec", "sasrec pre-norm", "gsasrec", "esasrec", "esasrec cosine", "hstu", "hstu times", "bert4rec", "gru4rec", "caser", "two-tower"]
