"""What is spread over the GPUs, by an arithmetic that can be checked by hand."""

from dataclasses import replace
from functools import partial

import pytest

from roslin_trainer.errors import TrainerError
from roslin_trainer.layout import Layout
from roslin_trainer.sharding import Machine, ModelSize, Wanted, choose_sharding, zero_config

GB = 10**9
sized = partial(ModelSize, layer_activations=17)
GPT_J = sized(6_053_381_344, 6_053_381_344, layers=28, width=4096, vocabulary=50_400)
PYTHIA_12B = sized(11_846_072_320, 11_846_072_320, layers=36, width=5120, vocabulary=50_688)
PYTHIA_1B = sized(1_011_781_632, 1_011_781_632, layers=16, width=2048, vocabulary=50_304)
GPT_J_LORA = sized(6_073_381_344, 20_000_000, layers=28, width=4096, vocabulary=50_400)


def machine(gpus: int, gpu_gb: int, host_gb: int = 768) -> Machine:
    return Machine(gpus, gpu_gb * GB, gpus_per_host=gpus, host_bytes=host_gb * GB)


def wanted(method="full", sharding="auto", gradient_checkpointing="auto", **settings) -> Wanted:
    settings = {"value_bytes": 2, "row_tokens": 1024, "step_tokens": 8192, **settings}
    return Wanted(method, sharding, gradient_checkpointing, **settings)


def test_gpt_j_on_eight_gpus_of_32_gb_is_spread_without_offload():
    found = choose_sharding(GPT_J, machine(8, 32), wanted())
    assert (found.kind, found.stage, found.gradient_checkpointing) == ("zero3", 3, False)
    # 16 bytes a parameter; on each GPU an eighth of 20; (2 × 0.2 + 1) B values of buffers.
    assert found.reason.startswith(
        "zero3: 6.05 B parameters need 96.9 GB of states; a GPU of 8 × 32 GB holds 15.1 GB of them, "
        "2.8 GB of buffers and 11.5 GB of activations"
    )
    # 6.05 × (2 + 18 / 8) + 0.8, and 2 × 1,024 tokens of 2 × (28 × 17 × 4,096 + 2 × 50,400) bytes.
    assert "zero2 needs 34.9 of 29.4 usable GB a GPU" in found.reason
    # (29.44 − 15.13 − 2.8) GB at 4.10 MB a token.
    assert found.pack_tokens == 2805


def test_pythia_12b_on_eight_gpus_of_40_gb_computes_activations_twice():
    found = choose_sharding(PYTHIA_12B, machine(8, 40), wanted())
    assert (found.kind, found.gradient_checkpointing) == ("zero3", True)
    assert found.reason.endswith("gradient checkpointing on: activations do not fit without it")
    assert found.pack_tokens >= 2048


def test_a_model_of_a_billion_trains_on_one_gpu_of_24_gb():
    found = choose_sharding(PYTHIA_1B, machine(1, 24, host_gb=64), wanted())
    assert (found.kind, found.gradient_checkpointing) == ("none", True)


def test_the_least_is_spread_that_fits():
    assert choose_sharding(PYTHIA_1B, machine(8, 40), wanted()).kind == "none"
    assert choose_sharding(GPT_J, machine(8, 42), wanted()).kind == "zero2"


def test_adapters_need_the_frozen_model_once_and_little_more():
    found = choose_sharding(GPT_J_LORA, machine(1, 24, host_gb=64), wanted("lora"))
    assert (found.kind, found.gradient_checkpointing) == ("none", False)
    assert "6.07 B parameters, 20.0 M of them trained, need 12.4 GB of states" in found.reason


def test_weights_in_4_bits_fit_a_small_gpu_and_are_never_spread():
    found = choose_sharding(GPT_J_LORA, machine(1, 16, host_gb=64), wanted("qlora"))
    assert found.kind == "none" and "need 4.6 GB of states" in found.reason
    with pytest.raises(TrainerError, match="zero2 with gradient checkpointing"):
        choose_sharding(GPT_J_LORA, machine(8, 4), wanted("qlora"))


