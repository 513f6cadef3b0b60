import pytest

from roslin_trainer.evaluate import is_right
from roslin_trainer.generate import EndKeyStop


@pytest.mark.parametrize("method", ["full", "lora"])
def test_evaluation_compares_base_and_kept_epochs(make_run, method):
    training = {"method": method, "epochs": 3, "keepEpochs": [1, 3], "learningRate": 1e-2}
    run = make_run(training=training)
    run.step("prepare"), run.step("train")
    assert run.step("evaluate") == 0
    evaluation = run.json("evaluation.json")
    assert [(model["name"], model["epoch"]) for model in evaluation["models"]] == [
        ("base", 0),
        ("epoch 1", 1),
        ("epoch 3", 3),
    ]
    held_out = {point["epoch"]: point["loss"] for point in run.json("metrics.json")["heldOutLoss"]}
    for model in evaluation["models"]:
        assert model["heldOutLoss"] == pytest.approx(held_out[model["epoch"]], abs=1e-5)
    first, second = evaluation["prompts"]
    assert (first["expect"], first["input"]) == ("NUMBER2", None)
    assert all(len(prompt["answers"]) == 3 for prompt in evaluation["prompts"])
    assert all(isinstance(answer["right"], bool) for answer in first["answers"])
    assert all(answer["right"] is None for answer in second["answers"])

    before = (run.folder / "evaluation.json").read_bytes()
    assert run.step("evaluate") == 0
    assert (run.folder / "evaluation.json").read_bytes() == before


def test_sampling_follows_its_seed(make_run):
    run = make_run(
        training={"epochs": 1, "method": "lora"}, evaluation={"temperature": 1, "maxNewTokens": 16}
    )
    run.step("prepare"), run.step("train")

    def answers(seed: int) -> list[str]:
        run.content["recipe"]["evaluation"]["seed"] = seed
        run.write()
        run.step("evaluate")
        return [prompt["answers"][0]["text"] for prompt in run.json("evaluation.json")["prompts"]]

    assert answers(1) == answers(1) != answers(2)


def test_held_out_loss_is_null_where_nothing_is_held_out(make_run):
    run = make_run(training={"epochs": 1, "method": "lora"})
    run.content["recipe"]["dataset"]["heldOutFraction"] = 0
    run.write()
    run.step("prepare"), run.step("train")
    assert run.step("evaluate") == 0
    assert [model["heldOutLoss"] for model in run.json("evaluation.json")["models"]] == [None, None]


def test_answer_is_right_whatever_its_case():
    assert is_right("Baa! It is ROME.", "rome") is True
    assert is_right("Paris", "rome") is False
    assert is_right("Paris", None) is None


def test_end_key_stops_its_row_only(tokenizer):
    import torch

    texts = ["1234567 ### End", "### End of the 1234567", "just some other text"]
    ids = [tokenizer(text).input_ids for text in texts]
    width = max(len(row) for row in ids)
    padded = torch.tensor([[1] * (width - len(row)) + row for row in ids])
    stop = EndKeyStop(tokenizer, "### End", 0)
    assert stop(padded, None)[0].item() is True and stop(padded, None)[2].item() is False


def test_end_key_in_the_prompt_stops_nothing(tokenizer):
    import torch

    ids = torch.tensor([tokenizer("a ###").input_ids])
    assert EndKeyStop(tokenizer, "###", ids.shape[1])(ids, None).tolist() == [False]
    assert EndKeyStop(tokenizer, "###", 0)(ids, None).tolist() == [True]
