"""A trainer of one's own: Hugging Face's Trainer, keeping docs/container-contract.md."""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

import boto3
from botocore.config import Config
from huggingface_hub import snapshot_download
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
)

# Bucket names are no host names on the embedded AWS.
STYLE = "path" if "AWS_ENDPOINT_URL" in os.environ else "auto"
NEEDED = ["*.json", "*.txt", "*.model", "*.safetensors", "*.bin"]
s3 = boto3.client("s3", config=Config(s3={"addressing_style": STYLE}))


def locate(uri: str) -> dict[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": key}


def read_json(uri: str):
    return json.load(s3.get_object(**locate(uri))["Body"])


def files_in(uri: str) -> list[str]:
    at = locate(uri.rstrip("/") + "/")
    found = s3.list_objects_v2(Bucket=at["Bucket"], Prefix=at["Key"])["Contents"]
    return [f"s3://{at['Bucket']}/{item['Key']}" for item in found]


def prepare(plan: dict) -> None:
    """Of the steps this one alone may read what people have uploaded: Train finds it in the run."""
    model, run = plan["baseModel"], plan["runUri"]
    if model["source"].startswith("hf://"):
        # At the plan's commit, and here, for Train has no token of the Hub's.
        name, commit = model["source"][5:], model["revision"]
        folder = Path(snapshot_download(name, revision=commit, allow_patterns=NEEDED))
        for path in filter(Path.is_file, folder.iterdir()):
            s3.upload_file(str(path), *locate(f"{run}base/{path.name}").values())
    else:
        for uri in files_in(model["source"]):
            s3.copy(locate(uri), **locate(f"{run}base/{Path(uri).name}"))
    s3.copy(locate(plan["dataset"]["uri"]), **locate(f"{run}rows.json"))


def fetch(uri: str, folder: Path) -> Path:
    for file in files_in(uri):
        s3.download_file(**locate(file), Filename=str(folder / Path(file).name))
    return folder


def encode(row: dict, tokenizer, template: dict, max_tokens: int) -> dict[str, list[int]]:
    """Labels are −100, "not learned", through the prompt."""
    text = template["promptWithInput"] if row.get("input") else template["prompt"]
    text = text.replace("{input}", row.get("input") or "").replace("{instruction}", row["instruction"])
    prompt = tokenizer(text).input_ids
    response = tokenizer(f"{row['output']}\n\n{template['end']}", add_special_tokens=False).input_ids
    response.append(tokenizer.eos_token_id)
    labels = [-100] * len(prompt) + response
    return {"input_ids": (prompt + response)[:max_tokens], "labels": labels[:max_tokens]}


def publish(folder: Path, uri: str, epochs: int) -> None:
    """The manifest comes last: before it, nobody takes the model for complete."""
    files = []
    for path in filter(Path.is_file, sorted(folder.iterdir())):
        s3.upload_file(str(path), *locate(uri + path.name).values())
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        files.append({"path": path.name, "bytes": len(content), "sha256": sha256})
    manifest = {"kind": "model", "epoch": epochs, "files": files}
    s3.put_object(**locate(uri + "manifest.json"), Body=json.dumps(manifest))


def train(plan: dict, scratch: Path) -> None:
    recipe, settings = plan["recipe"], plan["recipe"]["training"]
    source = fetch(f"{plan['runUri']}base", scratch)
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    rows = read_json(f"{plan['runUri']}rows.json")
    arguments = TrainingArguments(
        output_dir=str(scratch / "out"),
        num_train_epochs=settings["epochs"],
        learning_rate=settings["learningRate"],
        lr_scheduler_type=settings["schedule"],
        per_device_train_batch_size=settings["batchSizePerGpu"],
        gradient_accumulation_steps=settings["gradientAccumulationSteps"],
        seed=settings["seed"],
        use_cpu=recipe["resources"]["gpus"] == 0,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
    )
    trainer = Trainer(
        AutoModelForCausalLM.from_pretrained(source),
        arguments,
        train_dataset=[encode(row, tokenizer, recipe["template"], settings["maxTokens"]) for row in rows],
        data_collator=DataCollatorForSeq2Seq(tokenizer, padding=True),
    )
    trainer.train()
    trainer.save_model(str(scratch / "model"))
    tokenizer.save_pretrained(scratch / "model")
    publish(scratch / "model", plan["modelUri"], settings["epochs"])


plan = read_json(os.environ["ROSLIN_PLAN_URI"])
if plan["planVersion"] != 1:
    sys.exit(10)
# No answers are compared: Evaluate has nothing to do.
if os.environ["ROSLIN_STEP"] == "prepare":
    prepare(plan)
elif os.environ["ROSLIN_STEP"] == "train":
    with tempfile.TemporaryDirectory() as scratch:
        train(plan, Path(scratch))
