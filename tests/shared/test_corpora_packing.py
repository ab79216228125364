"""Texts on their way through Redis."""

from hypothesis import given, strategies as st

from shared.corpora.corpus import pack, unpack


@given(st.text())
def test_what_is_packed_comes_out(text: str) -> None:
    assert unpack(pack(text)) == text
