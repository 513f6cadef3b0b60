"""A step without a number, under DeepSpeed with the trainer's settings; argv: sharding and precision.

Prints what came of it, as JSON. The image's test runs it too, in each variant.
"""

import json
import os
import sys
import tempfile
from types import SimpleNamespace

os.environ.update(RANK="0", LOCAL_RANK="0", WORLD_SIZE="1", DS_ACCELERATOR="cpu")

import deepspeed
import torch

from roslin_trainer.compat import check_gradients_in_any_precision
from roslin_trainer.deepspeed_engine import DeepSpeedEngine, deepspeed_config
from roslin_trainer.model import DTYPES


class Product(torch.nn.Module):
    def __init__(self, dtype: torch.dtype):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(8, dtype=dtype))

    def forward(self, factor: float):
        return (self.weight * factor).float().mean()


kind, precision = sys.argv[1:]
# DeepSpeed's CPU says that it has none.
type(deepspeed.accelerator.get_accelerator()).is_fp16_supported = lambda self: True
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
store = f"file://{tempfile.mkdtemp()}/store"
torch.distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
deepspeed.init_distributed(dist_backend="gloo", verbose=False)
model = Product(DTYPES[precision])
config = deepspeed_config(SimpleNamespace(learning_rate=0.1, weight_decay=0.0), DTYPES[precision], kind)
engine, *_ = deepspeed.initialize(model=model, model_parameters=list(model.parameters()), config=config)
check_gradients_in_any_precision(engine.optimizer)


def norm_of_step(factor: float) -> float:
    engine.set_gradient_accumulation_boundary(True)
    engine.backward(engine(factor), scale_wrt_gas=False)
    return DeepSpeedEngine.update(SimpleNamespace(_engine=engine), 0.1)


norms, weights = [], []
for factor in (0.01, float("inf"), 0.01):
    norms.append(str(norm_of_step(factor)))
    weights.append(round(model.weight[0].item(), 2))
print(json.dumps({"norms": norms, "weights": weights}))
