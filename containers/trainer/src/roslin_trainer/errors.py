"""Errors a person can act on, and the translation of everything else into one.

Does without PyTorch where nothing else has imported it: a step's first words wait for no import.
"""

import errno
import shutil
import sys

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.scratch import scratch_root

# S3's answers that no second attempt changes; 401 and 403 are those to a HEAD request, which has no body.
DENIED_CODES = frozenset(
    ("AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket")
    + ("401", "403")
)
# Of the CPU's allocator; of CUDA outside PyTorch's allocator (pinned memory, contexts), cuBLAS and NCCL.
NO_MEMORY_WORDS = (
    "can't allocate memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "Cuda failure 'out of memory'",
)
# What the writers of files say that are not written in Python.
NO_SPACE_WORDS = ("No space left on device", "os error 28")
# torch.save does not say why it could not write.
WRITER_WORDS = ("inline_container", "iostream error")
# With less than this left, it was for want of space.
FULL_BYTES = 2**24


class TrainerError(Exception):
    """Ends the step: `code` is explained in docs/troubleshooting.md, `next_step` says what to do."""

    def __init__(self, exit_code: ExitCode, code: str, message: str, next_step: str):
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code
        self.message = message
        self.next_step = next_step

    def to_json(self, step: str) -> dict:
        """The content of `error.json` (core/run-files.ts, stepErrorSchema)."""
        return {
            "step": step,
            "exitCode": int(self.exit_code),
            "code": self.code,
            "message": self.message,
            "nextStep": self.next_step,
        }

    @classmethod
    def from_json(cls, value: dict) -> "TrainerError":
        return cls(ExitCode(value["exitCode"]), value["code"], value["message"], value["nextStep"])


def dataset_invalid(message: str) -> TrainerError:
    return TrainerError(
        ExitCode.USER_ERROR,
        "DATASET_INVALID",
        message,
        "Mend the rows named; docs/recipes.md shows what a row of each format has.",
    )


def model_unreadable(source: str, reason: object) -> TrainerError:
    return TrainerError(
        ExitCode.MODEL_UNREADABLE,
        "MODEL_UNREADABLE",
        f"The model {source} cannot be loaded: {reason}",
        "Point baseModel.source to a causal language model in Hugging Face's layout, or to one .gguf.",
    )


def interrupted(reason: str = "it was told to stop (SIGTERM)") -> TrainerError:
    return TrainerError(
        ExitCode.INTERRUPTED,
        "INTERRUPTED",
        f"The step stopped because {reason}.",
        "Nothing to do: the next attempt goes on from the newest complete checkpoint.",
    )


def is_denied(error: BaseException) -> bool:
    """Whether S3 refuses, as it will the next time: a right, a key or the bucket itself is missing."""
    if not isinstance(error, ClientError):
        return False
    code = error.response.get("Error", {}).get("Code", "")
    return code in DENIED_CODES or code.startswith("KMS.")


def storage_denied(message: str) -> TrainerError:
    return TrainerError(
        ExitCode.STORAGE_DENIED,
        "STORAGE_DENIED",
        message,
        "Check the rights of the job's role, the bucket's policy and its KMS key; then start the run again.",
    )


def out_of_memory(error: BaseException, estimate: str | None = None) -> TrainerError:
    """`estimate` is the plan's reason why the run should have fitted."""
    facts = [f"Memory ran out: {error or type(error).__name__}", _gpu_memory()]
    if estimate:
        facts.append(f"The plan's estimate was: {estimate}")
    return TrainerError(
        ExitCode.OUT_OF_MEMORY,
        "OUT_OF_MEMORY",
        " ".join(fact.rstrip(".") + "." for fact in facts if fact),
        "Lower training.batchSizePerGpu or training.maxTokens, or choose a larger instance.",
    )


def is_out_of_memory(error: BaseException) -> bool:
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.cuda.OutOfMemoryError)):
        return True
    # What allocates beside PyTorch's own allocator of GPU memory has no exception class of its own.
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY_WORDS)


def disk_full(error: BaseException) -> TrainerError:
    return TrainerError(
        ExitCode.RESOURCES_MISSING,
        "DISK_FULL",
        f"The scratch disk is full: {error}",
        "Give the job a larger disk, or point ROSLIN_SCRATCH_DIR to one.",
    )


def is_disk_full(error: BaseException | None) -> bool:
    """Whether it, or what led to it, is for want of space on the scratch disk, as this is now."""
    if error is None:
        return False
    return (
        (isinstance(error, OSError) and error.errno == errno.ENOSPC)
        or any(words in str(error) for words in NO_SPACE_WORDS)
        or (any(words in str(error) for words in WRITER_WORDS) and _is_scratch_full())
        or is_disk_full(error.__cause__ or error.__context__)
    )


def _is_scratch_full() -> bool:
    return shutil.disk_usage(scratch_root()).free < FULL_BYTES


def _gpu_memory() -> str:
    torch = sys.modules.get("torch")
    if not torch or not torch.cuda.is_available():
        return ""
    gib = 2**30
    free, total = torch.cuda.mem_get_info()
    return (
        f"GPU {torch.cuda.current_device()}: {torch.cuda.memory_allocated() / gib:.1f} GiB allocated, "
        f"{torch.cuda.memory_reserved() / gib:.1f} reserved, {torch.cuda.max_memory_allocated() / gib:.1f} "
        f"at most, {free / gib:.1f} free of {total / gib:.1f}"
    )


def as_trainer_error(error: BaseException) -> TrainerError:
    """Names what went wrong, for any exception that reaches the top."""
    if isinstance(error, TrainerError):
        return error
    if is_out_of_memory(error):
        return out_of_memory(error)
    if is_disk_full(error):
        return disk_full(error)
    if is_denied(error):
        return storage_denied(f"S3 refuses: {error}")
    if isinstance(error, (BotoCoreError, Boto3Error, ClientError)):
        return TrainerError(
            ExitCode.STORAGE,
            "STORAGE_UNAVAILABLE",
            f"Storage did not do as asked, after retries: {error}",
            "Check that the bucket is there and that the job's role may use it; then start the run again.",
        )
    return TrainerError(
        ExitCode.UNEXPECTED,
        "INTERNAL",
        f"{type(error).__name__}: {error}",
        "Read the step's log for the stack trace.",
    )