def test_the_host_takes_over_what_the_gpus_cannot_hold():
    found = choose_sharding(GPT_J, machine(4, 24, host_gb=192), wanted())
    assert found.kind == "zero3-offload"
    assert (
        "zero3+cpu-offload: 6.05 B parameters need 96.9 GB of states, 121.1 GB go to the host" in found.reason
    )


def test_a_model_too_large_for_everything_is_refused_with_the_arithmetic():
    with pytest.raises(TrainerError) as raised:
        choose_sharding(GPT_J, machine(1, 24, host_gb=64), wanted())
    assert raised.value.code == "GPU_MEMORY_TOO_SMALL" and raised.value.exit_code == 34
    assert "needs 121.1 of 44.8 GB of usable host memory" in raised.value.message


def test_ranks_on_cpus_each_have_to_hold_all_of_adams_state():
    # 4 B bytes of weights and 4 B of gradients, and 16 B of the optimizer, divided by two or not.
    size = sized(10**9, 10**9, layers=16, width=2048, vocabulary=50_304)
    gpus = Machine(2, 26 * GB, gpus_per_host=2, host_bytes=52 * GB)
    fp32 = wanted(value_bytes=4)
    assert choose_sharding(size, gpus, fp32).kind == "none"
    assert choose_sharding(size, replace(gpus, has_gpus=False), fp32).kind == "zero2"


def test_the_recipe_overrides_the_estimate():
    fits = choose_sharding(PYTHIA_1B, machine(8, 40), wanted(sharding="zero3", gradient_checkpointing="on"))
    assert (fits.kind, fits.gradient_checkpointing) == ("zero3", True)
    assert fits.reason.endswith("gradient checkpointing on: as the recipe says")
    too_large = choose_sharding(GPT_J, machine(8, 32), wanted(sharding="none"))
    assert (too_large.kind, too_large.gradient_checkpointing, too_large.pack_tokens) == ("none", True, 1024)
    assert "as the recipe says, although by the estimate" in too_large.reason


def written(kind: str) -> Layout:
    return Layout(kind, 8, "cuda", "bf16")


def test_a_resume_takes_the_kind_that_wrote_the_checkpoint():
    for kind in ("zero2", "zero3"):
        found = choose_sharding(PYTHIA_1B, machine(8, 40), wanted(), written(kind))
        assert found.kind == kind
        assert found.reason.endswith(f"it reads the state of the checkpoint, which {kind} wrote")


def test_a_resume_takes_another_kind_that_reads_the_state_where_its_own_does_not_fit():
    assert choose_sharding(GPT_J, machine(8, 36), wanted(), written("none")).kind == "zero2"
    assert choose_sharding(GPT_J, machine(8, 14), wanted(), written("zero3")).kind == "zero3-offload"


def test_a_resume_whose_state_fits_in_no_kind_that_reads_it_needs_more_memory():
    assert choose_sharding(GPT_J, machine(8, 24), wanted()).kind == "zero3"
    with pytest.raises(TrainerError) as raised:
        choose_sharding(GPT_J, machine(8, 24), wanted(), written("zero2"))
    assert raised.value.code == "GPU_MEMORY_TOO_SMALL"
    assert "do not fit 8 × 24 GB, spread so that the state of the checkpoint is read, which zero2 wrote" in (
        raised.value.message
    )


def test_packs_are_no_longer_than_what_a_gpu_reads_in_a_step():
    assert choose_sharding(PYTHIA_1B, machine(8, 80), wanted(step_tokens=4096)).pack_tokens == 4096
    assert choose_sharding(PYTHIA_1B, machine(8, 80), wanted(step_tokens=512)).pack_tokens == 1024


def test_deepspeed_is_told_the_same():
    assert [zero_config(kind, True)["stage"] for kind in ("none", "zero2", "zero3")] == [1, 2, 3]
    offload = zero_config("zero3-offload", True)
    assert offload["stage"] == 3 and offload["offload_optimizer"] == {"device": "cpu", "pin_memory": True}
    assert "offload_param" in offload and "offload_param" not in zero_config("zero3", True)
