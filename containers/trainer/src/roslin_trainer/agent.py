"""torchrun as it is, but never longer alive than the supervisor that started it."""

import os

from torch.distributed.run import main

from roslin_trainer.parent import end_with_parent

if __name__ == "__main__":
    end_with_parent(int(os.environ["ROSLIN_SUPERVISOR_PID"]))
    main()
