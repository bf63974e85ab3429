"""Golden losses of every model: prints losses.json."""
import json

from sequences import SEQUENCE_MODELS, losses
from tables import TABLE_MODELS, perceptron_run, table_losses

golden = {m: losses(m) for m in SEQUENCE_MODELS} | {m: table_losses(m) for m in TABLE_MODELS}
runs = perceptron_run("mlp run", False) | perceptron_run("mlp stopped", True)
print(json.dumps(golden | runs, indent=1))
