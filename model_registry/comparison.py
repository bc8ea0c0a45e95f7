"""What differs between two versions, and whether that breaks callers. Pure, from the manifests alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from model_runtime.manifest import Feature, Label, Lineage, Manifest, Signature
from model_runtime.schema import has_query_form

_ABSENT = object()
_LISTED = 10
"""So many categories that came or went are named."""


@dataclass(frozen=True)
class SignatureChange:
    """One difference of two signatures as a sentence, and whether a caller of the old one notices."""

    sentence: str
    is_breaking: bool


@dataclass(frozen=True)
class Comparison:
    """Everything that differs between two versions, empty where they are the same in that.

    `metrics`, `packages`, `parameters`, `lineage` and `labels` map a name to its two values, None where that version
    has none; `files`, of own code and of packages that are on no index, to the two SHA-256.
    """

    one: str
    other: str
    metrics: Mapping[str, tuple[float | None, float | None]]
    packages: Mapping[str, tuple[str | None, str | None]]
    files: Mapping[str, tuple[str | None, str | None]]
    parameters: Mapping[str, tuple[Any, Any]]
    lineage: Mapping[str, tuple[str | bool | None, str | bool | None]]
    labels: Mapping[str, tuple[str | None, str | None]]
    python: tuple[str, str] | None
    estimator: tuple[str, str] | None
    signature: tuple[SignatureChange, ...]

    @property
    def is_breaking(self) -> bool:
        """Whether requests that the one answers are refused by the other, or answers have another form."""
        return any(change.is_breaking for change in self.signature)

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        named = self.metrics or self.packages or self.files or self.parameters or self.lineage or self.labels
        return not (named or self.python or self.estimator or self.signature)


def compare(one: Manifest, other: Manifest) -> Comparison:
    """What differs in `other`, seen from `one`."""
    return Comparison(
        one=one.reference,
        other=other.reference,
        metrics=_differing(one.metrics, other.metrics),
        packages=_differing(one.environment.packages, other.environment.packages),
        files=_differing(_digests(one), _digests(other)),
        parameters=_differing(*_recorded_by_both(one, other)),
        lineage=_differing(_plain(one.lineage), _plain(other.lineage)),
        labels=_differing(one.labels, other.labels),
        python=_pair(one.environment.python, other.environment.python),
        estimator=_pair(one.estimator, other.estimator),
        signature=tuple(signature_changes(one.signature, other.signature)),
    )


def breaking_changes(old: Signature, new: Signature) -> list[str]:
    """The changes of a signature that callers of the old one notice, a sentence each."""
    return [change.sentence for change in signature_changes(old, new) if change.is_breaking]


def signature_changes(old: Signature, new: Signature) -> Iterator[SignatureChange]:
    """Every change of a signature.

    Requests name their features and refuse unknown ones, so a removed feature breaks callers, as does a new one that
    cannot be left out; their order means nothing. A new label breaks them too, although each request is still taken:
    callers branch on the labels, and clients made from the OpenAPI document refuse a value that is not in its list. A
    new feature that may be left out is never seen by them.
    """
    yield from _feature_changes(old, new)
    if has_query_form(old) and not has_query_form(new):
        yield _breaking("it cannot be asked by GET any more")
    if old.container != new.container:
        yield _compatible(f"the estimator takes {new.container}, before {old.container}")
    if old.output != new.output:
        yield _breaking(f"answers have a {new.output}, before a {old.output}")
    yield from _label_changes(old.labels, new.labels)
    # As JSON, for the reason that _label_changes has; that there are none any more shows in the probabilities.
    before, after = (msgspec.json.encode(signature.output_labels) for signature in (old, new))
    if b"null" not in {before, after} and before != after:
        yield _breaking("the labels of the outputs are others")
    if old.probabilities and not new.probabilities:
        yield _breaking("answers have no probabilities any more")
    if new.probabilities and not old.probabilities:
        yield _compatible("answers have probabilities now")
    yield from _output_changes(old, new)


def _output_changes(old: Signature, new: Signature) -> Iterator[SignatureChange]:
    """Outputs beside labels, values and probabilities. Format 1 does not say how many values a regressor gives."""
    if None not in {old.targets, new.targets} and old.targets != new.targets:
        yield _breaking(f"answers have {new.targets} outputs, before {old.targets}")
    yield from (_breaking(f"answers have no {name} any more") for name in old.methods if name not in new.methods)
    yield from (_compatible(f"answers have {name} now") for name in new.methods if name not in old.methods)
    if "quantiles" in old.methods and "quantiles" in new.methods:
        gone = [level for level in old.quantiles if level not in new.quantiles]
        yield from (_breaking(f"answers have no quantile {level} any more") for level in gone)
    if new.null_outputs and not old.null_outputs:
        yield _breaking("answers may be null")


def _category_changes(old: Feature, new: Feature) -> Iterator[SignatureChange]:
    """Values of a categorical feature; where it may be missing, a value that is not a category counts as that."""
    if old.categories is None and new.categories is None:
        return
    if new.categories is None:
        before = "others than its categories as missing" if old.nullable else "categories only"
        yield _compatible(f"feature {old.name!r} takes any {new.type}, before {before}")
        return
    if old.categories is None:
        taken = "others than its categories as missing" if new.nullable else "categories only"
        yield SignatureChange(f"feature {old.name!r} takes {taken}, before any {old.type}", not new.nullable)
        return
    # As text: 1, 1.0 and True are three categories there, and one in Python.
    known, listed = ([repr(value) for value in each.categories or ()] for each in (old, new))
    gone = [value for value in known if value not in listed]
    added = [value for value in listed if value not in known]
    if gone:
        yield SignatureChange(f"feature {old.name!r} takes {_listed(gone)} no more", not new.nullable)
    if added:
        yield _compatible(f"feature {old.name!r} takes {_listed(added)} now")
    if not gone and not added and known != listed:
        yield _compatible(f"the categories of feature {old.name!r} have another order")


def _feature_changes(old: Signature, new: Signature) -> Iterator[SignatureChange]:
    before, after = ({feature.name: feature for feature in signature.features} for signature in (old, new))
    for name, feature in before.items():
        if name in after:
            yield from _changes_of_feature(feature, after[name])
        else:
            yield _breaking(f"feature {name!r} was removed")
    for name, feature in after.items():
        if name not in before:
            if feature.nullable:
                yield _compatible(f"feature {name!r} was added, it may be left out")
            else:
                yield _breaking(f"feature {name!r} was added, it cannot be left out")
    if [name for name in before if name in after] != [name for name in after if name in before]:
        yield _compatible("the features have another order")


def _changes_of_feature(old: Feature, new: Feature) -> Iterator[SignatureChange]:
    if (old.type, new.type) == ("integer", "number"):
        yield _compatible(f"feature {old.name!r} takes any number, before integers only")
    elif old.type != new.type:
        yield _breaking(f"feature {old.name!r} is of type {new.type}, before {old.type}")
    if old.nullable and not new.nullable:
        yield _breaking(f"feature {old.name!r} cannot be left out or null any more")
    if new.nullable and not old.nullable:
        yield _compatible(f"feature {old.name!r} may be left out or null now")
    yield from _category_changes(old, new)


def _listed(values: list[str]) -> str:
    more = f" and {len(values) - _LISTED:,} more" if values[_LISTED:] else ""
    return f"{', '.join(values[:_LISTED])}{more}"


def _label_changes(old: tuple[Label, ...] | None, new: tuple[Label, ...] | None) -> Iterator[SignatureChange]:
    if old is None or new is None:
        if old is not new:
            # Without a list, labels can be anything, lists too: their form cannot be told to be the same.
            yield _breaking("the labels are listed now" if old is None else "the labels are not listed any more")
        return
    # As JSON: 1, 1.0, true and "1" are four labels there, and three of them one in Python.
    before, after = ([msgspec.json.encode(label).decode() for label in labels] for labels in (old, new))
    for label in before:
        if label not in after:
            yield _breaking(f"label {label} was removed")
    for label in after:
        if label not in before:
            yield _breaking(f"label {label} was added")
    if before != after and sorted(before) == sorted(after):
        yield _compatible("the labels have another order")


def _breaking(sentence: str) -> SignatureChange:
    return SignatureChange(sentence, is_breaking=True)


def _compatible(sentence: str) -> SignatureChange:
    return SignatureChange(sentence, is_breaking=False)


def _recorded_by_both(one: Manifest, other: Manifest) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The parameters of both; without nested ones where one release recorded none, but estimators as their text."""
    deep = [any("__" in name for name in each.parameters) for each in (one, other)]
    shallow = other if deep[0] else one
    is_text = any(isinstance(value, str) and "(" in value for value in shallow.parameters.values())
    if deep[0] == deep[1] or one.estimator != other.estimator or not is_text:
        return one.parameters, other.parameters
    deeper = one if deep[0] else other
    inner = {name.partition("__")[0] for name in deeper.parameters if "__" in name}
    kept = {
        name: value
        for name, value in deeper.parameters.items()
        if name in shallow.parameters or not ("__" in name or name in inner)
    }
    return (kept, other.parameters) if deeper is one else (one.parameters, kept)


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = sorted(one.keys() | other.keys())
    return {
        name: (one.get(name), other.get(name))
        for name in names
        if not _same(one.get(name, _ABSENT), other.get(name, _ABSENT))
    }


def _plain(lineage: Lineage) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(lineage)  # without what is not known
    return found


def _digests(manifest: Manifest) -> dict[str, str]:
    code = manifest.code.artifact if manifest.code else None
    return {artifact.file: artifact.sha256 for artifact in (*([code] if code else []), *manifest.wheels)}


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same; True is not 1 here."""
    return type(one) is type(other) and bool(one == other)


def _pair(one: str, other: str) -> tuple[str, str] | None:
    return None if one == other else (one, other)
