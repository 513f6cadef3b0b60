"""QLoRA for real: 4-bit weights on the CPU."""

import pytest
import torch
from conftest import CONFIGS

from roslin_trainer.model import load_adapters, load_model, load_quantised, with_adapters
from roslin_trainer.publish import write_model
from roslin_trainer.quantisation import check_quantisation

QLORA = {"method": "qlora", "learningRate": 1e-2}


@pytest.fixture
def quantisation():
    return pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed (the gpu extra)")


@pytest.mark.parametrize("architecture", CONFIGS)
def test_qlora_trains_publishes_and_is_evaluated(make_run, quantisation, architecture):
    run = make_run(architecture, training={**QLORA, "epochs": 3, "keepEpochs": [1, 3]})
    assert run.step("prepare") == run.step("train") == run.step("evaluate") == 0
    metrics = run.json("metrics.json")
    held_out = {point["epoch"]: point["loss"] for point in metrics["heldOutLoss"]}
    assert metrics["lossLast"] < metrics["lossFirst"] and held_out[3] < held_out[0]
    models = run.json("evaluation.json")["models"]
    assert [model["epoch"] for model in models] == [0, 1, 3]
    for model in models:
        assert model["heldOutLoss"] == pytest.approx(held_out[model["epoch"]], abs=1e-5)


def test_gptj_in_4_bits_has_the_fused_activation_too(model_folders, quantisation):
    model = load_quantised(model_folders["gptj"], "gptj", torch.float32)
    assert isinstance(model.transformer.h[0].mlp.act, torch.nn.GELU)


def test_the_base_is_in_4_bits_and_its_head_is_not(model_folders, quantisation):
    model = load_quantised(model_folders["neox"], "neox", torch.float32)
    linear = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    quantised = {
        name for name, module in model.named_modules() if isinstance(module, quantisation.nn.Linear4bit)
    }
    assert linear - quantised == {"lm_head"}
    weight = model.gpt_neox.layers[0].mlp.dense_4h_to_h.weight
    assert weight.dtype == torch.uint8 and weight.quant_type == "nf4" and weight.quant_state.nested


def test_evaluation_leaves_weights_in_4_bits_as_training_reads_them(model_folders, quantisation, monkeypatch):
    # As on a CPU with AVX512-BF16, where bitsandbytes has another layout for inference.
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: True)
    model = load_quantised(model_folders["neox"], "neox", torch.float32)
    before = model.gpt_neox.layers[0].mlp.dense_4h_to_h.weight.clone()
    with torch.no_grad():
        model.eval()(torch.tensor([[5, 6, 7]]))
    assert torch.equal(model.gpt_neox.layers[0].mlp.dense_4h_to_h.weight, before)


@pytest.mark.parametrize("architecture", CONFIGS)
def test_merged_lora_computes_what_base_and_adapters_do(make_run, architecture, tmp_path):
    run, adapters = trained_adapters(make_run, architecture, "lora", tmp_path)
    base = run.root / "base-models/key"
    adapted = load_adapters(load_model(base, "base", torch.float32), adapters).eval()
    write_model(run.plan, base, adapters, tmp_path / "merged")
    merged = load_model(tmp_path / "merged", "merged", torch.float32).eval()
    torch.testing.assert_close(logits(merged), logits(adapted), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("architecture", CONFIGS)
def test_merged_qlora_differs_from_what_was_trained_by_the_rounding_to_4_bits_alone(
    make_run, quantisation, architecture, tmp_path
):
    """The published weight is the base's own plus the adapters' product; training saw the base's rounded."""
    from bitsandbytes.functional import dequantize_4bit

    run, adapters = trained_adapters(make_run, architecture, "qlora", tmp_path)
    base = run.root / "base-models/key"
    adapted = load_adapters(load_quantised(base, "base", torch.float32), adapters).eval()
    write_model(run.plan, base, adapters, tmp_path / "merged")
    merged = load_model(tmp_path / "merged", "merged", torch.float32).eval()
    whole = load_model(base, "base", torch.float32)
    assert (logits(merged) - logits(adapted)).abs().max() > 1e-4
    quantised = load_quantised(base, "base", torch.float32)
    with torch.no_grad():
        for name, module in quantised.named_modules():
            if isinstance(module, quantisation.nn.Linear4bit):
                rounded = dequantize_4bit(module.weight, module.weight.quant_state)
                merged.get_submodule(name).weight += rounded - whole.get_submodule(name).weight
    torch.testing.assert_close(logits(merged), logits(adapted), atol=1e-5, rtol=1e-5)


def test_qlora_is_refused_before_training_where_its_library_is_missing(make_run, monkeypatch):
    run = make_run(training=QLORA)
    monkeypatch.setattr("roslin_trainer.quantisation.find_spec", lambda name: None)
    assert run.step("prepare") == 10
    error = run.json("error.json")
    assert error["code"] == "QUANTISATION_MISSING" and "bitsandbytes" in error["message"]
    check_quantisation(make_run(name="other", training={"method": "lora"}).plan.training)


def trained_adapters(make_run, architecture, method, tmp_path):
    """Adapters that change something: as they begin, their product is zero."""
    run = make_run(architecture, training={"method": method})
    run.step("prepare")
    torch.manual_seed(1)
    model = with_adapters(
        load_model(run.root / "base-models/key", "base", torch.float32), run.plan.training, "base"
    )
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(tmp_path / "adapters")
    return run, tmp_path / "adapters"


@torch.no_grad()
def logits(model) -> torch.Tensor:
    return model(input_ids=torch.arange(2, 66).reshape(4, 16)).logits
