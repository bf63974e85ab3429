"""Golden losses of the models: the equations of the papers in float64 PyTorch, four steps of Adam on one fixed batch.

Prints losses.json. Weights, histories and negatives are functions of their place (`fixed`), as in Tests/OpCases/OpCase.swift.
"""
import json
import torch
import torch.nn.functional as F

V, D, H, L, BLOCKS, STEPS = 40, 8, 2, 10, 2, 4
LENGTHS = [7, 4, 1]
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


def states(w, model, items):
    table, positions = w("items", V, D), w("positions", L, D)
    if model == "esasrec":
        x = table[items] + positions[L - len(items):]
    else:
        x = D**0.5 * table[items] + positions[L - len(items):]
    for i in range(BLOCKS):
        name = f"blocks.{i}"
        x = ligr_block(w, name, x) if model == "esasrec" else sasrec_block(w, name, x, model == "sasrec pre-norm")
    return x if model == "esasrec" else norm(w, "norm", x, 1e-8)


def loss(model, h, table, targets, negatives):
    """h [T, D], targets [T], negatives [T, N]; a negative equal to the target is left out."""
    positive = (h * table[targets]).sum(-1)
    if model == "sasrec":
        return F.cross_entropy(h @ table.T, targets)
    scores = torch.einsum("td,tnd->tn", h, table[negatives])
    same = negatives == targets[:, None]
    if model == "esasrec":
        scores = scores.masked_fill(same, float("-inf"))
        return (torch.logsumexp(torch.cat([positive[:, None], scores], 1), 1) - positive).mean()
    each = F.softplus(scores).masked_fill(same, 0).sum(1)
    if model == "sasrec pre-norm":
        return (F.softplus(-positive) + each).mean()
    n = negatives.shape[1]
    beta = 1 - 0.75 * (1 - n / (V - 1))
    return ((beta * F.softplus(-positive) + each) / (n + 1)).mean()


def losses(model):
    T, B, N = sum(LENGTHS), len(LENGTHS), 5
    inputs, targets = ids(T, 1).split(LENGTHS), ids(T, 2)
    if model == "sasrec pre-norm":
        negatives = ids(T * N, 3).view(T, N)
    else:
        negatives = torch.repeat_interleave(ids(B * N, 3).view(B, N), torch.tensor(LENGTHS), 0)
    w, optimizer, result = Weights(), None, []
    for _ in range(STEPS):
        h = torch.cat([states(w, model, items) for items in inputs])
        table = w("output-items", V, D) if model == "gsasrec" else w("items", V, D)
        value = loss(model, h, table, targets, negatives)
        optimizer = optimizer or torch.optim.Adam(w.tensors.values(), lr=0.01, betas=(0.9, 0.98), eps=1e-8)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        result.append(round(value.item(), 9))
    return result


print(json.dumps({m: losses(m) for m in ["sasrec", "sasrec pre-norm", "gsasrec", "esasrec"]}, indent=1))
