"""The examples that a version shows, and the rows of its owner that it keeps apart (docs/decisions/0015)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from model_registry.publish.answers import OwnAnswers, one_line
from model_registry.publish.estimator import EXAMPLES, Description, json_row
from model_registry.publish.personal import is_free_text, personal_columns
from model_registry.publish.steps import first_steps, learnt_categories
from model_registry.publish.synthetic import rare_words, synthetic_rows
from model_runtime.errors import PublishError
from model_runtime.golden import encode_golden
from model_runtime.manifest import Example, ExampleKind, Prediction, Signature
from model_runtime.prediction import Predictor
from model_runtime.schema import Inputs, Row

GoldenKind = Literal["given", "masked", "none"]
"""What is recorded in a file of its own: the owner's rows, these without what looks personal, or nothing."""


@dataclass(frozen=True)
class Shown:
    """`examples` go into the manifest and leave the registry, `golden` is the file of recorded rows, if there is one.

    `warning` names the columns that look personal, and what becomes of them; `notes` those whose learnt categories are
    shown though few rows may have them.
    """

    kind: ExampleKind
    examples: tuple[Example, ...]
    golden: bytes | None
    warning: str | None
    notes: tuple[str, ...] = ()

    def proven_with(self, described: Description) -> Description:
        """The description with the examples among what is proven; given rows are there already."""
        if self.kind == "given":
            return described
        inputs = Inputs(described.signature)
        rows = [inputs.read_example(example) for example in self.examples]
        own = OwnAnswers([example.output for example in self.examples], described.own[0].tolerance)
        return replace(described, rows=(*described.rows, rows), own=(*described.own, own), made=len(rows))


def shown(estimator: Any, described: Description, kind: str, golden: str, tested: Sequence[Row] = ()) -> Shown:
    """What a version shows and keeps.

    Args:
        estimator: What is published.
        described: Its description; its examples are rows of the owner's.
        kind: What the examples are, an `ExampleKind`.
        golden: What is recorded apart, a `GoldenKind`.
        tested: Test rows, of which nothing is shown: they are counted.

    Raises:
        PublishError: A kind is none, or the model does not answer the rows that were made.

    """
    kind, golden = _checked_kinds(kind, golden)
    rows = [row for table in described.rows for row in table]
    personal = personal_columns(described.signature, rows)
    making = _Making(estimator, described, rows, personal, (*described.rows, tested))
    examples = {"given": lambda: described.examples, "masked": making.masked, "synthetic": making.synthetic}[kind]()
    kept = {"given": lambda: described.examples, "masked": making.masked, "none": tuple}[golden]()
    # What is shown to all need not be kept from some.
    file = encode_golden(kept) if kept and kind not in {golden, "given"} else None
    warning = _warning(described.signature, personal, kind, golden if file else "none")
    return Shown(kind, examples, file, warning, making.notes() if kind == "synthetic" else ())


def _checked_kinds(kind: str, golden: str) -> tuple[ExampleKind, GoldenKind]:
    kinds: tuple[ExampleKind, ...] = get_args(ExampleKind)
    goldens: tuple[GoldenKind, ...] = get_args(GoldenKind)
    for what, value, known in (("examples", kind, kinds), ("golden", golden, goldens)):
        if value not in known:
            raise PublishError(f"{what} is {value!r}: take one of {', '.join(known)}")
    return next(one for one in kinds if one == kind), next(one for one in goldens if one == golden)


def _warning(signature: Signature, personal: Mapping[str, str], kind: ExampleKind, golden: GoldenKind) -> str | None:
    if not personal:
        return None
    told = [repr(each.name) for each in signature.features if each.name in personal and each.categories is not None]
    also = f". The categories of {', '.join(told)} are in the signature, and examples show some" if told else ""
    return f"{_becomes(personal, kind, golden)}{also}"


