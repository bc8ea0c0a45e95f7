"""Shared objects without what no loader reads: symbol tables for debuggers, and the table of sections itself.

A loader goes by the program headers, which say what bytes of a file it maps, and to which addresses. `trimmed` leaves
out the rest, and keeps every mapped byte at its address, also where auditwheel has moved segments (which `strip`
breaks: "ELF load command address/offset not page-aligned"). What is not entirely as expected stays as it is.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_IDENTITY = b"\x7fELF\x02\x01"  # 64 bits, little-endian, as all that Lambda runs
# Offsets and numbers are those of the ELF specification, chapters 4 and 5.
_HEADER_BYTES, _TYPE, _OFFSETS, _COUNTS = 64, 16, 32, 54
_SEGMENT, _SECTION = struct.Struct("<I4xQ16xQ8xQ"), struct.Struct("<4xIQ8xQQ24x")
_P_OFFSET = 8
_ET_DYN, _PT_LOAD, _PN_XNUM, _SHT_NULL, _SHT_NOBITS, _SHF_ALLOC = 3, 1, 0xFFFF, 0, 8, 2
_PAGE = 4096

_Span = tuple[int, int]
"""Where a part of a file begins, and where it ends."""


class _Segment(NamedTuple):
    type: int
    offset: int
    size: int
    align: int

    @property
    def span(self) -> _Span:
        return self.offset, self.offset + self.size


class _Section(NamedTuple):
    type: int
    flags: int
    offset: int
    size: int

    @property
    def span(self) -> _Span:
        return self.offset, self.offset + self.size


class _Object(NamedTuple):
    segment_table: _Span
    section_table: _Span
    segments: tuple[_Segment, ...]
    sections: tuple[_Section, ...]  # those that have bytes in the file

    @property
    def mapped(self) -> list[_Span]:
        """What a loader reads or maps."""
        return [(0, _HEADER_BYTES), self.segment_table, *(segment.span for segment in self.segments)]


def with_trimmed(files: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    """Write smaller copies of shared objects into a folder, and return all files with those in place of the originals.

    Args:
        files: Where each file is on disk, by its name.
        folder: A new folder; the originals, which may be hard links into uv's cache, are not touched.

    """
    found = dict(files)
    folder.mkdir()
    for number, (name, path) in enumerate(files.items()):
        if is_shared_object(name):
            content = path.read_bytes()
            if len(smaller := trimmed(content)) < len(content):
                found[name] = folder / str(number)
                found[name].write_bytes(smaller)
    return found


def is_shared_object(name: str) -> bool:
    """Whether a file is one by its name: `_ufuncs.cpython-312-x86_64-linux-gnu.so`, `libgomp.so.1`."""
    last = PurePosixPath(name).name
    return last.endswith(".so") or ".so." in last


def trimmed(content: bytes) -> bytes:
    """Leave out what no program header of a shared object covers.

    What is behind the last segment goes. Between segments, whole pages go, and the later segments' offsets in the file
    with them. The header tells then of no sections.

    Returns:
        The smaller file; the same one where it is not a shared object for Lambda, or has bytes besides that neither a
        segment nor a section accounts for, such as what somebody appended.

    """
    elf = _parse(content)
    if elf is None:
        return content
    holes = list(_gaps(elf.mapped, (0, len(content))))
    if not all(_is_spare(elf, content, hole) for hole in holes):
        return content
    cuts = [(start, start + size) for start, end in holes if (size := _removable(elf, (start, end), len(content)))]
    if not cuts:
        return content

    def moved(offset: int) -> int:
        return offset - sum(end - start for start, end in cuts if end <= offset)

    result = bytearray(content)
    struct.pack_into("<QQ", result, _OFFSETS, moved(elf.segment_table[0]), 0)
    struct.pack_into("<2H", result, _COUNTS + 6, 0, 0)
    for number, segment in enumerate(elf.segments):
        place = elf.segment_table[0] + number * _SEGMENT.size + _P_OFFSET
        struct.pack_into("<Q", result, place, moved(segment.offset))
    for start, end in reversed(cuts):
        del result[start:end]
    return bytes(result)


def _parse(content: bytes) -> _Object | None:
    """Read the two tables; None where they are not those of a whole shared object for Lambda."""
    if len(content) < _HEADER_BYTES or not content.startswith(_IDENTITY):
        return None
    (kind,) = struct.unpack_from("<H", content, _TYPE)
    segments_at, sections_at = struct.unpack_from("<QQ", content, _OFFSETS)
    segment_bytes, segments, section_bytes, sections = struct.unpack_from("<4H", content, _COUNTS)
    expected = (_ET_DYN, _SEGMENT.size, _SECTION.size)
    # That number means that there are more than fit into the field. Of sections it is 0: what they have is nobody's.
    if (kind, segment_bytes, section_bytes) != expected or segments == _PN_XNUM:
        return None
    segment_table = (segments_at, segments_at + segments * _SEGMENT.size)
    section_table = (sections_at, sections_at + sections * _SECTION.size)
    if max(segment_table[1], section_table[1]) > len(content):
        return None
    found = map(_Section._make, _SECTION.iter_unpack(content[slice(*section_table)]))
    elf = _Object(
        segment_table,
        section_table,
        tuple(map(_Segment._make, _SEGMENT.iter_unpack(content[slice(*segment_table)]))),
        tuple(each for each in found if each.size and each.type not in (_SHT_NULL, _SHT_NOBITS)),
    )
    ends = [*(end for _, end in elf.mapped), *(section.span[1] for section in elf.sections)]
    return elf if max(ends) <= len(content) else None


def _gaps(spans: Iterable[_Span], within: _Span) -> Iterator[_Span]:
    """Give what no span covers. An empty span divides a gap: the offset of a segment without bytes counts, too."""
    reached, last = within
    for start, end in sorted([*spans, (last, last)]):
        if reached < min(start, last):
            yield reached, min(start, last)
        reached = max(reached, end)


def _is_spare(elf: _Object, content: bytes, hole: _Span) -> bool:
    """Whether all in a hole belongs to sections that are not loaded, or is padding or a table that was replaced."""
    start, end = hole
    inside = [each for each in elf.sections if each.span[0] < end and each.span[1] > start]
    if any(section.flags & _SHF_ALLOC for section in inside):
        return False
    accounted = [elf.section_table, *(section.span for section in inside)]
    return all(_is_unused(content, gap) for gap in _gaps([span for span in accounted if span[1] > start], hole))


def _is_unused(content: bytes, gap: _Span) -> bool:
    """Whether bytes that nothing accounts for are zeros, or the table of sections that patchelf left and replaced."""
    start, end = gap
    if not any(content[start:end]):
        return True
    start += -start % 8
    end -= (end - start) % _SECTION.size
    table = [_Section._make(entry) for entry in _SECTION.iter_unpack(content[start:end])]
    # The first entry is empty, and all sections were before the table.
    return (
        bool(table)
        and not any(content[gap[0] : start + _SECTION.size])
        and not any(content[end : gap[1]])
        and all(section.offset < start for section in table)
    )


def _removable(elf: _Object, hole: _Span, size: int) -> int:
    start, end = hole
    if end == size:
        return end - start
    behind = [each.align for each in elf.segments if each.type == _PT_LOAD and each.offset >= end]
    step = max([_PAGE, *behind])
    return (end - start) // step * step
