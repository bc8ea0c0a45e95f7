"""Own code of a model's owner: a module beside the script, a package with data, and models that use them."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

X = np.random.default_rng(2).normal(size=(60, 2))
Y = X[:, 0] > X[:, 1]

_FILES = {
    "own_steps.py": """
import numpy as np

from own_features.ratios import ratio


def with_ratio(X):
    return np.column_stack([X, ratio(X)])
""",
    "own_features/__init__.py": "",
    "own_features/ratios.py": """
import json
from pathlib import Path

import numpy as np

from . import _limits


def ratio(X):
    offset = json.loads((Path(__file__).parent / "offsets.json").read_text())["offset"]
    return np.clip(X[:, 0] / (offset + np.abs(X[:, 1])), -_limits.LARGEST, _limits.LARGEST)
""",
    "own_features/_limits.py": "LARGEST = 3.0\n",
    "own_features/offsets.json": '{"offset": 1.0}',
    "own_features/unused.ipynb": "{}",
    "own_features/tests/test_ratios.py": "",
    "own_features/.env": "PASSWORD=1\n",
    "unrelated.py": "",
}


@contextmanager
def written(folder: Path) -> Iterator[Path]:
    """Write the owner's folder, importable as beside a script, and forget its modules afterwards."""
    for name, content in _FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield folder
    finally:
        sys.path.remove(str(folder))
        for module in [name for name in sys.modules if name.startswith("own_")]:
            del sys.modules[module]


def fitted() -> Any:
    """A pipeline with a transformer of its owner's own; call it inside `written`."""
    step = importlib.import_module("own_steps").with_ratio
    return make_pipeline(FunctionTransformer(step), LogisticRegression()).fit(X, Y)