def _becomes(personal: Mapping[str, str], kind: ExampleKind, golden: GoldenKind) -> str:
    columns = ", ".join(f"{name!r} ({why})" for name, why in personal.items())
    if kind == "given":
        return (
            f"columns look personal: {columns}. Their values are in the manifest, which Pulumi's state repeats and "
            "callers may see: publish with `--examples synthetic`, and remove this version with `delete --purge`"
        )
    if golden == "given":
        return (
            f"columns look personal: {columns}. Recorded rows with their values are in the version's golden.json and "
            "nowhere else: leave these columns out with `--golden masked`, or record none with `--golden none`"
        )
    return f"columns look personal: {columns}. No value of them is recorded"


@dataclass(frozen=True)
class _Making:
    """Makes rows of which the model has answered each."""

    estimator: Any
    described: Description
    rows: Sequence[Row]
    personal: Mapping[str, str]
    tables: Sequence[Sequence[Row]]

    def synthetic(self) -> tuple[Example, ...]:
        """Rows that are nobody's."""
        refused: Exception | None = None
        for made in self._made():
            answered, refused = self._answered(made)
            if answered:
                return tuple(answered)
        said = f" ({one_line(refused)})" if refused else ""
        raise PublishError(
            f"the {type(self.estimator).__name__} answers none of the examples that were made of its signature{said}: "
            "where a column takes a form of its own, show rows that you give, by `--examples masked`, without what "
            "looks personal, or `--examples given`"
        ) from refused

    def masked(self) -> tuple[Example, ...]:
        """The first rows of the owner's, without what looks personal and without free text."""
        features = self.described.signature.features
        hidden = [
            index
            for index, feature in enumerate(features)
            if feature.name in self.personal or is_free_text([row[index] for row in self.rows])
        ]
        given = self.described.rows[0][:EXAMPLES]
        for made in self._made():
            mixed = [
                tuple(made[0][index] if index in hidden else value for index, value in enumerate(row)) for row in given
            ]
            answered, _ = self._answered(mixed)
            if answered:
                return tuple(answered)
        names = ", ".join(features[index].name for index in hidden)
        raise PublishError(
            f"the {type(self.estimator).__name__} answers no row in which {names} is masked, as it takes values of a "
            "form of its own: publish with `--golden none` and without `--examples masked`"
        )

    def _made(self) -> Iterator[list[Row]]:
        signature, learnt = self.described.signature, self._learnt()
        for shaped in (False, True):
            yield synthetic_rows(signature, self.rows, learnt, self.personal, tables=self.tables, shaped=shaped)

    def _learnt(self) -> dict[str, list[Any]]:
        firsts = first_steps(self.estimator, [feature.name for feature in self.described.signature.features])
        return {name: learnt_categories(steps) for name, steps in firsts.items()}

    def notes(self) -> tuple[str, ...]:
        """Which columns show categories that may be somebody's own."""
        names = list(rare_words(self.described.signature, self._learnt(), self.personal, self.tables))
        said = (
            f"examples show categories that the model has learnt of {', '.join(map(repr, names))}, none of which five "
            "given rows have: where one may be somebody's own, give more rows (X_train, X_test; --train, --test), of "
            "which frequent ones are shown"
        )
        return (said,) if names else ()

    def _answered(self, rows: Sequence[Row]) -> tuple[list[Example], Exception | None]:
        """Those of the rows that the model answers, as the function would, and what it raised for another."""
        signature = self.described.signature
        inputs, predictor = Inputs(signature), Predictor(self.estimator, signature)
        found: list[Example] = []
        refused = None
        for row in rows:
            sent = json_row(signature, row)
            try:
                (answer,) = predictor.predict([inputs.read_example(Example(input=sent, output=Prediction()))])
            except Exception as error:  # noqa: BLE001  # a model's own code can raise anything at values it does not know
                refused = error
            else:
                found.append(Example(input=sent, output=answer))
        return found, refused
