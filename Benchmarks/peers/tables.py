"""Yardstick: an epoch of the models of tables in PyTorch beside `augur train`, in turn, on the same rows; one JSON object a line.

    pip install torch numpy
    python Benchmarks/peers/tables.py --augur .build/release/augur --models din,bst

Both train the model's standard sizes with Adam and batches of 1024 rows; the clock runs while steps run, not while rows are read. A table
of drawn clicks: user, item, category, device, two numbers, and the items seen before, of which rows have from none to 50."""
import argparse, json, os, subprocess, tempfile, time
import numpy as np, torch
import torch.nn.functional as F
from torch import nn

USERS, ITEMS, CATEGORIES, DEVICES, LONGEST, BATCH = 20_000, 10_000, 100, 4, 50, 1024


def drawn(rows, seed=7):
    """Codes [rows, 4], numbers [rows, 2], histories [rows, 50] with their lengths, labels of both kinds."""
    random = np.random.default_rng(seed)
    items = (ITEMS * random.random(rows) ** 2).astype(int)
    codes = np.stack([random.integers(USERS, size=rows), items, items % CATEGORIES, random.integers(DEVICES, size=rows)], 1)
    lengths = np.minimum(LONGEST, random.geometric(1 / 20, size=rows) - 1)
    seen = (ITEMS * random.random((rows, LONGEST)) ** 2).astype(int)
    near = ((seen % CATEGORIES == codes[:, 2:3]) & (np.arange(LONGEST) < lengths[:, None])).sum(1)
    numbers = random.normal(size=(rows, 2)).round(4)
    z = -1 + near + .5 * numbers[:, 0] + .3 * codes[:, 3]
    clicks = random.random(rows) < 1 / (1 + np.exp(-z))
    return codes, numbers, seen, lengths, clicks.astype(int), (clicks & (random.random(rows) < .3)).astype(int)


def write(path, table, targets):
    with open(path, "w") as file:
        file.write(",".join(["user,item,category,device,a,b,seen", "click", "buy"][:targets + 1]) + "\n")
        for codes, numbers, seen, length, *labels in zip(*(part.tolist() for part in table)):
            names = ",".join(f"{name}{code}" for name, code in zip("uicd", codes))
            items = "|".join(f"i{item}" for item in seen[:length])
            file.write(f"{names},{numbers[0]},{numbers[1]},{items},{','.join(map(str, labels[:targets]))}\n")


