import numpy as np

from roslin_trainer.batches import IGNORED_LABEL, BatchPlan, balance, measured_batches, pad_rows
from roslin_trainer.packing import pack_rows, shared_prefix_length
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
    assert batch.attention_mask.tolist() == [[[[2, 3, 2]]]]


def test_first_token_of_a_packed_row_is_never_predicted_from_another_row():
    batch = pack_rows([row([1, 2, 3], 0), row([4, 5], 0)])
    assert batch.labels.tolist() == [[-100, 2, 3, -100, 5]]


def test_prefix_leaves_the_last_prompt_token_to_its_row():
    assert shared_prefix_length([row([1, 2, 3], 2), row([1, 2, 4], 2)]) == 1


def plan_for(lengths: list[int], rows_per_step: int, world_size: int = 1, **settings) -> BatchPlan:
    settings = {"pack_tokens": 1000, "is_padded": False, **settings}
    return BatchPlan(lengths, rows_per_step, world_size, seed=42, **settings)


def test_packs_are_bounded_but_never_empty():
    def packs_of(lengths: list[int], **settings) -> list[list[int]]:
        plan = plan_for(lengths, len(lengths), **settings)
        return plan.micro_batches(list(range(len(lengths))), rank=0)

    assert sorted(packs_of([600, 600, 2000, 10])) == [[0, 3], [1], [2]]
    assert [len(pack) for pack in packs_of([100] * 12)] == [6, 6]
    assert packs_of([10]) == [[0]]
    # Padded to the longest row, eleven rows do not fit: 11 × 500.
    assert packs_of([500] + [50] * 10) == [[0, *range(1, 11)]]
    assert all(len(pack) <= 2 or 0 not in pack for pack in packs_of([500] + [50] * 10, is_padded=True))


def test_each_epoch_reads_each_row_once_in_another_order():
    plan = plan_for([10] * 23, rows_per_step=8)
    first, second = (list(plan.steps(epoch)) for epoch in (0, 1))
    assert len(first) == plan.steps_per_epoch == 3
    assert sorted(sum(first, [])) == sorted(sum(second, [])) == list(range(23))
    assert first != second and first == list(plan.steps(0))


def test_ranks_share_a_step_by_length_in_equally_many_packs():
    lengths = [900, 300, 300, 300, 20]
    plan = plan_for(lengths, rows_per_step=5, world_size=2, pack_tokens=500)
    shares = [plan.micro_batches([0, 1, 2, 3, 4], rank) for rank in (0, 1)]
    assert shares == [[[0], [4], []], [[1], [2], [3]]]


def test_a_step_without_enough_rows_leaves_ranks_with_an_empty_pack():
    plan = plan_for([5], rows_per_step=4, world_size=2)
    assert [plan.micro_batches([0], rank) for rank in (0, 1)] == [[[0]], [[]]]


def test_rows_are_measured_as_many_at_once_as_fit():
    def lengths(tokens: int, ranks: int = 1) -> list[list[int]]:
        rows = [row(list(range(length)), 1) for length in (50, 900, 400, 400, *[10] * 20)]
        return [[len(row.ids) for row in batch] for batch in measured_batches(rows, tokens, ranks)]

    # One that is too long comes alone, then two of 400; of short ones never more than eight.
    assert lengths(800) == [[900], [400, 400], [50, *[10] * 7], [10] * 8, [10] * 5]
    # Twice as many for two ranks, so that they measure equally often.
    assert lengths(800, ranks=2) == [[900, 400], [400, 50, 10, 10], [10] * 16, [10] * 2]
    assert lengths(100_000) == [[900, 400, 400, 50, *[10] * 4], [10] * 8, [10] * 8]


def test_longest_rows_first_makes_loads_even():
    lengths = np.random.RandomState(1).randint(40, 500, 64).tolist()
    loads = [sum(lengths[row] for row in share) for share in balance(list(range(64)), lengths, 8)]
    assert sum(loads) == sum(lengths) and max(loads) < 1.03 * sum(lengths) / 8


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
