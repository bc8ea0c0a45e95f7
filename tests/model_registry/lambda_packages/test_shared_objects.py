"""Shared objects, cut: hand-made files. tests/infra/layer/test_build_sklearn.py loads real ones from a layer."""

import io
import struct
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given
from hypothesis import strategies as st

from model_registry.lambda_packages.shared_objects import is_shared_object, trimmed, with_trimmed
from tests.elf import image

PAGE = 4096
ALLOC = 2
LOAD, NOTE, STACK = 1, 4, 0x6474E551
PROGBITS, NOBITS = 1, 8

Segment = tuple[int, int, int, int, int]  # type, offset, bytes in the file, bytes in memory, alignment
Section = tuple[int, int, int, int]  # type, flags, offset, bytes


def made(
    size: int, segments: list[Segment], sections: list[Section], *, kind: int = 3, shnum: int | None = None
) -> bytes:
    """A file of `size` bytes, none of which is zero but where nothing is; the tables are behind the header and last."""
    content = bytearray(size)
    for _, offset, stored, _, _ in segments:
        content[offset : offset + stored] = (bytes(range(1, 256)) * (stored // 255 + 1))[:stored]
    for what, _, offset, stored in sections:
        if what != NOBITS:
            content[offset : offset + stored] = b"s" * stored
    end = len(content)
    entries = [(0, 0, 0, 0), *sections]
    for what, flags, offset, stored in entries:
        content += struct.pack("<IIQQQQIIQQ", 0, what, flags, 0, offset, stored, 0, 0, 0, 0)
    for number, (what, offset, stored, memory, align) in enumerate(segments):
        # At the address of its offset, one page further for each segment, as linkers do.
        address = offset + number * max(align, PAGE)
        struct.pack_into(
            "<IIQQQQQQ", content, 64 + 56 * number, what, 5, offset, address, address, stored, memory, align
        )
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", kind, 62, 1, 0, 64, end, 0, 64, 56, len(segments), 64,
        len(entries) if shnum is None else shnum, 1)  # fmt: skip  # the header's fields
    content[:64] = header
    return bytes(content)


PLAIN_SEGMENTS: list[Segment] = [
    (LOAD, 0, 5512, 5512, PAGE),
    (NOTE, 600, 32, 32, 4),
    (LOAD, 8192, 100, 300, PAGE),
    (STACK, 0, 0, 0, 16),
]
PLAIN_SECTIONS: list[Section] = [
    (PROGBITS, ALLOC, 512, 5000),
    (PROGBITS, ALLOC, 8192, 100),
    (NOBITS, ALLOC, 8292, 200),
    (PROGBITS, 0, 8296, 20_000),
]
PLAIN = made(28_296, PLAIN_SEGMENTS, PLAIN_SECTIONS)


def test_symbols_behind_the_last_segment_and_the_table_of_sections_go() -> None:
    smaller = trimmed(PLAIN)
    assert len(smaller) == 8292
    assert image(smaller) == image(PLAIN)
    header = ELFFile(io.BytesIO(smaller)).header
    assert (header.e_shoff, header.e_shnum, header.e_shstrndx) == (0, 0, 0)
    assert trimmed(smaller) == smaller


MOVED_SEGMENTS: list[Segment] = [(LOAD, 0, 5512, 5512, PAGE), (LOAD, 40_960, 300, 300, PAGE)]


def moved(stale: bytes = b"") -> bytes:
    """As patchelf leaves it: a segment behind the symbols, perhaps behind the table that was the first."""
    symbols, end = 5512, 25_512
    sections: list[Section] = [(PROGBITS, ALLOC, 512, 5000), (PROGBITS, 0, symbols, 19_997)]
    content = bytearray(made(41_260, MOVED_SEGMENTS, sections))
    content[end : end + len(stale)] = stale
    return bytes(content)


def test_whole_pages_between_segments_go_too() -> None:
    smaller = trimmed(moved())
    assert len(smaller) == 41_260 - (40_960 - 5512) // PAGE * PAGE
    assert image(smaller) == image(moved())


def test_a_note_that_is_loaded_by_no_segment_may_be_behind() -> None:
    segments: list[Segment] = [(LOAD, 0, 5512, 5512, PAGE), (NOTE, 25_512, 32, 32, 4)]
    content = made(25_544, segments, [(PROGBITS, ALLOC, 512, 5000), (PROGBITS, 0, 5512, 20_000)])
    smaller = trimmed(content)
    assert len(smaller) == 25_544 - 20_000 // PAGE * PAGE
    assert image(smaller) == image(content)


def test_a_table_of_sections_that_was_replaced_goes_with_them() -> None:
    entries = [(0, 0, 0, 0), (PROGBITS, ALLOC, 512, 5000), (PROGBITS, 0, 5512, 20_000)]
    table = b"".join(
        struct.pack("<IIQQQQIIQQ", 9, what, flags, 0, at, size, 0, 0, 0, 0) for what, flags, at, size in entries
    )
    former = moved(bytes(64) + table[64:])
    assert len(trimmed(former)) == len(trimmed(moved()))
    for other in (table, bytes(64) + b"payload " * 30, b"payload", bytes(64) + table[64:] + b"x" * 15_000):
        assert trimmed(moved(other)) == moved(other)


@given(
    gaps=st.lists(st.integers(0, 3 * PAGE), min_size=1, max_size=4),
    align=st.sampled_from([PAGE, 4 * PAGE]),
    extra=st.integers(0, 400),
    tail=st.integers(0, 9000),
)
def test_what_is_mapped_keeps_address_and_content(gaps: list[int], align: int, extra: int, tail: int) -> None:
    """Also segments without bytes in the file, as of a program's zeros, and sections of any size between them."""
    segments: list[Segment] = [(LOAD, 0, 800, 800, PAGE)]
    sections: list[Section] = [(PROGBITS, ALLOC, 500, 300)]
    offset = 1024
    for gap in gaps:
        segments.append((LOAD, offset, 700, 700 + extra, align))
        sections += [(PROGBITS, ALLOC, offset, 700), (PROGBITS, 0, offset + 700, gap)]
        offset += 700 + gap
    segments.append((LOAD, offset, 0, extra, align))
    content = made(offset + tail, segments, [*sections, (PROGBITS, 0, offset, tail)])
    smaller = trimmed(content)
    assert image(smaller) == image(content)
    assert len(smaller) <= offset
    assert len(smaller) < len(content)


def altered(offset: int, form: str, value: int) -> bytes:
    content = bytearray(PLAIN)
    struct.pack_into(form, content, offset, value)
    return bytes(content)


def many_segments() -> bytes:
    """More than the header's field holds, and the file is as long as they would be."""
    content = bytearray(made(64 + 56 * 0xFFFF, [], [(PROGBITS, 0, 64, 56 * 0xFFFF)]))
    content[64 : 64 + 56 * 0xFFFF] = bytes(56 * 0xFFFF)
    struct.pack_into("<H", content, 56, 0xFFFF)
    return bytes(content)


def with_section(section: Section) -> bytes:
    return made(28_296, PLAIN_SEGMENTS, [*PLAIN_SECTIONS, section])


def test_an_empty_section_and_one_without_bytes_in_the_file_hold_nothing() -> None:
    assert len(trimmed(with_section((PROGBITS, ALLOC, 9000, 0)))) == 8292
    assert len(trimmed(with_section((NOBITS, ALLOC, 9000, 1 << 40)))) == 8292


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xcf\xfa\xed\xfe" + PLAIN[4:], id="Mach-O"),
        pytest.param(PLAIN[:63], id="cut in the header"),
        pytest.param(PLAIN[:-1], id="cut in the table"),
        pytest.param(altered(4, "B", 1), id="32 bits"),
        pytest.param(altered(5, "B", 2), id="big-endian"),
        pytest.param(altered(16, "<H", 1), id="an object for a linker"),
        pytest.param(altered(54, "<H", 32), id="other program headers"),
        pytest.param(altered(58, "<H", 40), id="other section headers"),
        pytest.param(many_segments(), id="more segments than the field holds"),
        pytest.param(made(28_296, PLAIN_SEGMENTS, PLAIN_SECTIONS, shnum=0), id="more sections than the field holds"),
        pytest.param(altered(64 + 32, "<Q", 1 << 40), id="a segment that is not whole"),
        pytest.param(PLAIN + b"payload", id="something appended"),
        pytest.param(PLAIN + bytes(64) + b"payload!" * 8, id="appended behind zeros"),
        pytest.param(with_section((PROGBITS, ALLOC, 9000, 1)), id="to be loaded, and by no segment"),
        pytest.param(altered(28_296 + 4 * 64 + 32, "<Q", 20_001 + 5 * 64), id="a section that is not whole"),
    ],
)
def test_what_is_not_as_expected_stays_byte_for_byte(content: bytes) -> None:
    assert trimmed(content) == content


