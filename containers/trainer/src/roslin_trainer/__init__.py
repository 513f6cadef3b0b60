"""The job that runs in Roslin's containers: prepares data, trains a language model, evaluates it."""

import os

# Read when PyTorch's threads start: waiting threads sleep. Spinning ones, the default, make
# training three times slower as soon as anything else wants the same cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Read by torch.compile, which bitsandbytes calls at import: it takes seconds, and the image has no compiler.
os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
# Read when tqdm is imported: no progress bars in a log.
os.environ.setdefault("TQDM_DISABLE", "1")
