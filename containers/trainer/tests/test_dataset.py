import pytest

from roslin_trainer.dataset import Row, parse_rows
from roslin_trainer.errors import TrainerError

GOOD = '{"instruction": "a", "output": "b"}'


def test_array_and_lines_read_the_same():
    array = parse_rows(
        f'\ufeff [\n{GOOD},\n{{"instruction": "a", "input": "c", "output": "b"}}\n]\n'.encode(), "x"
    )
    lines = parse_rows(f'{GOOD}\n\n{{"instruction": "a", "input": "c", "output": "b"}}\n'.encode(), "x")
    assert array == lines == [Row("a", "", "b"), Row("a", "c", "b")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            f'[\n{GOOD},\n{{"instruction": "a", "output": " "}}\n]',
            "line 3: output must be text and not empty",
        ),
        (f'{GOOD}\n{{"instruction": 3, "output": "b"}}', "line 2: instruction must be text"),
        (f"{GOOD}\n[1]", "line 2: is not an object"),
        ('{"instruction": "a", "input": 1, "output": "b"}', "line 1: input must be text"),
        (f"[\n{GOOD},\n{{]", "not JSON at line 3"),
        (f"[\n{GOOD}\n{GOOD}]", "not JSON at line 3"),
        (f"[{GOOD},]", "not JSON at line 1"),
        (f"[{GOOD}]\nx", "not JSON at line 1"),
        (f"{GOOD}\noops", "not JSON at line 2"),
        ("[]", "has no rows"),
        ("", "has no rows"),
    ],
)
def test_wrong_line_is_named(content, said):
    with pytest.raises(TrainerError, match="data file x") as error:
        parse_rows(content.encode(), "x")
    assert said in error.value.message
    assert error.value.code == "DATASET_INVALID" and error.value.exit_code == 10


def test_wrong_encoding_is_named():
    with pytest.raises(TrainerError, match="UTF-8 at line 2"):
        parse_rows(f"{GOOD}\n".encode() + b"\xff", "x")


def test_many_wrong_rows_are_counted():
    with pytest.raises(TrainerError, match="12 wrong rows") as error:
        parse_rows(b"{}\n" * 12, "x")
    assert "line 10" in error.value.message and "line 11" not in error.value.message