def test_padding_is_nobodys() -> None:
    assert len(trimmed(PLAIN + bytes(1000))) == 8292


@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 255))
def test_no_byte_makes_it_fail(place: int, value: int) -> None:
    damaged = PLAIN[:place] + bytes([value]) + PLAIN[place + 1 :]
    assert len(trimmed(damaged)) <= len(damaged)


def test_copies_are_written_and_originals_left(tmp_path: Path) -> None:
    files = {}
    for name, content in (("a/x.so", PLAIN), ("lib/libgomp.so.1", PLAIN), ("x.dat", PLAIN), ("y.so", b"text")):
        files[name] = tmp_path / name.replace("/", "-")
        files[name].write_bytes(content)
    found = with_trimmed(files, tmp_path / "copies")
    assert all(path.read_bytes() == (b"text" if name == "y.so" else PLAIN) for name, path in files.items())
    assert [len(found[name].read_bytes()) for name in files] == [8292, 8292, len(PLAIN), 4]
    assert [name for name in files if found[name] != files[name]] == ["a/x.so", "lib/libgomp.so.1"]


@pytest.mark.parametrize("name", ["a/_x.cpython-312-x86_64-linux-gnu.so", "b/libz-1.so.1.2.3"])
def test_a_shared_object_is_known_by_its_name(name: str) -> None:
    assert is_shared_object(name)
    assert not is_shared_object(f"{name}/x.py")
    assert not is_shared_object(name.replace(".so", "so"))
