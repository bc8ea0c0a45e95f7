"""Models come from MLflow and go back. Written and read by the real one, in an environment of its own."""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from model_registry import Registry, open_storage
from model_registry.cli import app
from model_registry.publish.changes import checked_changes
from model_registry.publish.environment import environment_of
from model_registry.publish.from_mlflow import read_mlflow
from model_runtime.errors import PublishError
from model_runtime.manifest import Feature, Signature
from tests.handler.environments import python_of
from tests.pages import Block, blocks, follow

PROJECT = Path(__file__).parents[3]
PACKAGES = ("cloudpickle", "joblib", "numpy", "pandas", "scikit-learn", "scipy", "skops")
OWN = "def larger(X):\n    return X + 1\n"
LOG = """
import json, sys, warnings
import mlflow, mlflow.sklearn, numpy as np, pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from own_logged import larger

X = pd.DataFrame({"region": ["n", "s", "n", "s"] * 5, "age": np.arange(20), "income": np.arange(20.0)[::-1]})
y = [0, 0, 1, 1] * 5
columns = make_column_transformer((OneHotEncoder(), ["region"]), (FunctionTransformer(larger), ["age", "income"]))
model = make_pipeline(columns, LogisticRegression()).fit(X, y)
pins = {"pip_requirements": sys.argv[1:]}
with mlflow.start_run() as run:
    mlflow.log_metrics({"auc": 0.91, "val/loss": float("nan")})
    signature = infer_signature(X, model.predict(X))
    about = dict(signature=signature, input_example=X[:3], code_paths=["own_logged.py"], **pins)
    logged = mlflow.sklearn.log_model(
        model, name="model", serialization_format="cloudpickle", registered_model_name="churn", **about
    )
mlflow.MlflowClient().set_registered_model_alias("churn", "champion", 1)
plain = LogisticRegression().fit(X[["age", "income"]].to_numpy(), y)
mlflow.sklearn.save_model(plain, "plain", input_example=X[["age", "income"]].to_numpy()[:3], **pins)
folder = mlflow.artifacts.download_artifacts(logged.model_uri)
print(json.dumps([run.info.run_id, folder, model.predict_proba(X).tolist()]))
"""
READ = """
import json, sys
import mlflow.pyfunc, mlflow.sklearn, numpy as np, pandas as pd
sys.path[len(sys.path):] = sys.argv[1:3]
from model_registry import Registry, open_storage
from model_registry.publish.from_mlflow import read_mlflow

X = pd.DataFrame({"region": ["n", "s", "n", "s"] * 5, "age": np.arange(20), "income": np.arange(20.0)[::-1]})
back = mlflow.sklearn.load_model("back")
found = {"proba": back.predict_proba(X).tolist(), "labels": back.predict(X).tolist()}
found["pyfunc"] = mlflow.pyfunc.load_model("back").predict(X[["income", "region", "age"]]).tolist()
found["plain"] = mlflow.pyfunc.load_model("plain-back").predict(X[["age", "income"]].to_numpy()).tolist()
alias = read_mlflow("models:/churn@champion")
found["alias"] = [alias.run, alias.metrics, alias.X_example["region"].tolist(), alias.estimator.predict(X).tolist()]
print(json.dumps(found))
"""


REGISTRY = """
from model_registry import Registry, open_storage

registry = Registry(open_storage("./models"), actor="the page")
"""
"""What the program of the page takes to be there."""

BOOSTED = """
import json, sys
import mlflow.catboost, mlflow.lightgbm, mlflow.xgboost, numpy as np, pandas as pd
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from xgboost import XGBClassifier
from model_registry import Registry, open_storage
from model_registry.publish.from_mlflow import read_mlflow

X = pd.DataFrame(np.random.default_rng(0).normal(size=(80, 2)), columns=["age", "income"])
y = (X["age"] > X["income"]).astype(int)
cases = [
    (mlflow.lightgbm, LGBMClassifier(n_estimators=5, verbose=-1), {}),
    (mlflow.lightgbm, LGBMClassifier(n_estimators=5, verbose=-1), {"serialization_format": "cloudpickle"}),
    (mlflow.xgboost, XGBClassifier(n_estimators=5), {}),
    (mlflow.xgboost, XGBClassifier(n_estimators=5), {"model_format": "json"}),
    (mlflow.catboost, CatBoostClassifier(iterations=5, verbose=0, allow_writing_files=False), {}),
]
registry = Registry(open_storage("./models"), actor="the tests")
found = []
for number, (flavor, model, options) in enumerate(cases):
    about = {"input_example": X[:3], "pip_requirements": ["numpy"], **options}
    flavor.save_model(model.fit(X, y), f"model-{number}", **about)
    read = read_mlflow(f"model-{number}")
    release = registry.publish(read.estimator, name="boosted", X_example=read.X_example, proof="process")
    same = np.array_equal(read.estimator.predict_proba(X), model.predict_proba(X))
    found.append([bool(same), release.manifest.proof.kind])
print(json.dumps(found))
"""


