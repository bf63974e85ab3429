"""Models of labelled rows: the equations of the papers in float64 PyTorch, four steps of Adam on one fixed batch."""
import torch
import torch.nn.functional as F

from sequences import STEPS, Weights, bert_block, fixed, linear

SIZES, NUMBERS, ROWS, WIDTH = [5, 7], 2, 9, 4


def table_batch():
    """Two fields and two numbers a row: rows of the joint table, their weights, and labels."""
    bases, columns = [0, SIZES[0]], []
    for field, size in enumerate(SIZES):
        columns.append([bases[field] + min(size - 1, int((fixed(i, 11 + field) + 1) / 2 * size)) for i in range(ROWS)])
    numbers = torch.tensor([fixed(i, 21) for i in range(ROWS * NUMBERS)]).float().double().view(ROWS, NUMBERS)
    places = torch.arange(sum(SIZES), sum(SIZES) + NUMBERS).repeat(ROWS, 1)
    x = torch.cat([torch.ones(ROWS, len(SIZES)), numbers], 1)
    labels = torch.tensor([1.0 if fixed(i, 31) > 0 else 0.0 for i in range(ROWS)])
    return torch.cat([torch.tensor(columns).T, places], 1), x, numbers, labels


def batch_norm(w, name, x):
    n = (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()
    return n * w(name + ".gain", x.shape[1]) + w(name + ".bias", x.shape[1])


def mlp(w, name, x, units, norms):
    for i, n in enumerate(units):
        x = linear(w, f"{name}.{i}", x, n)
        x = F.relu(batch_norm(w, f"{name}.{i}.norm", x) if norms else x)
    return x


def table_outputs(w, model, ids, x, numbers):
    rows, features = sum(SIZES) + NUMBERS, len(SIZES) + NUMBERS

    def first():
        return (w("first.weight", rows, 1)[ids][..., 0] * x).sum(1, keepdim=True) + w("first.bias", 1, 1)

    if model == "logistic-regression":
        return first()
    if model == "mlp numbers":
        return linear(w, "output", mlp(w, "deep", numbers, [6], False), 1)
    e = w("features", rows, WIDTH)[ids] * x[..., None]
    pairs = sum((e[:, i] * e[:, j]).sum(1, keepdim=True) for i in range(features) for j in range(i))
    e = e.reshape(ROWS, -1)
    if model == "fm":
        return first() + pairs
    if model == "mlp":
        return linear(w, "output", mlp(w, "deep", e, [6, 5], True), 1)
    if model == "deepfm":
        return first() + pairs + linear(w, "output", mlp(w, "deep", e, [6, 5], True), 1)
    if model.startswith("dcnv2"):
        c = e
        for i in range(2):
            c = e * linear(w, f"cross.{i}", c, c.shape[1]) + c
        if model == "dcnv2 stacked":
            return linear(w, "output", mlp(w, "deep", c, [6, 5], True), 1)
        return linear(w, "output", mlp(w, "deep", e, [6, 5], True), 1) + c @ w("cross-output.weight", c.shape[1], 1)
    streams, heads = [], 2 if model == "finalmlp heads" else 1
    for i, units in enumerate([[6, 4], [6]] if heads == 2 else [[6, 5], [7]]):
        hidden = F.relu(linear(w, f"gates.{i}.hidden", w(f"gates.{i}.context", 1, WIDTH), 8))
        gate = 2 * torch.sigmoid(linear(w, f"gates.{i}.output", hidden, e.shape[1]))
        streams.append(mlp(w, f"stream{i + 1}", e * gate, units, True))
    a, b = streams
    W, fused = w("fusion.weight", a.shape[1], b.shape[1]), 0
    for h, (p, q) in enumerate(zip(a.chunk(heads, 1), b.chunk(heads, 1))):
        fused += ((p @ W.chunk(heads, 0)[h].chunk(heads, 1)[h]) * q).sum(1, keepdim=True)
    return linear(w, "output.0", a, 1) + linear(w, "output.1", b, 1, bias=False) + fused


HISTORIES, LONGEST = [3, 0, 1, 4, 2, 4, 0, 1, 3], 4


def dice_mlp(w, name, x, units):
    for i, n in enumerate(units):
        x = linear(w, f"{name}.{i}", x, n)
        p = torch.sigmoid((x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-9).sqrt())
        x = p * x + w(f"{name}.{i}.dice.alpha", n) * (1 - p) * x
    return x


def history_gru(w, name, x, shares=None):
    """The states after each event: z keeps, a share moves less."""
    h, states = torch.zeros(WIDTH), []
    for t in range(len(x)):
        a = linear(w, name + ".input", x[t], 3 * WIDTH).split(WIDTH, -1)
        b = linear(w, name + ".state", h, 3 * WIDTH).split(WIDTH, -1)
        u, r = 1 - torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
        h = h + (u if shares is None else u * shares[t]) * (torch.tanh(a[2] + r * b[2]) - h)
        states.append(h)
    return torch.stack(states) if states else x


def random_stream(seed):
    """Tensors/RandomStream.swift."""
    mask = 2**64 - 1
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        z = ((seed ^ seed >> 30) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
        yield z ^ z >> 31


def auxiliary_loss(w, table, events, states):
    """Which event is next, against one that is drawn."""
    draws, ends = random_stream(next(random_stream(1))), torch.tensor(HISTORIES).cumsum(0).tolist()
    pairs = [[], []]
    for length, end in zip(HISTORIES, ends):
        for j in range(end - length, end - 1):
            positive, negative = events[j + 1].item(), 1 + (next(draws) * (SIZES[0] - 1) >> 64)
            if negative == positive:
                negative = negative + 1 if negative + 1 < SIZES[0] else 1
            for side, event in enumerate((positive, negative)):
                pairs[side].append(torch.cat([states[j], table[event]]))
    value = 0
    for side, own in enumerate(pairs):
        x = torch.stack(own)
        for i, n in enumerate([5, 4]):
            x = torch.sigmoid(linear(w, f"auxiliary.{i}", x, n))
        y = linear(w, "auxiliary.output", x, 1)[:, 0]
        value = value + F.binary_cross_entropy_with_logits(y, torch.full_like(y, 1.0 - side))
    return value


def history_outputs(w, model, ids, x):
    """A history of the first field beside two fields and two numbers."""
    table = w("features", sum(SIZES) + NUMBERS, WIDTH)
    e = (table[ids] * x[..., None]).reshape(ROWS, -1)
    events = torch.tensor([min(SIZES[0] - 1, int((fixed(i, 51) + 1) / 2 * SIZES[0])) for i in range(sum(HISTORIES))])
    rows = torch.arange(ROWS).repeat_interleave(torch.tensor(HISTORIES))
    h, t = table[events], table[ids[:, 0]]
    if model.startswith("din"):
        pairs = torch.cat([t[rows], h, t[rows] - h, t[rows] * h], 1)
        a = linear(w, "attention.0.output", dice_mlp(w, "attention.0", pairs, [5, 4]), 1)
        if model == "din softmax":
            a = torch.cat([part.softmax(0) for part in a.split(HISTORIES)])
        v = torch.zeros(ROWS, WIDTH).index_add(0, rows, a * h)
        return linear(w, "output", dice_mlp(w, "deep", torch.cat([v, e], 1), [6, 5]), 1)
    if model == "bst":
        ends, distances = [], w("blocks.0.distances", LONGEST + 1, WIDTH)
        for part, own in zip(h.split(HISTORIES), t):
            tokens = torch.cat([torch.cat([part, own[None]]), distances[torch.arange(len(part), -1, -1)]], 1)
            ends.append(bert_block(w, "blocks.0", tokens, F.relu)[-1])
        return linear(w, "output", mlp(w, "deep", torch.cat([torch.stack(ends), e], 1), [6, 5], False), 1)
    ends, query, all_states = [], linear(w, "interests.0.query", t, WIDTH, bias=False), []
    for part, own in zip(h.split(HISTORIES), query):
        states = history_gru(w, "interests.0.extraction", part)
        all_states.append(states)
        evolved = history_gru(w, "interests.0.evolution", states, (states @ own).softmax(0))
        ends.append(evolved[-1] if len(evolved) else torch.zeros(WIDTH))
    y = linear(w, "output", dice_mlp(w, "deep", torch.cat([torch.stack(ends), e], 1), [6, 5]), 1)
    return (y, auxiliary_loss(w, table, events, torch.cat(all_states))) if model == "dien auxiliary" else y


def mixture(w, name, x, experts):
    gates = torch.softmax(linear(w, name + ".output", F.relu(linear(w, name + ".hidden.0", x, 3)), len(experts)), 1)
    return sum(gates[:, i : i + 1] * expert for i, expert in enumerate(experts))


def tower(w, name, x, units):
    return linear(w, name + ".output", mlp(w, name + ".hidden", x, units, False), 1)


def several_outputs(w, model, ids, x):
    """Two targets at once: the outputs of both."""
    x = (w("features", sum(SIZES) + NUMBERS, WIDTH)[ids] * x[..., None]).reshape(ROWS, -1)
    if model == "esmm":
        return [tower(w, name, x, [6, 5]) for name in ("click", "conversion")]
    if model == "mmoe":
        experts = [mlp(w, f"experts.{i}", x, [5, 4], False) for i in range(3)]
        return [tower(w, f"towers.{k}", mixture(w, f"gates.{k}", x, experts), [6, 5]) for k in range(2)]
    streams, shared = [x, x], x
    for level in range(2):
        name = f"levels.{level}"
        common = [mlp(w, f"{name}.shared.{i}", shared, [5, 4], False) for i in range(2)]
        own = [[mlp(w, f"{name}.target{k}.0", streams[k], [5, 4], False)] for k in range(2)]
        streams = [mixture(w, f"{name}.gates.{k}", streams[k], own[k] + common) for k in range(2)]
        if level == 0:
            shared = mixture(w, f"{name}.gates.shared", shared, own[0] + own[1] + common)
    return [tower(w, f"towers.{k}", streams[k], [6, 5]) for k in range(2)]


def several_losses(w, model, ids, x, click):
    second = torch.tensor([1.0 if fixed(i, 32) > -0.3 else 0.0 for i in range(ROWS)])
    a, b = (y[:, 0] for y in several_outputs(w, model, ids, x))
    if model == "esmm":
        both = torch.sigmoid(a) * torch.sigmoid(b)
        return F.binary_cross_entropy_with_logits(a, click) + F.binary_cross_entropy(both, click * second)
    return F.binary_cross_entropy_with_logits(a, click) + F.binary_cross_entropy_with_logits(b, second)


def price_losses(w, model, ids, x, labels):
    """ln y = f(rest) - softplus(g) ln price; the mean of exp(x) - label x."""
    logs = torch.tensor([fixed(i, 71) for i in range(ROWS)]).float().double()[:, None]
    first = (w("first.weight", sum(SIZES) + NUMBERS, 1)[ids][..., 0] * x).sum(1, keepdim=True) + w("first.bias", 1, 1)
    e = (w("features", sum(SIZES) + NUMBERS, WIDTH)[ids] * x[..., None]).reshape(ROWS, -1)
    f = linear(w, "output", mlp(w, "deep", e, [6, 5], False), 1) + first
    if model.endswith("all"):
        g = linear(w, "elasticity.output", mlp(w, "elasticity.hidden", e, [3], False), 1)
    else:
        g = w("elasticity.bias", 1, 1).expand(ROWS, 1)
        if model.endswith("value"):
            g = g + w("elasticity.weight", SIZES[0], 1)[ids[:, 0]]
    y = (f - F.softplus(g) * logs)[:, 0]
    return (y.exp() - labels * y).mean()


def table_losses(model):
    ids, x, numbers, labels = table_batch()
    w, optimizer, result = Weights(), None, []
    for _ in range(STEPS):
        if model in ("mmoe", "ple", "esmm"):
            value = several_losses(w, model, ids, x, labels)
        elif model.startswith("price-response"):
            value = price_losses(w, model, ids, x, labels)
        elif model == "dien auxiliary":
            y, own = history_outputs(w, model, ids, x)
            value = F.binary_cross_entropy_with_logits(y[:, 0], labels) + 0.5 * own
        elif model.split()[0] in ("din", "bst", "dien"):
            value = F.binary_cross_entropy_with_logits(history_outputs(w, model, ids, x)[:, 0], labels)
        else:
            value = F.binary_cross_entropy_with_logits(table_outputs(w, model, ids, x, numbers)[:, 0], labels)
        optimizer = optimizer or torch.optim.Adam(w.tensors.values(), lr=0.01, betas=(0.9, 0.999), eps=1e-8)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        result.append(round(value.item(), 9))
    return result


def perceptron_run(name, is_flipped):
    """5 inputs, 64 ReLU, one logit; Adam .001 on all 160 rows at once, 10 epochs, patience 3: loss and validation AUC of each epoch.
    With flipped labels in validation its AUC falls, and patience ends the run."""
    rows = 240
    x = torch.tensor([fixed(i, 41) for i in range(rows * 5)]).float().double().view(rows, 5)
    y = torch.tensor([1.0 if fixed(i, 42) + x[i, 0] - 0.5 * x[i, 1] * x[i, 2] > 0 else 0.0 for i in range(rows)])
    w, optimizer, losses, aucs = Weights(), None, [], []

    def outputs(rows):
        return linear(w, "output", mlp(w, "deep", rows, [64], False), 1)[:, 0]

    while len(losses) < 10:
        value = F.binary_cross_entropy_with_logits(outputs(x[:160]), y[:160])
        optimizer = optimizer or torch.optim.Adam(w.tensors.values(), lr=0.001)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        z, labels = outputs(x[160:200]), 1 - y[160:200] if is_flipped else y[160:200]
        pairs = (z[labels == 1][:, None] > z[labels == 0][None]).double()
        losses.append(round(value.item(), 9))
        aucs.append(round(pairs.mean().item(), 9))
        if len(aucs) - 1 - aucs.index(max(aucs)) >= 3:
            break
    return {f"{name} losses": losses, f"{name} AUC": aucs}


TABLE_MODELS = [
    "logistic-regression", "mlp", "mlp numbers", "fm", "deepfm", "dcnv2", "dcnv2 stacked", "finalmlp", "finalmlp heads", "mmoe", "ple", "esmm",
    "din", "din softmax", "bst", "dien", "dien auxiliary", "price-response one", "price-response value", "price-response all",
]
