"""The archive is canonical."""

import zipfile
from pathlib import Path

from infra.layer.zip import write_zip


def test_bytes_depend_on_names_and_contents_only(tmp_path: Path) -> None:
    files = {}
    for name in ("b.so", "a/x.pyc", "c.so.5.0.0"):
        path = tmp_path / name.replace("/", "-")
        path.write_bytes(name.encode() * 100)
        files[name] = path
    write_zip(tmp_path / "one.zip", files)
    (tmp_path / "b.so").chmod(0o600)
    (tmp_path / "b.so").touch()
    write_zip(tmp_path / "two.zip", dict(reversed(files.items())))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        entries = archive.infolist()
    assert [(entry.filename, oct(entry.external_attr >> 16)) for entry in entries] == [
        ("a/x.pyc", "0o100644"),
        ("b.so", "0o100755"),
        ("c.so.5.0.0", "0o100755"),
    ]
    assert {(entry.date_time, entry.extra, entry.create_system) for entry in entries} == {
        ((1980, 1, 1, 0, 0, 0), b"", 3),
    }
