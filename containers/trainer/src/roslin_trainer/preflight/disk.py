"""Room on the scratch disk and in shared memory."""

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.host import MIB
from roslin_trainer.manifest import read_manifest
from roslin_trainer.plan import Plan
from roslin_trainer.preflight.machine import Machine
from roslin_trainer.sharding import OPTIMIZER_BYTES
from roslin_trainer.storage import open_folder

GIB = 2**30
# One checkpoint is written while the one before it is still being uploaded.
CHECKPOINTS_AT_ONCE = 2
# Bytes a weight of a full checkpoint on GPUs: 2 in the model's files and 2 once more in DeepSpeed's state.
# The main node writes them; of the optimizer's state each node writes its ranks' part.
GPU_WEIGHT_BYTES = 4
# On a CPU 4 for the weight and 8 for its moments, all written by the main node. Adapters are small.
CPU_CHECKPOINT_BYTES = 12
# NVIDIA, NCCL User Guide, Troubleshooting, "Shared Memory": containers want --shm-size=1g.
SHARED_MEMORY_BYTES = GIB


def check_scratch(plan: Plan, machine: Machine) -> str:
    """The fetched model and rows, and the checkpoints under way; or at the end, the model in two forms.

    Of a job's machines it is the main one that needs most.
    """
    model, rows = _folder_bytes(plan.base_model.mirror_uri), _folder_bytes(plan.prepared_uri)
    checkpoints = CHECKPOINTS_AT_ONCE * _checkpoint_bytes(plan, machine.nodes)
    needed = model + rows + max(checkpoints, 2 * model)
    free = machine.scratch_free_bytes
    arithmetic = (
        f"{machine.scratch} has {free / GIB:.1f} GiB free, {needed / GIB:.1f} are needed "
        f"(model {model / GIB:.1f}, rows {rows / GIB:.1f}, checkpoints {checkpoints / GIB:.1f})"
    )
    if free < needed:
        raise TrainerError(
            ExitCode.RESOURCES_MISSING,
            "SCRATCH_TOO_SMALL",
            f"The scratch disk is too small: {arithmetic}.",
            "Give the machine a larger disk, or point ROSLIN_SCRATCH_DIR to one; LoRA needs far less.",
        )
    return arithmetic


def check_shared_memory(plan: Plan, machine: Machine) -> str:
    """What the ranks of one machine exchange data through."""
    free = machine.shared_memory_bytes
    if plan.gpus == 1 or free is None:
        return "not needed" if plan.gpus == 1 else "none"
    if free < SHARED_MEMORY_BYTES:
        raise TrainerError(
            ExitCode.RESOURCES_MISSING,
            "SHARED_MEMORY_TOO_SMALL",
            f"/dev/shm has {free / MIB:.0f} MiB free; {plan.gpus} GPUs need "
            f"{SHARED_MEMORY_BYTES / MIB:.0f} MiB to exchange data.",
            "Start the container with --shm-size=8g; on AWS the job definition's linuxParameters say so.",
        )
    return f"{free / GIB:.1f} GiB free"


def _checkpoint_bytes(plan: Plan, nodes: int) -> float:
    """What the main node writes of a checkpoint."""
    if plan.training.method != "full" or plan.base_model.parameters is None:
        return 0
    weight_bytes = GPU_WEIGHT_BYTES + OPTIMIZER_BYTES / nodes if plan.gpus else CPU_CHECKPOINT_BYTES
    return plan.base_model.parameters * weight_bytes


def _folder_bytes(uri: str) -> int:
    """Of a complete folder. One that is not there is found missing when it is fetched."""
    manifest = read_manifest(open_folder(uri))
    return sum(file.bytes for file in manifest.files) if manifest else 0
