"""Every command block of the documentation runs, as it stands there, against one registry and under Pulumi's engine."""

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import joblib
import pandas as pd
import pytest
import yaml
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from local.ministack import LocalAws
from model_registry import Registry, Storage
from model_registry.signing import create_key
from tests.conftest import new_bucket
from tests.infra.settings.test_settings import read, written
from tests.pages import Block, Said, blocks, follow, is_as_shown, tools
from tests.pulumi.stacks import Project, make_project
from tests.structure import ROOT

_LOGS = "runbook.md: aws logs filter-log-events --log-group-name $LOGS --filter-pattern"
_LAST = "--query 'events[-1].message' --output text"
ELSEWHERE = {
    "README.md: make demo": "tests/local/test_demo.py",
    "README.md: pulumi stack init registry": "tests/pulumi/test_readme.py",
    "README.md: export MODEL_REGISTRY=s3://models-of-example-corp": "tests/pulumi/test_readme.py",
    "README.md: pulumi stack init dev": "tests/pulumi/test_readme.py",
    "deploy.md: pulumi stack init prod": "tests/pulumi/test_readme.py",
    "deploy.md: .venv/bin/python -m training.train_iris": "tests/pulumi/test_readme.py",
    "mlflow.md: python -m model_registry publish --from-mlflow models:/churn@champion --name churn": (
        "tests/model_registry/publish/test_mlflow.py"
    ),
    "mlflow.md: from sklearn_on_lambda import read_mlflow": "tests/model_registry/publish/test_mlflow.py",
    "mlflow.md: python -m model_registry export churn@prod --mlflow FOLDER": (
        "tests/model_registry/publish/test_mlflow.py"
    ),
    "pulumi.md: # automation": "tests/pulumi/test_start_your_own.py",
    "pulumi.md: # the environment sklearn-on-lambda/dev": "tests/pulumi/test_esc.py",
    "pulumi.md: # policies": "tests/pulumi/test_policies.py",
    "pulumi.md: # PulumiPolicy.yaml": "tests/pulumi/test_policies.py",
    "runbook.md: export MODEL_REGISTRY=s3://BUCKET NAME=iris TAG=prod GOOD=1 BAD=2": "tests/local/test_drill.py",
    f"{_LOGS} model_load_failed {_LAST}": "tests/local/test_drill.py",
    f"{_LOGS} request_failed {_LAST}": "tests/local/test_drill.py",
    f"{_LOGS} values_refused {_LAST}": "tests/local/test_drill.py",
    f"{_LOGS} PredictionTime {_LAST}": "tests/local/test_drill.py",
    f"{_LOGS} '\"Label.\"' {_LAST}": "tests/local/test_drill.py",
    "start-your-own.md: # registry": "tests/pulumi/test_start_your_own.py",
    "start-your-own.md: # train": "tests/pulumi/test_start_your_own.py",
    "start-your-own.md: # python": "tests/pulumi/test_start_your_own.py",
    "start-your-own.md: # Pulumi.yaml": "tests/pulumi/test_languages.py",
}
"""Blocks that a test of their own runs."""

NOT_RUN = {
    "aws.md: make aws-check": (
        "needs an AWS account; tests/pulumi/test_aws_check.py runs the same program on the local one"
    ),
    "pulumi.md: pulumi new PATH/TO/sklearn-on-lambda/templates/sklearn-model --runtime-options toolchain=uv": (
        "`pulumi new` asks at a terminal; tests/pulumi/test_start_your_own.py gives the answers as options"
    ),
    "registry.md: pulumi config set verifier true --stack registry && pulumi up --stack registry": (
        "needs AWS CodeBuild; tests/model_registry/test_in_account.py answers in its place"
    ),
    "start-your-own.md: python3 -m pip wheel --no-deps --wheel-dir dist .": (
        "pip takes hatchling from an index for it; tests/wheel.py builds the same wheel with the one that is installed"
    ),
    "start-your-own.md: export SKLEARN_ON_LAMBDA=file:///PATH/TO/dist/sklearn_on_lambda-0.1.0-py3-none-any.whl": (
        "`pulumi new` asks at a terminal; tests/pulumi/test_start_your_own.py gives the answers as options"
    ),
}
"""Blocks that cannot run here, and why."""
_PUBLISH = "publishing.md: python -m model_registry publish model.joblib"
LONG = {
    *("domain.md", "erasure.md", "formats.md", "registry.md"),
    f"{_PUBLISH} --name churn --example examples.csv --test held-out.csv --target churned",
    "roles.md: pulumi config set --stack registry --path 'rolePolicies[0]' publisher",
}
"""Pages, and blocks of pages, that take long: they deploy, convert, or rebuild an environment."""
LEFT = {*ELSEWHERE, *NOT_RUN}


