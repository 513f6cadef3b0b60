"""DeepSpeed: the ranks train together, and ZeRO spreads over them what sharding.py has chosen."""

import math
from pathlib import Path

import deepspeed
import torch
import torch.distributed as distributed

from roslin_trainer.batches import without_labels
from roslin_trainer.collectives import sum_over_ranks
from roslin_trainer.compat import HAS_FUSED_ADAM, check_gradients_in_any_precision
from roslin_trainer.engine import ADAM_BETAS, MAX_GRADIENT_NORM, STATE_FILE
from roslin_trainer.host import keep_freed_memory
from roslin_trainer.layout import Layout
from roslin_trainer.loss import SupervisedLoss
from roslin_trainer.model import precision_of, save_weights
from roslin_trainer.packing import collate_for, reads_packs
from roslin_trainer.plan import Training
from roslin_trainer.sharding import Sharding, zero_config
from roslin_trainer.tokens import TokenRow

TAG = "zero"


class DeepSpeedEngine:
    """One rank under torchrun, on its GPU, or on the CPU where there is none."""

    def __init__(self, model, training: Training, dtype: torch.dtype, sharding: Sharding, filler: TokenRow):
        """`filler` is any row: a rank that has run out of rows computes it, without labels."""
        self.rank = distributed.get_rank()
        self.world_size = distributed.get_world_size()
        self.pack_tokens = sharding.pack_tokens
        self._filler = filler
        self._collate = collate_for(model)
        self.is_padded = not reads_packs(model)
        self._uses_adapters = training.uses_adapters
        self._model = model.train()
        self._loss = SupervisedLoss(model)
        self._computed_tokens = 0
        self._engine, *_ = deepspeed.initialize(
            model=model,
            model_parameters=[parameter for parameter in model.parameters() if parameter.requires_grad],
            config=deepspeed_config(training, dtype, sharding.kind),
        )
        check_gradients_in_any_precision(self._engine.optimizer)
        self.device = self._engine.device
        self.layout = Layout(sharding.kind, self.world_size, self.device.type, precision_of(dtype))
        if self.device.type == "cpu":
            keep_freed_memory()

    def accumulate(self, rows: list[TokenRow], step_tokens: int, is_last: bool) -> torch.Tensor:
        self._engine.set_gradient_accumulation_boundary(is_last)
        batch = self._batch(rows)
        self._computed_tokens += batch.input_ids.numel()
        loss = self._loss(self._engine, batch)
        # DeepSpeed takes the mean over ranks; the sum over ranks divided by all tokens is wanted.
        self._engine.backward(loss * (self.world_size / step_tokens), scale_wrt_gas=False)
        return loss.detach()

    def update(self, learning_rate: float) -> float:
        for group in self._engine.optimizer.param_groups:
            group["lr"] = learning_rate
        self._engine.step()
        # ZeRO itself leaves out a step whose gradients are not finite. The norm may then be the last step's.
        return math.inf if self._engine.optimizer.overflow else float(self._engine.get_global_grad_norm())

    def computed_tokens(self) -> int:
        computed, self._computed_tokens = self._computed_tokens, 0
        return computed

    def has_finite_weights(self) -> bool:
        trained = (weight for weight in self._model.parameters() if weight.requires_grad)
        return all(getattr(weight, "ds_tensor", weight).isfinite().all() for weight in trained)

    @torch.no_grad()
    def loss_sum(self, rows: list[TokenRow]) -> torch.Tensor:
        self._engine.eval()
        try:
            return self._loss(self._engine, self._batch(rows))
        finally:
            self._engine.train()

    def all_sum(self, values: list[float]) -> list[float]:
        return sum_over_ranks(values, self.device)

    def save_state(self, folder: Path) -> None:
        # Frozen weights are those of the base model, which the run has already.
        self._engine.save_checkpoint(
            str(folder), tag=TAG, save_latest=False, exclude_frozen_parameters=self._uses_adapters
        )
        random = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state()
        torch.save(random, folder / f"rank-{self.rank}-{STATE_FILE}")
        # Rank 0 uploads the folder: it must not start before all have written.
        distributed.barrier()

    def load_state(self, folder: Path) -> None:
        self._engine.load_checkpoint(str(folder), tag=TAG, load_module_strict=not self._uses_adapters)
        random = torch.load(folder / f"rank-{self.rank}-{STATE_FILE}", weights_only=True)
        torch.set_rng_state(random["cpu"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(random["cuda"])

    def save_weights(self, folder: Path) -> None:
        weights = {}
        for name, parameter in self._model.named_parameters():
            # Adapters alone where the rest is frozen: peft picks them out of what it is given.
            if self._uses_adapters and not parameter.requires_grad:
                continue
            # One by one: no rank ever holds the whole model on its GPU.
            with deepspeed.zero.GatheredParameters([parameter]):
                if self.rank == 0:
                    weights[name] = parameter.detach().to("cpu", copy=True)
        if self.rank == 0:
            save_weights(self._model, folder, weights)
        distributed.barrier()

    def _batch(self, rows: list[TokenRow]):
        batch = self._collate(rows) if rows else without_labels(self._collate([self._filler]))
        return batch.to(self.device)


def deepspeed_config(training: Training, dtype: torch.dtype, kind: str) -> dict:
    """Known before the model is loaded: under ZeRO-3 each rank keeps only its part of it from the start."""
    return {
        "train_micro_batch_size_per_gpu": 1,
        "bf16": {"enabled": dtype == torch.bfloat16},
        # The search for a loss scale begins at 65,536: the older DeepSpeed's own would at 2^32.
        "fp16": {"enabled": dtype == torch.float16, "initial_scale_power": 16},
        "zero_optimization": zero_config(kind, torch.cuda.is_available()),
        "gradient_clipping": MAX_GRADIENT_NORM,
        "optimizer": {
            "type": "AdamW",
            "params": {
                "lr": training.learning_rate,
                "betas": list(ADAM_BETAS),
                "weight_decay": training.weight_decay,
                # PyTorch's own: DeepSpeed's is compiled at run time, and the image has no compiler.
                "torch_adam": True,
                "fused": HAS_FUSED_ADAM,
            },
        },
    }