class Dice(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.alpha = nn.BatchNorm1d(width, eps=1e-9, momentum=.01, affine=False), nn.Parameter(torch.zeros(width))

    def forward(self, x):
        p = torch.sigmoid(self.norm(x))
        return p * x + self.alpha * (1 - p) * x


def mlp(width, units, norm=False, dropout=0, dice=False, out=None):
    layers = []
    for unit in units:
        layers.append(nn.Linear(width, unit))
        if norm: layers.append(nn.BatchNorm1d(unit))
        layers.append(Dice(unit) if dice else nn.ReLU())
        if dropout: layers.append(nn.Dropout(dropout))
        width = unit
    return nn.Sequential(*layers, *([nn.Linear(width, out)] if out else []))


class Model(nn.Module):
    """Vectors of four codes and two numbers; `reads` gives logits from them, the history and its mask."""
    targets = 1

    def __init__(self, dim):
        super().__init__()
        self.dim, self.width = dim, 6 * dim
        self.tables = nn.ModuleList(nn.Embedding(size + 1, dim) for size in (USERS, ITEMS, CATEGORIES, DEVICES))
        self.numbers = nn.Parameter(torch.randn(2, dim) * .01)
        for table in self.tables: nn.init.normal_(table.weight, std=.01)

    def vectors(self, codes, numbers):
        e = torch.stack([table(codes[:, i]) for i, table in enumerate(self.tables)], 1)
        return torch.cat([e, numbers[..., None] * self.numbers], 1)

    def history(self, seen): return self.tables[1](seen)


class WithMean(Model):
    """Models that read a history as the mean of its vectors."""
    def __init__(self, dim):
        super().__init__(dim)
        self.width = 7 * dim

    def all(self, codes, numbers, seen, mask):
        mean = (self.history(seen) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return torch.cat([self.vectors(codes, numbers), mean[:, None]], 1)


class MLP(WithMean):
    def __init__(self):
        super().__init__(10)
        self.deep = mlp(self.width, [64], dropout=.5, out=1)

    def forward(self, *row): return self.deep(self.all(*row).flatten(1))


class DeepFM(WithMean):
    def __init__(self):
        super().__init__(10)
        self.deep = mlp(self.width, [400, 400, 400], True, .2, out=1)
        self.first = nn.ModuleList(nn.Embedding(size + 1, 1) for size in (USERS, ITEMS, CATEGORIES, DEVICES))
        self.weights = nn.Linear(2, 1)

    def forward(self, codes, numbers, seen, mask):
        e = self.all(codes, numbers, seen, mask)
        first = sum(table(codes[:, i]) for i, table in enumerate(self.first)) + self.weights(numbers)
        first = first + (self.first[1](seen)[..., 0] * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)
        return self.deep(e.flatten(1)) + first + .5 * (e.sum(1) ** 2 - (e ** 2).sum(1)).sum(1, keepdim=True)


class DCNv2(WithMean):
    def __init__(self):
        super().__init__(10)
        self.deep = mlp(self.width, [400, 400, 400], True, .2, out=1)
        self.cross = nn.ModuleList(nn.Linear(self.width, self.width) for _ in range(3))
        self.output = nn.Linear(self.width, 1, bias=False)

    def forward(self, *row):
        x0 = x = self.all(*row).flatten(1)
        for layer in self.cross: x = x0 * layer(x) + x
        return self.deep(x0) + self.output(x)


class FinalMLP(WithMean):
    def __init__(self):
        super().__init__(10)
        self.one, self.two = mlp(self.width, [400, 400, 400], True, .4), mlp(self.width, [800], True, .2)
        self.contexts = nn.Parameter(torch.randn(2, 10) * .1)
        self.gates = nn.ModuleList(mlp(10, [800], out=self.width) for _ in range(2))
        self.first, self.second = nn.Linear(400, 1), nn.Linear(800, 1, bias=False)
        self.fusion = nn.Parameter(torch.randn(10, 40, 80) * .02)

    def forward(self, *row):
        e = self.all(*row).flatten(1)
        x, y = (mlp(e * 2 * torch.sigmoid(gate(own))) for mlp, gate, own in zip((self.one, self.two), self.gates, self.contexts))
        fused = torch.einsum("bhx,hxy,bhy->b", x.view(-1, 10, 40), self.fusion, y.view(-1, 10, 80))
        return self.first(x) + self.second(y) + fused[:, None]


class MMoE(WithMean):
    targets = 2

    def __init__(self):
        super().__init__(10)
        self.experts = nn.ModuleList(mlp(self.width, [128, 64], dropout=.1) for _ in range(4))
        self.gates = nn.ModuleList(mlp(self.width, [32], out=4) for _ in range(2))
        self.towers = nn.ModuleList(mlp(64, [64], dropout=.1, out=1) for _ in range(2))

    def forward(self, *row):
        x = self.all(*row).flatten(1)
        experts = torch.stack([expert(x) for expert in self.experts], 1)
        return torch.cat([tower((gate(x).softmax(1)[..., None] * experts).sum(1)) for gate, tower in zip(self.gates, self.towers)], 1)


class DIN(Model):
    def __init__(self):
        super().__init__(12)
        self.attention = mlp(48, [80, 40], dice=True, out=1)
        self.deep = mlp(self.width + 12, [200, 80], dice=True, out=1)

    def forward(self, codes, numbers, seen, mask):
        h, e = self.history(seen), self.vectors(codes, numbers)
        t = e[:, 1:2].expand_as(h)
        # Dice takes its statistics over events that are there.
        real = mask.bool()
        pairs = torch.cat([t, h, t - h, t * h], 2)[real]
        a = torch.zeros(mask.shape).masked_scatter(real, self.attention(pairs)[:, 0])
        return self.deep(torch.cat([(a[..., None] * h).sum(1), e.flatten(1)], 1))


class BST(Model):
    def __init__(self):
        super().__init__(16)
        self.places = nn.Embedding(LONGEST + 1, 16)
        self.block = nn.TransformerEncoderLayer(32, 8, 128, dropout=.2, batch_first=True)
        self.deep = mlp(self.width + 32, [1024, 512, 256], dropout=.2, out=1)

    def forward(self, codes, numbers, seen, mask):
        e, ends = self.vectors(codes, numbers), mask.sum(1).long()
        places = torch.arange(mask.shape[1] + 1)
        h = torch.cat([self.history(seen), torch.zeros(len(seen), 1, 16)], 1)
        h = torch.where((places == ends[:, None])[..., None], e[:, 1:2], h)
        x = torch.cat([h, self.places((ends[:, None] - places).clamp(min=0))], 2)
        x = self.block(x, src_key_padding_mask=places > ends[:, None])
        return self.deep(torch.cat([x[torch.arange(len(x)), ends], e.flatten(1)], 1))


class DIEN(Model):
    def __init__(self):
        super().__init__(18)
        self.extraction, self.query = nn.GRU(18, 18, batch_first=True), nn.Linear(18, 18, bias=False)
        self.input, self.state = nn.Linear(18, 54), nn.Linear(18, 54)
        self.deep = mlp(self.width + 18, [200, 80], dice=True, out=1)

    def forward(self, codes, numbers, seen, mask):
        e = self.vectors(codes, numbers)
        h = self.extraction(self.history(seen))[0]
        a = (h @ self.query(e[:, 1])[..., None])[..., 0].masked_fill(mask == 0, float("-inf")).softmax(1).nan_to_num() * mask
        inputs, state = self.input(h), torch.zeros(len(h), 18)
        for t in range(h.shape[1]):
            (iu, ir, i), (su, sr, s) = inputs[:, t].chunk(3, 1), self.state(state).chunk(3, 1)
            moved = torch.tanh(i + torch.sigmoid(ir + sr) * s)
            state = state + a[:, t:t + 1] * torch.sigmoid(iu + su) * (moved - state)
        return self.deep(torch.cat([state, e.flatten(1)], 1))


MODELS = dict(mlp=MLP, deepfm=DeepFM, dcnv2=DCNv2, finalmlp=FinalMLP, mmoe=MMoE, din=DIN, bst=BST, dien=DIEN)


class Theirs:
    def __init__(self, a, name, table, compiled):
        torch.set_num_threads(a.threads)
        torch.manual_seed(0)
        self.model = MODELS[name]()
        self.step = torch.compile(self.loss, dynamic=True) if compiled else self.loss
        self.optimizer = torch.optim.Adam(self.model.parameters())
        codes, numbers, seen, self.lengths, clicks, buys = table
        self.labels = torch.tensor(np.stack([clicks, buys], 1)[:, :self.model.targets], dtype=torch.float32)
        self.codes, self.numbers, self.seen = torch.tensor(codes), torch.tensor(numbers, dtype=torch.float32), torch.tensor(seen)

    def loss(self, *batch): return F.binary_cross_entropy_with_logits(self.model(*batch[:-1]), batch[-1])

    def epoch(self):
        order, start = np.random.permutation(len(self.lengths)), time.perf_counter()
        for first in range(0, len(order), BATCH):
            own = order[first:first + BATCH]
            lengths = self.lengths[own]
            longest = max(1, lengths.max())
            mask = torch.tensor(np.arange(longest) < lengths[:, None]).float()
            value = self.step(self.codes[own], self.numbers[own], self.seen[own, :longest], mask, self.labels[own])
            self.optimizer.zero_grad()
            value.backward()
            self.optimizer.step()
        return time.perf_counter() - start


def ours(a, name, data, folder):
    run = os.path.join(tempfile.mkdtemp(dir=folder), "run")
    subprocess.run([a.augur, "train", "--data", data, "--model", name, "--output", run, "--threads", str(a.threads), "--epochs", "3",
                    "--set", f"batch={BATCH}", "--set", "patience=0", "--set", "calibration=none"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return min(epoch["seconds"] for epoch in json.load(open(os.path.join(run, "history.json"))))


def prepared(a, table, targets, folder):
    os.mkdir(folder)
    files = [os.path.join(folder, name + ".csv") for name in ("training", "validation", "test")]
    # Validation and test, for which augur asks, are short.
    for file, rows in zip(files, (a.rows, 1000, 1000)): write(file, [part[:rows] for part in table], targets)
    labels = [flag for label in ("click", "buy")[:targets] for flag in ("--label", label)]
    data = os.path.join(folder, "data")
    subprocess.run([a.augur, "prepare", "--format", "table", *labels, "--history", "seen=item", "--input", files[0], "--validation-input",
                    files[1], "--test-input", files[2], "--output", data, "--allow-leaks"], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return data


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--augur", default=".build/release/augur")
    p.add_argument("--models", default=",".join(MODELS))
    for name, value in dict(rows=100_000, threads=os.cpu_count(), rounds=2).items(): p.add_argument("--" + name, type=int, default=value)
    a = p.parse_args()
    table = drawn(a.rows)
    with tempfile.TemporaryDirectory() as folder:
        data = {targets: prepared(a, table, targets, os.path.join(folder, str(targets))) for targets in (1, 2)}
        for name in a.models.split(","):
            peers = {f"pytorch {torch.__version__}" + (" compiled" if compiled else ""): Theirs(a, name, table, compiled)
                     for compiled in ((False,) if name == "dien" else (False, True))}  # compiling a loop over events takes minutes
            works = {"augur": lambda: ours(a, name, data[MODELS[name].targets], folder)} | {n: peer.epoch for n, peer in peers.items()}
            for peer in peers.values(): peer.epoch()
            found = {n: [] for n in works}
            for turn in range(a.rounds):
                for n, work in works.items():
                    seconds = work()
                    found[n].append(seconds)
                    print(json.dumps(dict(op=name, by=n, round=turn + 1, rows=a.rows, threads=a.threads, seconds=round(seconds, 3))), flush=True)
            least = {n: min(seconds) for n, seconds in found.items()}
            best = min(peers, key=least.get)
            print(json.dumps(dict(op=name, ours=round(least["augur"], 3), peer=best, peer_best=round(least[best], 3),
                                  ratio=round(least["augur"] / least[best], 3))), flush=True)


if __name__ == "__main__":
    main()
