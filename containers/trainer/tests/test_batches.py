import numpy as np

from roslin_trainer.batches import IGNORED_LABEL, BatchPlan, pad_rows
from roslin_trainer.packing import pack_rows, shared_prefix_length, split_into_packs
from roslin_trainer.tokens import TokenRow, load_rows, save_rows, split_held_out


def row(ids: list[int], prompt_length: int) -> TokenRow:
    return TokenRow(np.array(ids, dtype=np.int32), np.arange(len(ids)) >= prompt_length)


def test_padded_batch():
    batch = pad_rows([row([5, 6, 7], 2), row(list(range(10, 19)), 3)], pad_id=0)
    assert batch.input_ids.shape == (2, 16)
    assert batch.input_ids[0].tolist() == [5, 6, 7] + [0] * 13
    assert batch.attention_mask[0].tolist() == [1, 1, 1] + [0] * 13
    assert batch.labels[0].tolist() == [IGNORED_LABEL, IGNORED_LABEL, 7] + [IGNORED_LABEL] * 13


def test_packed_batch_computes_the_shared_prefix_once():
    batch = pack_rows([row([1, 2, 3, 7, 8], 4), row([1, 2, 4, 9], 3)])
    assert batch.input_ids.tolist() == [[1, 2, 3, 7, 8, 4, 9]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 4, 2, 3]]
    assert batch.labels.tolist() == [[-100, -100, -100, -100, 8, -100, 9]]
    visible = (batch.attention_mask[0, 0] == 0).int().tolist()
    assert visible[4] == [1, 1, 1, 1, 1, 0, 0]
    assert visible[6] == [1, 1, 0, 0, 0, 1, 1]


def test_prefix_leaves_the_last_prompt_token_to_its_row():
    assert shared_prefix_length([row([1, 2, 3], 2), row([1, 2, 4], 2)]) == 1


def test_packs_are_bounded_but_never_empty():
    rows = [row([0] * 600, 1), row([0] * 600, 1), row([0] * 2000, 1), row([0] * 10, 1)]
    assert [len(pack) for pack in split_into_packs(rows)] == [1, 1, 1, 1]
    assert [len(pack) for pack in split_into_packs([row([0] * 100, 1)] * 12)] == [10, 2]
    assert split_into_packs([]) == []


def test_each_epoch_reads_each_row_once_in_another_order():
    plan = BatchPlan(row_count=23, rows_per_micro_step=2, micro_steps=2, world_size=2, seed=42)
    first, second = (list(plan.steps(epoch)) for epoch in (0, 1))
    assert len(first) == plan.steps_per_epoch == 3
    assert sorted(sum(first, [])) == sorted(sum(second, [])) == list(range(23))
    assert first != second and first == list(plan.steps(0))


def test_ranks_share_a_step_in_equally_many_micro_batches():
    plan = BatchPlan(row_count=5, rows_per_micro_step=2, micro_steps=2, world_size=2, seed=42)
    assert plan.micro_batches([0, 1, 2, 3, 4], rank=0) == [[0, 2], [4]]
    assert plan.micro_batches([0, 1, 2, 3, 4], rank=1) == [[1, 3], []]


def test_split_is_deterministic():
    train, held_out = split_held_out(100, 0.05, seed=1)
    assert (train, held_out) == split_held_out(100, 0.05, seed=1) != split_held_out(100, 0.05, seed=2)
    assert len(held_out) == 5 and sorted(train + held_out) == list(range(100))
    assert split_held_out(10, 0, seed=1)[1] == []
    assert len(split_held_out(10, 0.01, seed=1)[1]) == 1
    assert split_held_out(1, 0.5, seed=1) == ([0], [])


def test_rows_survive_storage(tmp_path):
    rows = [row([1, 2, 3], 2), row([4], 1)]
    save_rows(rows, tmp_path / "rows")
    assert [(r.ids.tolist(), r.given_prefix) for r in load_rows(tmp_path / "rows")] == [
        ([1, 2, 3], 2),
        ([4], 1),
    ]
    save_rows([], tmp_path / "none")
    assert load_rows(tmp_path / "none") == []
