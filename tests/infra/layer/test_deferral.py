"""A package whose imports are put off does what it did: each case runs as it was written, and put off."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.layer import deferred_imports
from infra.layer.bytecode import DEFERRED_IMPORTS, compile_tree, deferred

Case = tuple[dict[str, str], str]
"""Files of a package that is called `pack`, and a program that prints what it finds."""

RUNNER = """
import io, json, sys, traceback
from contextlib import redirect_stdout
sys.path.insert(0, sys.argv[1])
found = {}
for name, program in json.load(sys.stdin).items():
    with redirect_stdout(io.StringIO()) as said:
        try:
            exec(program, {"__name__": "program"})
        except BaseException:
            print(traceback.format_exc())
    found[name] = said.getvalue()
print(json.dumps(found))
"""


def run(folder: Path, cases: dict[str, Case], *, put_off: bool) -> dict[str, str]:
    """Compile the packages of all cases, and run their programs in one process; returns what each printed."""
    files, programs, packages = {}, {}, []
    for number, (name, (sources, program)) in enumerate(cases.items()):
        package = f"pack{number}"  # each has modules of its own
        packages.append(package)
        programs[name] = program.replace("pack", package)
        for file, text in {"pack/__init__.py": "", **HEAVY, **sources}.items():
            files[file.replace("pack", package)] = text.replace("pack", package)
    if put_off:
        files[DEFERRED_IMPORTS] = Path(deferred_imports.__file__).read_text(encoding="utf-8")
    for name, text in files.items():
        path = folder / "sources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    compiled = folder / "bytecode"
    places = {"interpreter": sys.executable, "prefix": "/opt"}
    built = compile_tree(list(files), folder / "sources", compiled, deferred=packages if put_off else [], **places)
    assert all(path.is_relative_to(compiled) for path in built.values()), "one is not valid"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", RUNNER, str(compiled)],
        input=json.dumps(programs),
        check=True,
        capture_output=True,
        text=True,
    )
    said: dict[str, str] = json.loads(done.stdout)
    return {name: re.sub(r"(pack|other)\d+", r"\1", text) for name, text in said.items()}


HEAVY = {"pack/heavy.py": "value = 1\ndef work(): return value\n"}

SAME: dict[str, Case] = {
    "a function uses it": (
        {"pack/user.py": "from pack.heavy import work\ndef use():\n    'doc'\n    return work()\n"},
        "from pack import user; print(user.use(), user.use(), user.use.__doc__, user.work.__module__)",
    ),
    "a package exports it": (
        {"pack/__init__.py": "from .heavy import work, value as v\nfrom . import heavy\n__all__ = ['v', 'heavy']\n"},
        "import pack; from pack import *; print(v, heavy.__name__, pack.work is heavy.work)",
    ),
    "methods, lambdas, generators, nested functions": (
        {
            "pack/user.py": "from pack import heavy as h\nclass C:\n    def m(self): return (lambda: h.value)()\n"
            "def g():\n    yield from [h.value for _ in range(2)]\n"
            "def outer():\n    def inner(): return h.value\n    class D: x = h.value\n    return inner() + D.x\n"
            "async def co(): return h.value\n"
        },
        (
            "import asyncio\nfrom pack import user\n"
            "print(user.C().m(), list(user.g()), user.outer(), asyncio.run(user.co()))"
        ),
    ),
    "what runs at import needs it": (
        {
            "pack/user.py": "from pack.heavy import value, work as w, value as b, value as d, value as e, value as f\n"
            "x = value\ndef deco(value=b): return lambda f: f\n@deco(d)\ndef g(a: e = 1) -> f: return w()\n"
        },
        "from pack import user; print(user.x, user.g(), user.deco.__defaults__, user.e)",
    ),
    "it is bound again": (
        {
            "pack/user.py": "from pack.heavy import value as a, value as b, value as c, value as d, value as e\n"
            "from pack.heavy import value as f\na = 2\nfor b in (3,): pass\ndel c\n"
            "def set_d():\n    global d\n    d = 4\ntry: 1 / 0\nexcept Exception as e: pass\n"
            "match [5]:\n    case [f]: pass\ndef get(): return a, b, d, f\n"
        },
        "from pack import user; user.set_d(); print(user.get(), hasattr(user, 'c'), hasattr(user, 'e'))",
    ),
    "a module looks at its own names": (
        {
            "pack/user.py": "from pack.heavy import value\nhere = sorted(n for n in dir() if n == 'value')\n",
            "pack/other.py": "from pack.heavy import value\ndef get(name): return globals()[name]\n",
            "pack/third.py": "from pack.heavy import value\ndef get(): return eval('value')\n",
        },
        "from pack import other, third, user; print(user.here, other.get('value'), third.get())",
    ),
    "all of its names are imported": (
        {
            "pack/bare.py": "from pack.heavy import value\n",
            "pack/listed.py": "from pack.heavy import value, work\n__all__ = ['value']\n",
            "pack/user.py": "from .bare import *\nfrom pack import listed as k\n",
            "pack_other.py": "from pack.listed import *\n",
        },
        (
            "from pack import user, bare; import pack_other as o\n"
            "print(user.value, o.value, hasattr(o, 'work'), bare.value)"
        ),
    ),
    "an import behind a star import binds anew": (
        {
            "pack/first.py": "value = 'first'\n__all__ = ['value']\n",
            "pack/user.py": "from pack.first import *\nfrom pack.heavy import value\ndef get(): return value\n",
            "pack/last.py": "from pack.heavy import value\nfrom pack.first import *\ndef get(): return value\n",
        },
        "from pack import user, last; print(user.get(), user.value, last.get(), last.value)",
    ),
    "a function is called like its module": (
        {"pack/sub/__init__.py": "from .solve import solve\n", "pack/sub/solve.py": "def solve(): return 'solved'\n"},
        "import pack.sub.solve; from pack.sub import solve; print(solve(), callable(pack.sub.solve))",
    ),
    "a module is bound to another name": (
        {
            "pack/sub/__init__.py": "from . import heavy\nheavy = 'a string'\n",
            "pack/sub/heavy.py": "",
            "pack/user.py": "import pack.sub.heavy as h\ndef get(): return h\n",
        },
        "from pack import user; print(user.get())",
    ),
    "its own getattr and dir": (
        {
            "pack/own/__init__.py": "from pack.heavy import value\nfrom . import deep\n"
            "def __getattr__(name):\n    if name == 'odd': return 'own'\n    raise AttributeError(name)\n"
            "def __dir__(): return ['odd']\n",
            "pack/own/deep.py": "x = 1\n",
        },
        (
            "import pack.own as own\n"
            "print(own.odd, own.value, own.deep.x, dir(own), getattr(own, 'none', 'default'), hasattr(own, 'value'))"
        ),
    ),
    "modules of a package, by dots": (
        {
            "pack/user.py": "import pack.heavy\nimport pack.sub.deep\n"
            "def get(): return pack.heavy.value + pack.sub.deep.x\n",
            "pack/sub/__init__.py": "",
            "pack/sub/deep.py": "x = 10\n",
        },
        "from pack import user; print(user.get())",
    ),
    "somebody binds it before": (
        {"pack/user.py": "from pack.heavy import value\ndef get(): return value\n"},
        "from pack import user; user.value = 'patched'; print(user.get(), user.value)",
    ),
    "an import is there for what it does": (
        {
            "pack/registry.py": "items = []\n",
            "pack/plugin.py": "from pack.registry import items\nitems.append('plugin')\n",
            "pack/_setup.py": "from pack.registry import items\nitems.append('setup')\n",
            "pack/sub/__init__.py": "from pack import _setup\nfrom . import deep\n",
            "pack/sub/deep.py": "from pack import plugin\n",
        },
        "import pack.sub.deep; from pack.registry import items; print(items)",
    ),
    "an import registers, and binds a name": (
        {
            "pack/registry.py": "items = []\ndef register(f): items.append(f.__name__); return f\n",
            "pack/sub/__init__.py": "from .plug import install\nfrom .marked import marked\n"
            "from .setting import limit\nfrom .ask import ask\n__all__ = ['install', 'marked', 'limit', 'ask']\n",
            "pack/sub/plug.py": "from pack.registry import items\ndef install(x): items.append(x)\ninstall('own')\n",
            "pack/sub/marked.py": "from pack.registry import register\n@register\ndef marked(): pass\n",
            "pack/sub/setting.py": "from pack import registry\nlimit = 5\nif limit:\n    registry.limit = limit\n",
            "pack/sub/ask.py": "from pack import registry\ndef ask(): return registry.items, registry.limit\n",
            "pack/user.py": "from pack.sub import ask\ndef use(): return ask()\n",
        },
        "from pack import user; print(user.use())",
    ),
    "a package asks itself while it is imported": (
        {
            "pack/own/__init__.py": "from pack.heavy import value\nfrom . import deep\nx = deep.y\n"
            "def __getattr__(name): raise AttributeError(name)\n",
            "pack/own/deep.py": "from pack.own import value\ny = value\n",
        },
        "import pack.own as own; print(own.x)",
    ),
    "a folder without init": (
        {
            "pack/space/deep.py": "x = 3\n",
            "pack/user.py": "import pack.space.deep\ndef get(): return pack.space.deep.x\n",
        },
        "from pack import user; print(user.get())",
    ),
    "a warning is for whoever asked": (
        {
            "pack/old/__init__.py": "import warnings\nfrom pack.heavy import work\n"
            "def __getattr__(name):\n    warnings.warn('old', stacklevel=2)\n    return 1\n"
        },
        (
            "import warnings, pack.old as old\nwith warnings.catch_warnings(record=True) as told:\n"
            "    warnings.simplefilter('always')\n    old.name\nprint([(each.filename, each.lineno) for each in told])"
        ),
    ),
    "two modules import each other": (
        {
            "pack/a.py": "from pack import b\ndef one(): return b.two()\ndef three(): return 3\n",
            "pack/b.py": "from pack import a\ndef two(): return a.three()\n",
        },
        "from pack import a; print(a.one())",
    ),
    "names that show": (
        {"pack/user.py": "from pack.heavy import value, work\nimport pack.heavy as h\n_own = 1\n"},
        (
            "from pack import user\nprint([n for n in dir(user) if not n.startswith('__')])\nimport pickle\n"
            "from pack.user import work\nprint(pickle.loads(pickle.dumps(work))())"
        ),
    ),
    "many threads ask first": (
        {
            "pack/slow.py": "import time\ntime.sleep(0.2)\nvalue = 7\n",
            "pack/user.py": "from pack.slow import value\ndef get(): return value\n",
        },
        (
            "from concurrent.futures import ThreadPoolExecutor\nfrom pack import user\n"
            "with ThreadPoolExecutor(8) as pool: print(list(pool.map(lambda _: user.get(), range(16))))"
        ),
    ),
    "a class has members of these names": (
        {
            "pack/user.py": "from pack.heavy import value, work\nclass C:\n    value = 5\n"
            "    def __getattr__(self, name): return work()\n    def __dir__(self): return []\n"
            "    def get(self): return value\n"
        },
        "from pack import user; c = user.C(); print(c.value, c.any, dir(c), c.get())",
    ),
}


OTHER: dict[str, Case] = {
    "use": (
        {
            "pack/__init__.py": "from .heavy import work\n",
            "pack/sub/__init__.py": "",
            "pack/sub/deep.py": "",
            "pack/user.py": "import pack.sub.deep\nfrom pack.heavy import value\ndef use(): return value\n",
        },
        """