def takes_long(block: Block) -> bool:
    return block.page in LONG or block.name in LONG


HERE = sorted({(block.page, takes_long(block)) for block in blocks() if block.name not in LEFT})


@dataclass(frozen=True)
class Desk:
    """Where a page's reader sits: a folder with a model and its rows, and a registry of versions of `iris`."""

    folder: Path
    registry: Registry
    bucket: str
    project: Project

    @property
    def environment(self) -> dict[str, str]:
        """The project's, with the registry, `python` and `aws`."""
        mine = self.project.environment
        return {
            **mine,
            "PATH": f"{self.folder.parent / 'tools'}:{mine['PATH']}",
            "PYTHONPATH": f"{self.project.folder}:{ROOT}",
            "PYTHONWARNINGS": "ignore",
            "MODEL_REGISTRY": f"s3://{self.bucket}",
            "MODEL_REGISTRY_ACTOR": "ada",
            "MODEL_REGISTRY_PROOF": "none",
            "PACKAGES_TOKEN": "0a1b",
            "PULUMI_SKIP_CONFIRMATIONS": "true",
            "AWS_DEFAULT_REGION": "us-east-1",
            "COLUMNS": "100",
        }

    def publish(self, versions: int, **tags: int) -> None:
        """Versions of `iris`, and where tags point."""
        model = joblib.load(self.folder / "model.joblib")
        for _ in range(versions):
            self.registry.publish(
                model, name="iris", X_example=CUSTOMERS, metrics={"accuracy": 0.98}, class_names=CLASSES
            )
        for tag, version in tags.items():
            self.registry.tag(f"iris/{version}", tag, reason="first")


CUSTOMERS = pd.DataFrame({"calls": [1.0, 9.0, 2.0, 8.0] * 5, "months": [30.0, 2.0, 24.0, 3.0] * 5})
CHURNED = ["stays", "leaves", "stays", "leaves"] * 5
CLASSES = ["leaves", "stays"]
KEYED = "promoter.pem"


