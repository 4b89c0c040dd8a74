"""Tests of the largest-remainder method."""

from equimorph.data.apportion import largest_remainder


def test_largest_remainder_shares_everything_out():
    assert largest_remainder(10, [0.7, 0.1, 0.2]).tolist() == [7, 1, 2]
    assert largest_remainder(7, [0.2, 0.1, 0.7]).tolist() == [1, 1, 5]
    assert largest_remainder(100, [0.29, 0.71]).tolist() == [29, 71]
    assert largest_remainder(2, [1 / 3] * 3).tolist() == [1, 1, 0]
    assert largest_remainder(0, [0.5, 0.5]).tolist() == [0, 0]
