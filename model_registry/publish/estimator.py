"""What an estimator is, read off the object itself: signature, environment, parameters, examples.

Nothing here talks to the bucket. Only publishing needs this module, so it may import scikit-learn.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

from model_registry.publish.answers import OwnAnswers
from model_registry.publish.code import Code, collect, distribution_of, is_own
from model_registry.publish.environment import environment_of
from model_registry.publish.outputs import check_has_output, outputs_of
from model_registry.publish.parameters import parameters_of
from model_registry.publish.pickles import Pickled, pickled
from model_registry.publish.signature import Declared, check_types, signature_of
from model_registry.publish.tables import Table, count_of, read_table, rows_at, spread
from model_runtime.errors import PublishError
from model_runtime.manifest import Environment, Example, FeatureType, Label, Signature
from model_runtime.prediction import Predictor, unpickle
from model_runtime.schema import Row

EXAMPLES = 3
"""How many rows of the example inputs become examples."""
TRAINING_ROWS = 1000
"""How many rows of the training data types are learnt from, and the proof is made with."""


@dataclass(frozen=True)
class Description:
    """Everything that a manifest says of an estimator, and what the proof compares with.

    `rows` are those of X_example and of the training data, in that order, with the estimator's `own` answers to each
    table of them; `stored` is the model's file and `code` the owner's own that it needs; `notes` say how the signature
    was found.
    """

    estimator: str
    parameters: dict[str, Any]
    signature: Signature
    environment: Environment
    examples: tuple[Example, ...]
    rows: tuple[list[Row], ...]
    own: tuple[OwnAnswers, ...]
    stored: Pickled
    code: Code
    notes: tuple[str, ...] = ()
    made: int = 0
    """How many of the rows, all of the last table, are examples that publishing has made."""


def describe(
    estimator: Any,
    X_example: Any,
    *,
    X_train: Any = None,
    class_names: Sequence[Label] | None = None,
    feature_names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    nullable: Collection[str] | bool = (),
    types: Mapping[str, FeatureType] | None = None,
    lock: Path | None = None,
    model_file: Path | bytes | None = None,
    code: Sequence[Path] | bool = True,
) -> Description:
    """Describe a fitted estimator with the help of example inputs.

    Args:
        estimator: what is published.
        X_example: a DataFrame, an array of shape (n, features), a list of n objects (`{"name": value}`) or rows, or a
            list of n texts.
        X_train: more rows of the same form; types and gaps are learnt from up to 1,000 of them.
        class_names: new names of the classes, in the order of `classes_`.
        feature_names: names of the columns of an array.
        outputs: the methods that are served, see `outputs.outputs_of`.
        nullable: names of the features that may be missing, or True for all.
        types: the types of some features, where they are not those found.
        lock: a file that pins the packages, instead of what is installed.
        model_file: the joblib file of this estimator, or its bytes, where there is one already.
        code: paths of own code that is taken whole; True for what is found, False for none.

    Raises:
        PublishError: the object is not a fitted estimator, cannot be loaded elsewhere, or gives other answers when its
            rows travel as JSON.

    """
    check_estimator(estimator)
    tables = [read_table(estimator, X_example, feature_names)]
    if X_train is not None:
        tables.append(_same_columns(tables[0], read_table(estimator, sample(X_train), feature_names, what="X_train")))
    check_types(tables[0])
    stored = pickled(estimator, model_file)
    own_code = own_code_of(stored.modules, code)
    _check_found(stored, own_code)
    served = outputs_of(estimator, tables[0], class_names=class_names, outputs=outputs)
    found = signature_of(estimator, tables, served, Declared(nullable or (), types or {}))
    signature = found.signature
    return Description(
        estimator=f"{type(estimator).__module__}.{type(estimator).__qualname__}",
        parameters=parameters_of(estimator),
        signature=signature,
        environment=environment_of(_distributions(stored, own_code), signature, lock=lock),
        examples=_examples(estimator, signature, tables[0].rows[:EXAMPLES]),
        rows=tuple(table.rows for table in tables),
        own=found.own,
        stored=stored,
        code=own_code,
        notes=(*_notes_of_code(stored, own_code), *found.notes),
    )


def _examples(estimator: Any, signature: Signature, rows: Sequence[Row]) -> tuple[Example, ...]:
    predictions = Predictor(estimator, signature).predict(rows)
    return tuple(
        Example(input=json_row(signature, row), output=one) for row, one in zip(rows, predictions, strict=True)
    )


def own_code_of(modules: Collection[str], code: Sequence[Path] | bool) -> Code:  # noqa: FBT001  # as `publish` has it
    """The owner's own code among these modules, or at the paths that are given.

    PublishError where there is some and it may not be taken, and as `code.collect`.
    """
    own = sorted(module for module in modules if is_own(module))
    if code is False:
        if own:
            raise PublishError(
                f"the model needs {', '.join(own)}, own code that must not be taken: leave out `--no-code` "
                "(code=False), or install it from an index"
            )
        return Code()
    return collect(own, () if code is True else code)


def _check_found(stored: Pickled, code: Code) -> None:
    """PublishError for a module that is named in the model's file and has none itself."""
    lost = sorted(module for module in stored.modules if is_own(module) and module not in code.modules)
    if lost:
        raise PublishError(
            f"the model needs {', '.join(lost)}, and there is no file of it here: define what it has in a module "
            "beside the script, or in the script itself"
        )


