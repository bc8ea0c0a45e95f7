"""Whether the shared objects of a layer will find what they link to, in the layer or in Lambda's image.

A wheel may rely on libraries that the machine where it was tried happens to have, and Lambda does not: the layer
would be built, and each call of the function would fail. The files are read, not loaded, for every architecture.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from packaging.version import InvalidVersion, Version

from model_registry.lambda_packages.errors import LinkingError
from model_registry.lambda_packages.platform import Runtime

_MAGIC = b"\x7fELF"
_OPENMP = "libgomp.so.1"
# auditwheel renames the libraries that it brings in: libgomp-a34b3233.so.1.0.0.
_BUNDLED_OPENMP = re.compile(r"libgomp-[0-9a-f]+\.so\.1(\.\d+)*")
_FIRST_CHOICE = "scikit_learn.libs"
_LISTED = 3  # names in a message


@dataclass(frozen=True)
class _Object:
    """What one shared object says of itself."""

    soname: str | None
    needed: tuple[str, ...]
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # library: the symbol versions it must have


def supplements(files: Mapping[str, Path], runtime: Runtime, owner: Mapping[str, str]) -> dict[str, Path]:
    """Return what has to lie in `/opt/lib` besides, which Lambda searches for libraries, by name.

    That is an OpenMP runtime for objects that link to the system's, as LightGBM's does: the copy that scikit-learn or
    another package brings, under the name that they look for.

    Args:
        files: Each file of the layer's site-packages by its name there.
        runtime: Whose image the layer is for.
        owner: The package of each file.

    Raises:
        LinkingError: a library is missing, or one in the image is older than an object needs.

    """
    objects = {name: found for name, path in files.items() if (found := _read(path)) is not None}
    missing = _missing(objects, runtime)
    added: dict[str, Path] = {}
    bundled = sorted(
        (name for name in objects if _BUNDLED_OPENMP.fullmatch(PurePosixPath(name).name)),
        key=lambda name: (not name.startswith(_FIRST_CHOICE), name),
    )
    if bundled and any(_OPENMP in libraries for libraries in missing.values()):
        added[_OPENMP] = files[bundled[0]]
        missing = {name: libraries - {_OPENMP} for name, libraries in missing.items()}
    problems = [*_without(missing, owner, runtime), *_too_new(_newer(objects, runtime), owner, runtime)]
    if problems:
        raise LinkingError("\n".join(problems))
    return added


def _missing(objects: Mapping[str, _Object], runtime: Runtime) -> dict[str, set[str]]:
    """Name the libraries that each object needs and neither the layer nor the image has."""
    present = {PurePosixPath(name).name for name in objects} | {each.soname for each in objects.values()}
    present |= runtime.image.libraries
    return {name: set(each.needed) - present for name, each in objects.items()}


def _read(path: Path) -> _Object | None:
    """Read a file's dynamic section; None where it is not a shared object."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return None
        try:
            elf = ELFFile(file)
            dynamic, versions = elf.get_section_by_name(".dynamic"), elf.get_section_by_name(".gnu.version_r")
            tags = list(dynamic.iter_tags()) if isinstance(dynamic, DynamicSection) else []
            # pyelftools gives these tags their attributes as it reads them.
            sonames = [tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"]  # type: ignore[attr-defined]  # pyelftools declares fewer than it has
            needed = [tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"]  # type: ignore[attr-defined]  # as above
            wanted = {
                str(library.name): tuple(version.name for version in group)
                for library, group in (versions.iter_versions() if isinstance(versions, GNUVerNeedSection) else ())
            }
        except ELFError:  # cut short on purpose, as some packages' test data are: nothing that is loaded
            return None
    return _Object(sonames[0] if sonames else None, tuple(needed), wanted)


def _newer(objects: Mapping[str, _Object], runtime: Runtime) -> dict[str, set[str]]:
    """Name the symbol versions that each object needs of a library in the image and which that is too old for."""
    return {
        name: {
            version
            for library, versions in each.versions.items()
            if library in runtime.image.libraries
            for version in versions
            if not _has(runtime, version)
        }
        for name, each in objects.items()
    }


def _has(runtime: Runtime, version: str) -> bool:
    family, _, number = version.partition("_")
    newest = runtime.image.symbols.get(family)
    if newest is None:
        return True
    try:
        return Version(number) <= Version(newest)
    except InvalidVersion:
        # CXXABI_TM_1 and GLIBC_PRIVATE are old. With GLIBC_ABI_ glibc marks what came after 2.34.
        return not number.startswith("ABI_")


def _without(missing: Mapping[str, set[str]], owner: Mapping[str, str], runtime: Runtime) -> Iterator[str]:
    for package, names in _by_package(missing, owner).items():
        libraries = sorted({library for name in names for library in missing[name]})
        yield (
            f"{package} cannot be loaded in Lambda: {_listed(names)} {_verb(names)} {_listed(libraries)}, which "
            f"neither the layer nor {runtime} has; {_remedy(libraries)}"
        )


def _too_new(newer: Mapping[str, set[str]], owner: Mapping[str, str], runtime: Runtime) -> Iterator[str]:
    for package, names in _by_package(newer, owner).items():
        newest = max((version for name in names for version in newer[name]), key=_order)
        yield (
            f"{package} cannot be loaded in Lambda: {_listed(names)} {_verb(names)} {newest}, for which {runtime} is "
            "too old; train with an earlier release of it, or with a Python whose runtime has a newer system"
        )


def _by_package(found: Mapping[str, set[str]], owner: Mapping[str, str]) -> dict[str, list[str]]:
    """Group the objects that have anything by their package."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(found):
        if found[name]:
            groups[owner[name]].append(name)
    return dict(sorted(groups.items()))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{more}"


def _verb(names: Sequence[str]) -> str:
    return "needs" if len(names) == 1 else "need"


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _remedy(libraries: Sequence[str]) -> str:
    if _OPENMP in libraries:
        return "add scikit-learn to the model's packages, whose wheel has a copy"
    if any(library.startswith(("libcu", "libnv", "libnccl")) for library in libraries):
        return "train with a build of it that needs no GPU, or serve the model with `format: onnx`"
    return "train with a release whose wheel brings it, or serve the model with `format: onnx`"
