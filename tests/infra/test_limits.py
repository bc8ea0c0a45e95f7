from pathlib import Path
from random import Random

import pytest

from infra.function_code import variables
from infra.limits import ENVIRONMENT_MAX, SCHEMA_MAX, check_code, check_environment, check_schema
from infra.settings import SettingsError
from model_runtime.manifest import Feature, Signature
from tests.infra.examples import release

ORIGINS = tuple(f"https://{number:04}.example.com" for number in range(200))


def test_what_the_environment_holds_is_taken_to_the_byte() -> None:
    check_environment({"A": "x" * (ENVIRONMENT_MAX - 1)})
    with pytest.raises(SettingsError):
        check_environment({"A": "x" * ENVIRONMENT_MAX})
    with pytest.raises(SettingsError):
        check_environment({"A": "ж" * (ENVIRONMENT_MAX // 2)})


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"cors_origins": ORIGINS}, "corsOrigins takes 5,"),
        ({"trusted_types": ("package.module.Type",) * 250}, "trustedTypes takes 5,"),
    ],
)
def test_the_setting_that_takes_most_is_named(given: dict[str, tuple[str, ...]], setting: str) -> None:
    with pytest.raises(SettingsError, match=setting):
        check_environment(variables("models-of-ours", release(), **given))  # type: ignore[arg-type]  # one of several


def test_the_defaults_leave_most_of_it() -> None:
    taken = variables("models-of-ours", release())
    assert sum(len(name) + len(value) for name, value in taken.items()) < ENVIRONMENT_MAX / 8


def test_code_is_measured_as_it_is_sent(tmp_path: Path) -> None:
    """What zips well may be large."""
    noise, text = tmp_path / "noise.bin", tmp_path / "code.py"
    noise.write_bytes(Random(0).randbytes(9_000))  # noqa: S311  # of a test
    text.write_bytes(b"x = 1\n" * 90_000)
    manifest = release().manifest
    check_code({"code.py": text}, manifest, most=8_000)
    check_code({"noise.bin": noise}, manifest, most=9_000)
    with pytest.raises(SettingsError, match=r"of iris/3 has 9,\d\d\d bytes zipped, of which noise\.bin is most"):
        check_code({"noise.bin": noise}, manifest, most=8_000)


def test_a_schema_that_api_gateway_does_not_take_is_refused() -> None:
    def wide(count: int) -> Signature:
        return Signature(features=tuple(Feature(name=f"feature-{n}", type="number") for n in range(count)))

    check_schema(release(wide(1_000)).manifest)
    with pytest.raises(SettingsError, match=rf"its 9,000 features .* takes {SCHEMA_MAX:,}: `pulumi config set api"):
        check_schema(release(wide(9_000)).manifest)
