import io
import json
import re
import tracemalloc
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from roslin_trainer.dataset import parse_dataset
from roslin_trainer.errors import TrainerError
from roslin_trainer.formats import Exchange

GOOD = '{"instruction": "a", "output": "b"}'
FIXTURES = Path(__file__).parents[3] / "test/fixtures/datasets"
# test/core/dataset.test.ts holds TypeScript to the same.
CASES = json.loads((FIXTURES / "cases.json").read_text("utf-8"))


def rows_of(text: str, format: str = "auto"):
    return parse_dataset(text.encode(), "x", format).rows


def parquet_of(columns: dict) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


def content_of(case: dict) -> bytes:
    return (FIXTURES / case["file"]).read_bytes() if "file" in case else case["text"].encode()


@pytest.mark.parametrize("case", [case for case in CASES if "rows" in case], ids=lambda case: case["name"])
def test_good_file_is_read(case):
    data = parse_dataset(content_of(case), "x", case.get("asked", "auto"))
    without_response = case.get("withoutResponse", 0)
    assert (data.format, data.rows_without_response) == (case["format"], without_response)
    assert len(data.rows) == case["rows"] - without_response


@pytest.mark.parametrize("case", [case for case in CASES if "wrong" in case], ids=lambda case: case["name"])
def test_bad_file_is_refused_at_its_lines(case):
    with pytest.raises(TrainerError, match="data file x") as error:
        parse_dataset(content_of(case), "x", case.get("asked", "auto"))
    assert error.value.code == "DATASET_INVALID" and error.value.exit_code == 10
    assert re.findall(r"\b(?:line|row) \d+(?=[:.])", error.value.message) == case["wrong"]


def test_alpacas_rows_are_one_exchange():
    with_input = '{"instruction": "a", "input": "c", "output": "b"}'
    assert rows_of(f"[{GOOD}, {with_input}]") == [(Exchange("a", "", "b"),), (Exchange("a", "c", "b"),)]


def test_rows_with_a_blank_response_are_left_out():
    blank = '{"instruction": "c", "output": ""}'
    data = parse_dataset(f"[{blank}, {GOOD}, {blank}]".encode(), "x", "auto")
    assert data.rows == [(Exchange("a", "", "b"),)] and data.rows_without_response == 2


def test_dollys_context_is_the_input_and_its_response_the_output():
    row = '{"instruction": "a", "context": "c", "response": "b", "category": "qa"}'
    assert rows_of(row) == [(Exchange("a", "c", "b"),)]


def test_conversation_is_an_exchange_a_turn_after_what_the_system_says():
    roles = ["system", "user", "assistant", "user", "assistant"]
    messages = [{"role": role, "content": f"{role} {place}"} for place, role in enumerate(roles)]
    assert rows_of(json.dumps({"messages": messages})) == [
        (Exchange("system 0\n\nuser 1", "", "assistant 2"), Exchange("user 3", "", "assistant 4"))
    ]


@pytest.mark.parametrize("content", ["", " \n", None])
def test_system_that_says_nothing_is_as_none(content):
    messages = [
        {"role": "system", "content": content},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a"},
    ]
    assert rows_of(json.dumps({"messages": messages})) == [(Exchange("u", "", "a"),)]


def test_parquet_has_the_same_rows_as_json():
    row = {"instruction": "Where?", "context": "In Roslin.", "response": "In Roslin."}
    data = parse_dataset((FIXTURES / "dolly.parquet").read_bytes(), "x", "auto")
    assert data.rows[0] == rows_of(json.dumps(row))[0]
    talk = parse_dataset((FIXTURES / "chat.parquet").read_bytes(), "x", "auto").rows
    assert talk == [(Exchange("Be brief.\n\nHello.", "", "Baa."),), (Exchange("Bye.", "", "Bää 🐑."),)]


def test_parquet_columns_that_rows_do_not_need_take_no_memory():
    embeddings = pyarrow.array([[0.5] * 384] * 2000)
    content = parquet_of({"instruction": ["a"] * 2000, "output": ["b"] * 2000, "embedding": embeddings})
    tracemalloc.start()
    try:
        assert len(parse_dataset(content, "x", "auto").rows) == 2000
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The embeddings alone are 768,000 numbers.
    assert peak_bytes < 3 * 2**20


@pytest.mark.parametrize(
    "values",
    [
        pyarrow.array([5_000_000], pyarrow.int32()).cast(pyarrow.date32()),
        pyarrow.array([0], pyarrow.timestamp("us", tz="Mars/Base")),
        pyarrow.array([b"\xff"]).view(pyarrow.string()),
    ],
    ids=["date after 9999", "unknown time zone", "not UTF-8"],
)
def test_parquet_values_that_python_cannot_hold_are_the_files_fault(values):
    content = parquet_of({"instruction": ["a"], "input": values, "output": ["b"]})
    with pytest.raises(TrainerError, match="read in its columns instruction, input, output: ") as error:
        parse_dataset(content, "x", "auto")
    assert error.value.code == "DATASET_INVALID"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"instruction": " ", "output": "b"}', "line 1: instruction must be text and not empty"),
        ('{"instruction": "a", "output": null}', "line 1: output must be text"),
        ('{"instruction": "a", "output": " "}', "a response is blank in each of its rows, 1 in all"),
        ('{"instruction": "a", "input": 1, "output": "b"}', "line 1: input must be text"),
        ("[1]\n" + GOOD, "is not JSON"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "messages.0.role must be user here"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "must end with one of the assistant"),
    ],
)
def test_what_is_wrong_is_said(row, said):
    with pytest.raises(TrainerError) as error:
        rows_of(row)
    assert said in error.value.message


def test_wrong_encoding_is_named():
    with pytest.raises(TrainerError, match="UTF-8 at line 2"):
        parse_dataset(f"{GOOD}\n".encode() + b"\xff", "x", "auto")


def test_many_wrong_rows_are_counted():
    with pytest.raises(TrainerError, match="12 wrong rows") as error:
        rows_of("{}\n" * 12)
    assert "line 10" in error.value.message and "line 11" not in error.value.message
