import pytest

from infra.function_code import variables
from infra.limits import ENVIRONMENT_MAX, check_environment
from infra.settings import SettingsError
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
