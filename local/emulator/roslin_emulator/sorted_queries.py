"""DynamoDB's queries in the time that their page takes, not in the time that their partition takes.

MiniStack sorts all items of a partition for each query, and asks the key condition of each: with 100,000
runs a page of 50 takes seconds. Here each partition that was asked for is kept in order, and a query begins
where its key condition and its ExclusiveStartKey say, and ends with its page.
"""

import inspect
import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from typing import Any

from ministack.services import dynamodb

from roslin_emulator.workarounds import UnsupportedMiniStack, replace

Json = dict[str, Any]
# What an item is sorted by, the values of its order keys; and its key in table["items"].
Entry = tuple[tuple[Any, ...], Any, Any]


class Members(dict[str, Json]):
    """MiniStack's index name → partition → keys of items, and beside it the partitions in order, made when
    first asked for. MiniStack throws it away when a table's items or indexes are replaced, and keeps it out
    of its state."""

    def __init__(self, members: Json) -> None:
        super().__init__(members)
        self.ordered: dict[tuple[str | None, Any], list[Entry]] = {}


def _keys_of_index(table: Json, index: str | None) -> tuple[list[str], list[str]]:
    if index:
        return dynamodb._index_key_lists(dynamodb._index_def(table, index))
    return [table["pk_name"]], [table["sk_name"]] if table["sk_name"] else []


def _order_value(table: Json, index: str | None, item: Json) -> tuple[Any, ...]:
    _, ranges = _keys_of_index(table, index)
    keys = dynamodb._index_order_keys(table, ranges)
    return tuple(dynamodb._index_order_value(item, name, kind) for name, kind in keys)


def _ordered(table: Json, index: str | None, partition: Any) -> list[Entry]:
    members = dynamodb._index_members(table)
    entries = members.ordered.get((index, partition))
    if entries is None:
        items = table["items"]
        found = (
            members.get(index, {}).get(partition, ())
            if index
            else [(partition, sk) for sk in items.get(partition, ())]
        )
        entries = sorted((_order_value(table, index, items[pk][sk]), pk, sk) for pk, sk in found)
        members.ordered[(index, partition)] = entries
    return entries


def _keep_in_order(original: Callable[..., None]) -> Callable[..., None]:
    def index_item(table: Json, base_pk: Any, base_sk: Any, item: Json, add: bool) -> None:
        original(table, base_pk, base_sk, item, add)
        members = table.get(dynamodb._INDEX_MEMBERS)
        if members is None:
            return
        for index in (None, *members):
            partition = dynamodb._index_partition(item, *_keys_of_index(table, index)) if index else base_pk
            entries = members.ordered.get((index, partition))
            if entries is None:
                continue
            entry = (_order_value(table, index, item), base_pk, base_sk)
            if add:
                insort(entries, entry)
            else:
                del entries[bisect_left(entries, entry)]

    return index_item


def _first(entry: Entry) -> Any:
    return entry[0][0]


def _range(
    entries: list[Entry], condition: str, names: Json, values: Json, sort_key: str, kind: str
) -> range:
    """Where the key condition's part on the sort key can hold; all, where it has none."""
    refs = "|".join(
        re.escape(ref) for ref in (sort_key, *(a for a, name in names.items() if name == sort_key))
    )
    value = r"(:\w+)"
    low, high = 0, len(entries)

    def of(name: str) -> Any:
        return dynamodb._sort_key_value(values[name], kind)

    if match := re.search(rf"(?<![\w#:])(?:{refs})\s+BETWEEN\s+{value}\s+AND\s+{value}", condition, re.I):
        low = bisect_left(entries, of(match[1]), key=_first)
        high = bisect_right(entries, of(match[2]), key=_first)
    elif match := re.search(rf"begins_with\s*\(\s*(?:{refs})\s*,\s*{value}\s*\)", condition, re.I):
        prefix = of(match[1])
        low = bisect_left(entries, prefix, key=_first)
        high = bisect_right(entries, prefix, key=lambda entry: _first(entry)[: len(prefix)])
    elif match := re.search(rf"(?<![\w#:])(?:{refs})\s*(<=|>=|=|<|>)\s*{value}", condition):
        operator, at = match[1], of(match[2])
        if operator in ("<", "<=", "="):
            high = (bisect_left if operator == "<" else bisect_right)(entries, at, key=_first)
        if operator in (">", ">=", "="):
            low = (bisect_right if operator == ">" else bisect_left)(entries, at, key=_first)
    return range(low, max(low, high))


def matching_items(
    table: Json, data: Json, partition: Any, ranges: list[str], matches: Callable[[Json], bool]
) -> Iterator[Json]:
    """A query's items in its order, after its ExclusiveStartKey, one at a time."""
    index = data.get("IndexName")
    entries = _ordered(table, index, partition)
    positions = range(len(entries))
    condition = data.get("KeyConditionExpression")
    if condition and len(ranges) == 1:
        names, values = (
            data.get("ExpressionAttributeNames") or {},
            data.get("ExpressionAttributeValues") or {},
        )
        kind = dynamodb._get_attr_type(table, ranges[0])
        positions = _range(entries, condition, names, values, ranges[0], kind)
    forward = data.get("ScanIndexForward", True)
    if start := data.get("ExclusiveStartKey"):
        cursor = _order_value(table, index, start)
        if forward:
            after = bisect_right(entries, cursor, key=lambda entry: entry[0])
            positions = range(max(positions.start, after), positions.stop)
        else:
            before = bisect_left(entries, cursor, key=lambda entry: entry[0])
            positions = range(positions.start, min(positions.stop, before))
    for position in positions if forward else reversed(positions):
        _, pk, sk = entries[position]
        item = table["items"][pk][sk]
        if matches(item):
            yield item


FIRST_LINE = "    members = _index_members(table).get(index_name) if index_name else None\n"
LAST_LINE = "    candidates, has_more = _paginate_evaluated_items(candidates, limit, table, index_name)\n"
IN_THEIR_PLACE = """
    if key_conditions:
        matches = lambda it: _evaluate_key_conditions_item(it, key_conditions, pk_name)
    else:
        matches = lambda it: _evaluate_condition(key_cond, it, eav, ean, slot="KeyConditionExpression")
    try:
        found = _matching_items(table, data, pk_val, [name for name in range_names if name], matches)
        candidates, has_more = _paginate_evaluated_items(found, limit, table, index_name)
    except ValueError as exc:
        return error_response_json("ValidationException", str(exc), 400)
"""


def install() -> None:
    replace(dynamodb, "_index_members", _with_order)
    replace(dynamodb, "_index_item", _keep_in_order)
    source = inspect.getsource(dynamodb._query)
    before, first, rest = source.partition(FIRST_LINE)
    _, last, after = rest.partition(LAST_LINE)
    if not first or not last:
        raise UnsupportedMiniStack("MiniStack's DynamoDB finds the items of a query in another way")
    dynamodb._matching_items = matching_items  # type: ignore[attr-defined]
    exec(compile(before + IN_THEIR_PLACE + after, dynamodb.__file__, "exec"), dynamodb.__dict__)


def _with_order(original: Callable[[Json], Json]) -> Callable[[Json], Members]:
    def index_members(table: Json) -> Members:
        members = original(table)
        if not isinstance(members, Members):
            members = table[dynamodb._INDEX_MEMBERS] = Members(members)
        return members

    return index_members
