"""The GPUs' memory, by the same estimate that the ranks share it out with."""

from pathlib import Path
from tempfile import TemporaryDirectory

from roslin_trainer import sharding
from roslin_trainer.plan import Plan
from roslin_trainer.precision import VALUE_BYTES, Processor, resolve_precision
from roslin_trainer.preflight.machine import Machine
from roslin_trainer.storage import open_folder


def check_memory(plan: Plan, machine: Machine) -> str:
    """How the ranks will share the GPUs' memory out. Raises TrainerError GPU_MEMORY_TOO_SMALL."""
    config = _read_config(plan)
    if config is None or not machine.gpus:
        return "not known"
    smallest = min(machine.gpus, key=lambda gpu: gpu.memory_bytes)
    oldest = min(machine.gpus, key=lambda gpu: gpu.capability)
    # Transformers takes seconds to import: only for GPUs.
    from roslin_trainer.model import model_size

    processor = Processor.gpu(oldest.name, oldest.capability)
    precision, _ = resolve_precision(plan.training.precision, processor)
    gpus = sharding.Machine(plan.gpus * machine.nodes, smallest.memory_bytes, plan.gpus, machine.memory_bytes)
    wanted = sharding.Wanted.by(plan.training, VALUE_BYTES[precision])
    return sharding.choose_sharding(model_size(config, plan.training), gpus, wanted).reason


def _read_config(plan: Plan):
    """The model's shape. None where it is not mirrored: that is found missing when it is fetched."""
    content = open_folder(plan.base_model.mirror_uri).read("config.json")
    if content is None:
        return None
    from roslin_trainer.model import load_config

    with TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_bytes(content)
        return load_config(Path(folder), plan.base_model.source)