def _distributions(stored: Pickled, code: Code) -> set[str]:
    return {*code.distributions, *filter(None, map(distribution_of, stored.modules))}


def _notes_of_code(stored: Pickled, code: Code) -> Iterator[str]:
    if code.files:
        size = sum(path.stat().st_size for path in code.files.values())
        yield f"own code goes with the model ({size:,} bytes): {', '.join(code.files)}"
    if stored.by_value:
        yield "what is defined in __main__, and lambdas, are stored in the model's file itself"


def json_row(signature: Signature, row: Row) -> dict[str, Any]:
    """A row as the object that a request has: times as RFC 3339 text, null for what is missing."""
    return {feature.name: msgspec.to_builtins(value) for feature, value in zip(signature.features, row, strict=True)}


def rows_of(estimator: Any, X: Any, signature: Signature, feature_names: Sequence[str] | None = None) -> list[Row]:
    """More rows, in a form that `describe` takes, as the signature orders them; PublishError where they do not fit."""
    table = read_table(estimator, X, feature_names, what="X_train")
    places = {column.name: index for index, column in enumerate(table.columns)}
    names = [feature.name for feature in signature.features]
    if set(places) != set(names):
        raise PublishError(f"X_train has the columns {list(places)}, X_example has {names}: give the same")
    return [tuple(row[places[name]] for name in names) for row in table.rows]


def _same_columns(one: Table, other: Table) -> Table:
    names, found = ([column.name for column in table.columns] for table in (one, other))
    if names != found:
        raise PublishError(f"X_train has the columns {found}, X_example has {names}: give the same")
    return other


def sample(X: Any) -> Any:
    """Up to 1,000 rows of any form, spread over all; the same each time."""
    chosen = spread(count_of(X) or 0, TRAINING_ROWS)  # what has no count is refused when it is read
    return X if chosen is None else rows_at(X, chosen)


def check_estimator(estimator: Any) -> None:
    """Raise PublishError unless this is a fitted estimator with something to serve."""
    kind = type(estimator).__name__
    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        raise PublishError(
            f"a {kind} is not a scikit-learn estimator: publish a fitted object with get_params and predict"
        )
    check_has_output(estimator)
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise PublishError(f"this {kind} is not fitted: call fit before publishing it") from error


def load_file(path: Path) -> Any:
    """Load the estimator of a joblib file of the caller's own.

    Unpickling runs code: only for files whose origin the caller vouches for. Raises PublishError where the file
    is not a joblib file, or was written by another version of scikit-learn than the one installed.
    """
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise PublishError(f"cannot read {path}: {error.strerror}") from error
    try:
        return unpickle(path)
    except InconsistentVersionWarning as error:
        raise PublishError(
            f"{path} was written with scikit-learn {error.original_sklearn_version}, installed is "
            f"{error.current_sklearn_version}: publish from the environment that trained it"
        ) from error
    except Exception as error:  # unpickling a foreign file can raise anything
        remedy = ""
        if isinstance(error, AttributeError) and "__main__" in str(error):
            remedy = (
                ": what a script defines itself is not in its file; publish from the script, or move it into a module"
            )
        raise PublishError(f"{path} cannot be loaded by joblib ({type(error).__name__}: {error}){remedy}") from error
