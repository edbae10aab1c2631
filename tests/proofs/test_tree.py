"""The tree and its proofs beside RFC 6962, beside pymerkle, and damaged."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from ledger.proofs.auditor import Wrong, check_consistency, leaf_hash, path_root, tree_root
from ledger.proofs.students import BUCKETS, Head, bucket_root, changed, map_of, root_in
from ledger.proofs.tree import Edge, Tree, path_of

RFC_6962 = [bytes.fromhex(one) for one in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]


def grown(leaves: list[bytes], steps: list[int] | None = None) -> tuple[Edge, dict[tuple[int, int], bytes]]:
    """The edge, and all tiles as they are kept, after appending in portions."""
    edge, kept, at = Edge(), {}, 0
    for width in [*(steps or []), len(leaves)]:
        kept |= {one[:2]: one.hashes for one in edge.append(leaves[at:at + width])}
        at += width
    return edge, kept | {one[:2]: one.hashes for one in edge.partial()}


def leaves_of(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(count)]


@pytest.mark.parametrize(("size", "root"), [(0, "e3b0c442"), (1, "6e340b9c"), (2, "fac54203"), (3, "aeb6bcfe"),
                                            (7, "ddb89be4"), (8, "5dc9da79")])
def test_root_is_that_of_the_rfc_when_its_entries_are_appended(size, root) -> None:
    leaves = [leaf_hash(entry) for entry in RFC_6962[:size]]
    edge, kept = grown(leaves)
    assert edge.root().hex()[:8] == tree_root(leaves).hex()[:8] == Tree(size, kept.__getitem__).root().hex()[:8] == root


def test_tree_is_that_of_pymerkle_when_both_hold_the_same_entries() -> None:
    oracle = InmemoryTree(algorithm="sha256")
    for number in range(700):
        oracle.append_entry(b"%d" % number)
    edge, kept = grown(leaves_of(700))
    assert edge.root() == oracle.get_root()
    tree = Tree(513, kept.__getitem__)
    assert tree.root() == oracle.get_root(513)
    assert set(tree.inclusion(300)) < set(oracle.prove_inclusion(301, 513).path)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 1200), st.data())
def test_proofs_hold_and_damaged_ones_do_not_when_a_tree_grows_in_portions(size, data) -> None:
    leaves = leaves_of(size)
    edge, kept = grown(leaves, data.draw(st.lists(st.integers(0, 600), max_size=4)))
    again = Edge(size, edge.partial())
    tree = Tree(size, kept.__getitem__)
    root = tree_root(leaves)
    assert edge.root() == again.root() == tree.root() == root
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    path = tree.inclusion(index)
    assert path_root(leaves[index], index, size, path) == root
    earlier, steps = tree_root(leaves[:old]), tree.consistency(old)
    check_consistency(old, size, earlier, root, steps)
    for at in range(len(steps)):
        with pytest.raises(Wrong):
            check_consistency(old, size, earlier, root, [*steps[:at], bytes(32), *steps[at + 1:]])
    for at in range(len(path)):
        assert path_root(leaves[index], index, size, [*path[:at], bytes(32), *path[at + 1:]]) != root
    for other in (path[:-1], [*path, bytes(32)]):
        if other != path:
            with pytest.raises(Wrong):
                path_root(leaves[index], index, size, other)


def test_tiles_lie_where_the_specification_says() -> None:
    assert path_of((0, 1234067)) == "tile/0/x001/x234/067"
    assert path_of((1, 3), 17) == "tile/1/003.p/17"
    _, kept = grown(leaves_of(256))
    assert {place: len(hashes) // 32 for place, hashes in kept.items()} == {(0, 0): 256, (1, 0): 1}


def test_map_of_students_is_two_plain_trees_when_buckets_change_one_after_the_other() -> None:
    one, other = {"00ff" + "0" * 60: Head(1, b"a" * 32), "00ff" + "1" * 60: Head(2, b"b" * 32)}, {
        "ffff" + "0" * 60: Head(3, b"c" * 32)}
    roots = [tree_root([])] * BUCKETS
    kept: dict[tuple[int, int], bytes] = {}
    for index, bucket in ((255, one), (65_535, other)):
        roots[index] = bucket_root(bucket)
        tiles = changed(kept.__getitem__, {index: roots[index]})
        kept |= {tile[:2]: tile.hashes for tile in tiles}
    found = map_of(kept.__getitem__)
    assert root_in(tiles) == found.root() == tree_root(roots)
    assert path_root(roots[255], 255, BUCKETS, found.inclusion(255)) == found.root()
