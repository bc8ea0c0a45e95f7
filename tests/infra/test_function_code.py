"""A start compiles none of the function's own modules."""

from importlib.util import MAGIC_NUMBER, cache_from_source

from infra.function_code import bytecode
from model_registry.environments import RUNNING
from model_registry.shipping import function_files, reserved_bytes

UNCHECKED_HASH = (1).to_bytes(4, "little")


def test_every_module_has_bytecode_where_python_looks_for_it() -> None:
    modules = [name for name in function_files() if name.endswith(".py")]
    compiled = bytecode(RUNNING)
    assert set(compiled) == {cache_from_source(name) for name in modules}
    for path in compiled.values():
        assert path.read_bytes()[:8] == MAGIC_NUMBER + UNCHECKED_HASH


def test_what_is_reserved_of_lambdas_limit_is_no_less_than_they_take_and_little_more() -> None:
    taken = sum(path.stat().st_size for path in [*function_files().values(), *bytecode(RUNNING).values()])
    assert taken <= reserved_bytes() <= taken + 300_000


def test_its_bytes_are_the_same_each_time() -> None:
    def content() -> dict[str, bytes]:
        return {name: path.read_bytes() for name, path in bytecode(RUNNING).items()}

    first = content()
    bytecode.cache_clear()
    assert content() == first


def test_there_is_none_of_a_python_that_this_machine_lacks() -> None:
    assert bytecode("3.99") == {}
