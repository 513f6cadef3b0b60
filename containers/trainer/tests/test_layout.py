"""A checkpoint is resumed exactly, or an error says why it is not."""

import json
from dataclasses import replace

import pytest

from roslin_trainer.checkpoint import POSITION_FILE, Position, read_position, write_position
from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.layout import Layout, check_layout
from roslin_trainer.precision import Processor, resolve_precision

EIGHT_GPUS = Layout("zero3", 8, "cuda", "bf16")
TWO_RANKS = Layout("none", 2, "cpu", "fp32")


@pytest.mark.parametrize(
    ("written", "present"),
    [
        ("none", "none"),
        ("none", "zero2"),
        ("zero2", "none"),
        ("zero3", "zero3-offload"),
        ("zero3-offload", "zero3"),
    ],
)
def test_kinds_that_keep_the_same_state_go_on_from_one_another(written, present):
    check_layout(replace(EIGHT_GPUS, sharding=written), replace(EIGHT_GPUS, sharding=present))


@pytest.mark.parametrize(
    ("written", "present"),
    [
        (EIGHT_GPUS, replace(EIGHT_GPUS, sharding="zero2")),
        (replace(EIGHT_GPUS, sharding="zero2"), EIGHT_GPUS),
        (EIGHT_GPUS, replace(EIGHT_GPUS, world_size=4)),
        (TWO_RANKS, replace(TWO_RANKS, sharding="zero2")),
        (TWO_RANKS, replace(TWO_RANKS, world_size=1)),
        (TWO_RANKS, replace(TWO_RANKS, device="cuda")),
    ],
)
def test_state_that_is_divided_otherwise_is_refused(written, present):
    with pytest.raises(TrainerError) as raised:
        check_layout(written, present)
    assert (raised.value.code, raised.value.exit_code) == ("CHECKPOINT_LAYOUT_DIFFERS", ExitCode.USER_ERROR)


def test_the_refusal_says_what_wrote_it_what_is_there_and_what_reads_it():
    with pytest.raises(TrainerError) as raised:
        check_layout(EIGHT_GPUS, Layout("zero2", 4, "cuda", "bf16"))
    assert raised.value.message == (
        "The checkpoint to resume from was written with sharding zero3, 8 GPUs and precision bf16; "
        "this job has sharding zero2, 4 GPUs and precision bf16."
    )
    assert raised.value.next_step.startswith("Resume it with sharding zero3 or zero3-offload, as many ranks")


def test_gpus_of_another_precision_leave_it_to_the_next_capacity_option():
    with pytest.raises(TrainerError) as raised:
        check_layout(EIGHT_GPUS, replace(EIGHT_GPUS, precision="fp16"))
    assert (raised.value.code, raised.value.exit_code) == ("CHECKPOINT_LAYOUT_DIFFERS", 35)


def test_the_position_keeps_the_layout_and_older_ones_have_none(tmp_path):
    (tmp_path / POSITION_FILE).parent.mkdir()
    position = Position(3, {}, 1.5, EIGHT_GPUS)
    write_position(tmp_path, position)
    assert read_position(tmp_path) == position
    (tmp_path / POSITION_FILE).write_text(json.dumps({"step": 3, "metrics": {}, "elapsed_seconds": 1.5}))
    assert read_position(tmp_path) == Position(3, {}, 1.5, None)
    check_layout(None, EIGHT_GPUS)


def test_auto_keeps_the_precision_of_the_checkpoint_where_the_gpu_has_it():
    a100, v100 = Processor.gpu("A100", (8, 0)), Processor.gpu("V100", (7, 0))
    assert resolve_precision("auto", a100, "fp16")[0] == "fp16"
    assert resolve_precision("auto", v100, "fp16")[0] == "fp16"
    assert resolve_precision("auto", v100, "bf16")[0] == "fp16"
    assert resolve_precision("bf16", a100, "fp16")[0] == "bf16"