def mlflow_python(folder: Path, packages: Iterable[str] = ()) -> Path:
    """The Python of an environment with MLflow."""
    requirements = folder / "mlflow-and-more.txt"
    pins = packages or [f"{name}=={metadata.version(name)}" for name in PACKAGES]
    requirements.write_text("\n".join(["mlflow-skinny==3.17.2", *pins]))
    return python_of(requirements)


def store(folder: Path) -> dict[str, str]:
    """What points MLflow at a store of files."""
    return {"MLFLOW_TRACKING_URI": (folder / "store").as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}


def mlflow(program: str, *arguments: str, folder: Path, packages: Iterable[str] = (), path: str = "") -> Any:
    """What a program says that runs in MLflow's environment, with a store of files."""
    command = [str(mlflow_python(folder, packages)), "-W", "ignore", "-c", program, *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env={"HOME": str(folder), "PYTHONPATH": path, **store(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def _own_path() -> Iterator[None]:
    """Own code that comes with a model is importable until the process ends; here until the test does."""
    before = list(sys.path)
    yield
    sys.path[:] = before
    sys.modules.pop("own_logged", None)


@pytest.mark.usefixtures("_own_path")
def test_a_model_comes_from_mlflow_and_goes_back(tmp_path: Path) -> None:
    (tmp_path / "own_logged.py").write_text(OWN)
    pins = [f"{name}=={metadata.version(name)}" for name in PACKAGES]
    run, logged, expected = mlflow(LOG, *pins, folder=tmp_path)

    place = str(tmp_path / "models")
    for name, folder in (("churn", logged), ("plain", str(tmp_path / "plain"))):
        arguments = ["publish", "--from-mlflow", folder, "--name", name, "--bucket", place, "--proof", "process"]
        said = CliRunner().invoke(app, arguments)
        assert said.exit_code == 0, said.stderr
    registry = Registry(open_storage(place), actor="the tests")
    manifest = registry.resolve("churn/1").manifest
    assert (manifest.lineage.mlflow_run, manifest.metrics, manifest.proof.rows) == (run, {"auc": 0.91}, 3)
    assert {feature.name: feature.type for feature in manifest.signature.features} == {
        "region": "string",
        "age": "integer",
        "income": "number",
    }
    assert manifest.code is not None
    assert manifest.code.modules == ("own_logged",)

    for address, folder in (("churn/1", "back"), ("plain/1", "plain-back")):
        said = CliRunner().invoke(app, ["export", address, "--mlflow", str(tmp_path / folder), "--bucket", place])
        assert said.exit_code == 0, said.stderr
    (tmp_path / "own_logged.py").unlink()
    found = mlflow(READ, str(PROJECT), sysconfig.get_path("purelib"), folder=tmp_path)
    assert found["proba"] == expected
    labels = [int(row[1] > row[0]) for row in expected]
    assert found["labels"] == found["pyfunc"] == labels
    assert len(found["plain"]) == 20
    assert found["alias"] == [run, {"auc": 0.91}, ["n", "s", "n"], labels]
    again = CliRunner().invoke(app, ["export", "churn/1", "--mlflow", str(tmp_path / "back"), "--bucket", place])
    assert (again.exit_code, "back exists already, nothing was written" in again.stderr) == (1, True)


@pytest.mark.soak
def test_the_commands_of_docs_mlflow_md_do_what_it_says(tmp_path: Path) -> None:
    """With MLflow in the environment: three versions, of which one goes back."""
    (tmp_path / "own_logged.py").write_text(OWN)
    run, logged, _ = mlflow(LOG, *(f"{name}=={metadata.version(name)}" for name in PACKAGES), folder=tmp_path)
    python = mlflow_python(tmp_path)
    (tmp_path / "site").mkdir()
    paths = [str(PROJECT), sysconfig.get_path("purelib")]  # after what MLflow brings
    (tmp_path / "site" / "sitecustomize.py").write_text(f"import sys\nsys.path.extend({paths})\n")
    environment = {
        **store(tmp_path),
        "HOME": str(tmp_path),
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(tmp_path / "site"),
        "MODEL_REGISTRY": "./models",
        "MODEL_REGISTRY_PROOF": "none",
    }
    for block in (block for block in blocks() if block.page == "mlflow.md"):
        text = block.text.replace("export churn@prod", "export churn/3").replace("--mlflow FOLDER", "--mlflow exported")
        text = text.replace("FOLDER", logged)
        if block.language == "python":
            (tmp_path / "page.py").write_text(REGISTRY + text)
            text = "python page.py"
        for said in follow(Block(block.page, "", text), tmp_path, environment, moments=tmp_path / "moments"):
            assert said.code == 0, said.printed
    registry = Registry(open_storage(str(tmp_path / "models")), actor="the tests")
    assert [registry.resolve(f"churn/{number}").manifest.lineage.mlflow_run for number in (1, 2, 3)] == [run] * 3
    assert (tmp_path / "exported" / "MLmodel").exists()


@pytest.mark.soak
def test_boosted_models_come_from_their_own_flavors(tmp_path: Path) -> None:
    """As MLflow writes them: by skops and by cloudpickle, and in the libraries' own formats."""
    lock = PROJECT / "tests" / "model_registry" / "fleet" / "boosting.lock"
    packages = [*lock.read_text().splitlines(), "pyyaml", f"skops=={metadata.version('skops')}"]
    found = mlflow(BOOSTED, folder=tmp_path, packages=packages, path=str(PROJECT))
    assert found == [[True, "process"]] * 5


def written(folder: Path, **flavors: Any) -> str:
    """A folder with these flavors, whose pickle must not be touched."""
    (folder / "model.pkl").write_bytes(b"cposix\nabort\n(tR.")
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors}))
    return str(folder)