@pytest.fixture(scope="module")
def reader(engine: Path, cloud: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project, and the files that readers are taken to have."""
    folder = tmp_path_factory.mktemp("reader")
    project = make_project(folder, engine, cloud)
    tools(folder / "project" / "tools")
    return project


@pytest.fixture
def desk(reader: Project, page: str, *, long: bool) -> Desk:
    folder = reader.folder / f"{'long-' if long else ''}{page.removesuffix('.md')}"
    folder.mkdir()
    estimator = RandomForestClassifier(5, random_state=0) if page == "formats.md" else LogisticRegression()
    joblib.dump(estimator.fit(CUSTOMERS, CHURNED), folder / "model.joblib")
    for name in ("examples", "training"):
        CUSTOMERS.to_csv(folder / f"{name}.csv", index=False)
        CUSTOMERS.to_json(folder / f"{name}.json", orient="records")
    CUSTOMERS.assign(churned=CHURNED).to_csv(folder / "held-out.csv", index=False)
    bucket = new_bucket(reader.aws)
    with reader.aws.activated():
        registry = Registry(Storage.open(bucket), actor="ada", caller=lambda: "arn:aws:iam::000000000000:user/ada")
    return Desk(folder, registry, bucket, reader)


TRAINING = f"""
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

X = pd.read_csv("training.csv")
y = {[CLASSES.index(each) for each in CHURNED]}
X_train, X_test, y_train, y_test = X[:10], X[10:], y[:10], y[10:]
columns = make_column_transformer((StandardScaler(), ["calls", "months"]), remainder="drop")
estimator = RandomForestClassifier(3).fit(X_train, y_train)
"""
"""What the pages' programs take to be there."""


def _publishing(desk: Desk) -> None:
    CUSTOMERS.assign(churned=CHURNED).to_csv(desk.folder / "held-out.csv", index=False)
    (desk.folder / "churn_steps.py").write_text("def add_ratio(X):\n    return X.assign(ratio=X.calls / X.months)\n")


def _registry(desk: Desk) -> None:
    desk.publish(1, prod=1)
    shutil.copy(desk.folder / "model.joblib", desk.folder / "shallow.joblib")


def _signing(desk: Desk) -> None:
    desk.publish(2, prod=1)
    create_key(desk.folder / KEYED)


def _erasure(desk: Desk) -> None:
    desk.publish(7, prod=7)
    _deployable(desk, "of-long-erasure")


def _domain(desk: Desk) -> None:
    desk.publish(1, prod=1)
    _deployable(desk, "of-long-domain")


def _roles(desk: Desk) -> None:
    if not desk.folder.name.startswith("long-"):
        return
    desk.project.aws.client("iam").create_role(RoleName="ci", AssumeRolePolicyDocument="{}")
    config = {"aws:region": "us-east-1", "sklearn-on-lambda:registryBucket": f"{desk.bucket}-of-its-stack"}
    (desk.project.folder / "Pulumi.registry.yaml").write_text(yaml.safe_dump({"config": config}))
    desk.project.pulumi("stack", "init", "registry")


def _deployable(desk: Desk, stack: str) -> None:
    ours = {"registryBucket": desk.bucket, "tag": "prod", "accessLog": "off"}
    config = {"aws:region": "us-east-1", **{f"sklearn-on-lambda:{key}": value for key, value in ours.items()}}
    (desk.project.folder / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": config}))


def _accounts(desk: Desk) -> None:
    desk.publish(1, prod=1)
    desk.project.aws.client("s3").create_bucket(Bucket="models-of-prod")


PREPARED: Mapping[str, Callable[[Desk], None]] = {
    "accounts.md": _accounts,
    "domain.md": _domain,
    "publishing.md": _publishing,
    "roles.md": _roles,
    "registry.md": _registry,
    "signing.md": _signing,
    "erasure.md": _erasure,
}
PLACEHOLDERS = {
    "OWNER/NAME": "example-corp/models",
    "--account NUMBER": "--account 000000000000",
    "--region REGION": "--region us-east-1",
    "--policy-arn ARN": "--policy-arn arn:aws:iam::aws:policy/ReadOnlyAccess",
    "--boundary ARN": "--boundary arn:aws:iam::000000000000:policy/bound",
    "ed25519:...": "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
}
FAILS = re.compile(r"^error: ", re.MULTILINE)


def filled(block: Block, desk: Desk) -> Block:
    """The block with what a reader puts in for its placeholders."""
    text = block.text.replace("models-of-example-corp", desk.bucket).replace("BUCKET", desk.bucket)
    for placeholder, value in PLACEHOLDERS.items():
        text = text.replace(placeholder, value)
    # A moment between the fourth command of the page and its fifth.
    text = text.replace("--at 2026-11-23T22:50:43.900+00:00", '--at "$(sed -n 5p moments)"')
    return Block(block.page, block.language, text)


def ran(block: Block, desk: Desk) -> list[Said]:
    if block.language == "python":
        (desk.folder / "given.py").write_text(TRAINING)
        (desk.folder / "program.py").write_text(f"from given import *\n{block.text}")
        block = Block(block.page, "", "python program.py")
    return follow(block, desk.folder, desk.environment, moments=desk.folder / "moments")


def test_every_block_that_is_left_out_is_there_and_its_test_reads_the_page() -> None:
    names = [block.name for block in blocks()]
    for name in LEFT:
        assert names.count(name) == 1, f"{name}: a block that is left out is there, and known by its first line"
    for name, test in ELSEWHERE.items():
        page = name.partition(".md:")[0]
        assert page in (ROOT / test).read_text() or "make demo" in name, name
    pages = {block.page for block in blocks()}
    assert PREPARED.keys() <= pages
    assert all(name in pages or names.count(name) == 1 for name in LONG)
    text = "".join(block.text for block in blocks())
    assert all(placeholder in text for placeholder in PLACEHOLDERS)


@pytest.mark.parametrize(
    ("page", "long"),
    [pytest.param(page, long, marks=[pytest.mark.soak] if long else [], id=page) for page, long in HERE],
)
def test_the_commands_of_a_page_do_what_it_says(page: str, desk: Desk, *, long: bool) -> None:
    """And what they set, block by block, is what a stack takes."""
    if page in PREPARED:
        PREPARED[page](desk)
    left = [block for block in blocks() if block.page == page and block.name not in LEFT]
    mine = [filled(block, desk) for block in left if takes_long(block) == long]
    stack = f"of-{desk.folder.name}"
    file = desk.project.folder / f"Pulumi.{stack}.yaml"
    if any("pulumi config" in block.text for block in mine):
        desk.project.pulumi("stack", "init", stack)
    for block in mine:
        before = file.read_text() if file.exists() else ""
        for said in ran(block, desk):
            assert said.code == (1 if FAILS.match("\n".join(said.shown)) else 0), said
            assert is_as_shown(said), said
        if before:
            is_taken(yaml.safe_load(file.read_text()).get("config", {}))
            file.write_text(before)


def is_taken(config: dict[str, object]) -> None:
    """A stack with these settings is not refused; that a bucket may be another stack's output has its own test."""
    ours = {key.removeprefix("sklearn-on-lambda:"): written(value) for key, value in config.items()}
    read(**{key: value for key, value in ours.items() if key != "registryBucket"})
