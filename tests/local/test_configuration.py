from pathlib import Path

import pytest

from local.configuration import read_configuration
from local.errors import ConfigError

PROJECT = """
name: probe
runtime: python
config:
  aws:region: {value: eu-central-1}
  greeting: hello
  memory: {type: integer, default: 256, description: MB}
  open: {type: boolean, default: true}
  tags: {type: object, default: {b: 1, a: x}}
  origins: {type: array, items: {type: string}, default: []}
  bucket: {type: string}
  token: {type: string, default: t, secret: true}
  note: {description: may be absent}
"""


def write(folder: Path, stack: str, project: str = PROJECT) -> Path:
    (folder / "Pulumi.yaml").write_text(project)
    (folder / "Pulumi.dev.yaml").write_text(stack)
    return folder


def test_defaults_the_stacks_file_and_overrides_come_in_this_order(tmp_path: Path) -> None:
    """Everything is text, collections are JSON, and a bare key is the project's own."""
    write(tmp_path, "config:\n  probe:bucket: b\n  memory: 512\n  origins: [a, '1']\n  aws:profile: p\n")
    read = read_configuration(tmp_path, "dev", {"memory": "1024", "other:key": "v"})
    assert read.project == "probe"
    assert read.values == {
        "aws:region": "eu-central-1",
        "aws:profile": "p",
        "other:key": "v",
        "probe:greeting": "hello",
        "probe:memory": "1024",
        "probe:open": "true",
        "probe:tags": '{"b": 1, "a": "x"}',
        "probe:origins": '["a", "1"]',
        "probe:bucket": "b",
        "probe:token": "t",
    }
    assert read.secrets == {"probe:token"}


def test_a_scalar_is_taken_as_it_is_written(tmp_path: Path) -> None:
    """YAML would make 1.10 a number and yes a truth; the format does not."""
    write(tmp_path, "config:\n  bucket: 1.10\n  greeting: yes\n")
    values = read_configuration(tmp_path, "dev").values
    assert (values["probe:bucket"], values["probe:greeting"]) == ("1.10", "yes")


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        ("{}", r"^stack 'dev' is missing configuration value 'probe:bucket': set it in Pulumi\.dev\.yaml$"),
        ("config: {bucket: b, memory: 1.5}", r"'1\.5' for configuration key 'probe:memory', .* of type 'integer'"),
        ("config: {bucket: b, memory: lots}", "'lots' .* of type 'integer'"),
        ("config: {bucket: b, memory: true}", "'true' .* of type 'integer'"),
        ("config: {bucket: b, open: 1}", "'1' .* of type 'boolean'"),
        ("config: {bucket: b, origins: {a: 1}}", "of type 'array'"),
        ("config: {bucket: b, origins: [a, 1]}", "of type 'array<string>'"),
        ("config: {bucket: b, tags: text}", "of type 'object'"),
        ("config: {bucket: {secure: v1:abc}}", "bucket in .* is encrypted"),
        ("config: [", "is not valid YAML"),
    ],
)
def test_a_wrong_stack_is_refused_with_the_key(tmp_path: Path, stack: str, message: str) -> None:
    """The engine refuses the same before it runs the program."""
    with pytest.raises(ConfigError, match=message):
        read_configuration(write(tmp_path, stack), "dev")


@pytest.mark.parametrize(
    ("schema", "message"),
    [("{type: number}", "probe:x as 'number'; the types are string"), ("{type: string, default: 1}", "default 1 for")],
)
def test_a_wrong_schema_is_refused(tmp_path: Path, schema: str, message: str) -> None:
    """A type that the engine does not know, or a default of another type, is a fault of Pulumi.yaml."""
    write(tmp_path, "{}", f"name: probe\nruntime: python\nconfig:\n  x: {schema}\n")
    with pytest.raises(ConfigError, match=message):
        read_configuration(tmp_path, "dev")


def test_an_unknown_stack_or_project_is_refused(tmp_path: Path) -> None:
    """The message names the stacks that there are."""
    with pytest.raises(ConfigError, match=r"Pulumi\.yaml does not exist; the folder is not a Pulumi project"):
        read_configuration(tmp_path, "dev")
    with pytest.raises(ConfigError, match=r"stack 'prod' does not exist: write the file, or choose one of dev"):
        read_configuration(write(tmp_path, "{}"), "prod")