@pytest.mark.parametrize(
    ("flavors", "message"),
    [
        (
            {"python_function": {"loader_module": "mlflow.pyfunc.model"}},
            r"python_function \(loaded by mlflow\.pyfunc\.model",
        ),
        (
            {"keras": {}, "python_function": {}},
            r"the flavors keras, python_function .*only models of sklearn, lightgbm",
        ),
        (
            {"sklearn": {"pickled_model": "model.pkl", "sklearn_version": "0.1"}},
            r"scikit-learn 0\.1, installed is .*uv venv",
        ),
        ({"sklearn": {"pickled_model": "../model.pkl"}}, r"names '\.\./model\.pkl', which is not in its folder"),
        ({"sklearn": {"pickled_model": "gone.pkl"}}, r"names 'gone\.pkl', which is not in its folder"),
        (
            {"sklearn": {}, "python_function": {"python_version": "2.7.1"}},
            r"with Python 2\.7\.1, this is 3.*uv venv --pyth",
        ),
        ({"lightgbm": {"data": "model.pkl"}}, r"has a lightgbm\.basic\.Booster, .*log the LGBMClassifier"),
        ({"xgboost": {"data": "model.pkl", "model_class": "os.system"}}, r"has a os\.system, .*log the XGBClassifier"),
        ({"catboost": {"data": "model.pkl", "model_type": "Pool"}}, r"has a Pool: log a CatBoostClassifier"),
    ],
)
def test_what_is_not_published_is_refused_before_it_is_loaded(
    tmp_path: Path, flavors: dict[str, Any], message: str
) -> None:
    with pytest.raises(PublishError, match=message):
        read_mlflow(written(tmp_path, **flavors))


@pytest.mark.parametrize(("text", "message"), [("a: [", "is not YAML"), ("[]", "names no flavors")])
def test_a_file_that_describes_no_model_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(PublishError, match=message):
        read_mlflow(str(tmp_path))


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"cannot read .*MLmodel \(No such file or directory\)"):
        read_mlflow(str(tmp_path))
    with pytest.raises(PublishError, match=r"models:/churn@prod is read by MLflow, which is not installed"):
        read_mlflow("models:/churn@prod")
    said = CliRunner().invoke(app, ["publish", "-n", "a", "-b", str(tmp_path / "models")])
    assert "give a joblib file, or --from-mlflow" in said.stderr


def test_pins_hold_for_the_packages_that_the_model_needs_and_add_none() -> None:
    environment = environment_of((), Signature(features=(Feature(name="x", type="number"),)))
    changes = checked_changes({"joblib": "1.4.0"}, (), {"joblib": "1.3.0", "scipy": "1.10.0", "mlflow": "3.17.2"})
    packages = changes.applied(environment).packages
    assert (packages["joblib"], packages["scipy"], "mlflow" in packages) == ("1.4.0", "1.10.0", False)
    with pytest.raises(PublishError, match=r"scikit-learn 1\.0 cannot load what"):
        checked_changes({}, (), {"scikit-learn": "1.0"}).check(environment)
