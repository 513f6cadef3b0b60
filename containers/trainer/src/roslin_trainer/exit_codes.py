"""How a step ends, as the control plane understands it. The same table as core/exit-codes.ts."""

from enum import IntEnum


class ExitCode(IntEnum):
    SUCCEEDED = 0
    UNEXPECTED = 1
    USER_ERROR = 10
    MODEL_UNREADABLE = 11
    INTERRUPTED = 20
    OUT_OF_MEMORY = 21
    HUNG = 22
    DIVERGED = 23
    BUDGET_STOPPED = 24
    DRIVER_MISMATCH = 30
    RESOURCES_MISSING = 31
    GPU_UNSUPPORTED = 32
    GPUS_MISSING = 33
    GPU_MEMORY_TOO_SMALL = 34
    PRECISION_UNSUPPORTED = 35
    STORAGE_DENIED = 36
    COMMUNICATION_FAILED = 37
    STORAGE = 40


# All ranks end together in these ways, once each has done its part: no rank waits for another any more.
ENDS_OF_ALL_RANKS = frozenset({ExitCode.INTERRUPTED, ExitCode.BUDGET_STOPPED, ExitCode.DIVERGED})
# What a rank may end with only because another one failed: it knows no more than that it lost its peers.
SYMPTOMS = frozenset({ExitCode.UNEXPECTED, ExitCode.COMMUNICATION_FAILED, ExitCode.HUNG})
# Beside these, an error of any other kind is the cause: it came of one rank's own doing.
LESS_TELLING = SYMPTOMS | ENDS_OF_ALL_RANKS