import sys
def loaded(): print(*sorted(name for name in sys.modules if f"{name}.".startswith("pack.")))
from pack import user
loaded()
user.use()
loaded()
user.pack.sub.deep
loaded()
""",
    ),
    "failures": (
        {
            "pack/user.py": """from pack.heavy import missing
from pack import nothing
import pack.gone as gone
def one(): return missing
def two(): return nothing
def three(): return gone
"""
        },
        """
import traceback
from pack import user
for call in (user.one, user.two, user.three, lambda: user.other):
    try: call()
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        print(repr(error), *[frame[:2] for frame in frames if frame.filename.startswith("/opt/pack")][:1])
""",
    ),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], dict[str, str]]:
    """What the programs print with their packages as they were written, and put off."""
    folder = tmp_path_factory.mktemp("deferral")
    cases = {**SAME, **OTHER}
    return run(folder / "written", cases, put_off=False), run(folder / "deferred", cases, put_off=True)


@pytest.mark.parametrize("case", SAME)
def test_a_package_does_what_it_did(said: tuple[dict[str, str], dict[str, str]], case: str) -> None:
    before, after = (each[case] for each in said)
    assert before.strip()
    assert "Traceback" not in before
    assert after == before


def test_nothing_is_imported_before_it_is_used(said: tuple[dict[str, str], dict[str, str]]) -> None:
    before, after = (each["use"].splitlines() for each in said)
    assert before == 3 * ["pack pack.heavy pack.sub pack.sub.deep pack.user"]
    assert after == ["pack pack.user", "pack pack.heavy pack.user", "pack pack.heavy pack.sub pack.sub.deep pack.user"]


def test_an_import_that_fails_says_what_failed_and_where(said: tuple[dict[str, str], dict[str, str]]) -> None:
    lines = said[1]["failures"].splitlines()
    assert lines == [
        "ImportError(\"cannot import name 'missing' from 'pack.heavy'\") ('/opt/pack/user.py', 4)",
        "ImportError(\"cannot import name 'nothing' from 'pack'\") ('/opt/pack/user.py', 5)",
        "ModuleNotFoundError(\"No module named 'pack.gone'\") ('/opt/pack/user.py', 6)",
        "AttributeError(\"module 'pack.user' has no attribute 'other'\")",
    ]


def test_only_releases_that_were_tried_have_their_imports_put_off() -> None:
    pins = [("scipy", "1.18.1"), ("scikit-learn", "1.9.1"), ("pandas", "3.0.1")]
    assert deferred(pins) == {"scipy": "scipy", "scikit-learn": "sklearn"}
    assert deferred([("scipy", "99.0"), ("scikit-learn", "0.9")]) == {}
