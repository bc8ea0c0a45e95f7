"""Bodies in the forms of MLflow and SageMaker, and how their answers look.

Each is turned into a list of instances, our own form, and read as that; what is wrong is named by its place in the body
as it was sent. Sources: "Inference server specification" in MLflow's documentation; "Common data formats for inference"
in the Amazon SageMaker developer guide.
"""

import io
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from http import HTTPStatus
from typing import Any

import msgspec

from handler.requests import Place, escaped
from handler.responses import KSERVE_REFUSED, Problem, outcome
from model_runtime.errors import InputError
from model_runtime.manifest import UNREADABLE, Feature, Prediction, Signature
from model_runtime.schema import Inputs, Row

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
"""The members of which MLflow's clients send one."""


class Table:
    """Instances, and where each of their values stands in the body."""

    def __init__(self, instances: Sequence[Any], place: Place) -> None:
        self.instances = instances
        self.place = place

    def read(self, inputs: Inputs) -> list[Row]:
        """The rows; InputError names places in the body."""
        try:
            return inputs.read_instances(list(self.instances), "#/instances", [])
        except InputError as error:
            raise InputError([self._placed(problem) for problem in error.problems]) from error

    def _placed(self, problem: dict[str, str]) -> dict[str, str]:
        parts = problem.get("pointer", "").split("/")
        if parts[:2] != ["#", "instances"] or len(parts) < 3 or not parts[2].isdigit():  # noqa: PLR2004  # #, instances, index
            return problem
        name = parts[3].replace("~1", "/").replace("~0", "~") if len(parts) > 3 else None  # noqa: PLR2004  # as above, and a feature
        return {**problem, "pointer": self.place(int(parts[2]), name)}


def read_json(inputs: Inputs, signature: Signature, body: bytes | str) -> tuple[list[Row], Place]:
    """Read a body of `POST /invocations`; InputError lists what is wrong, and Problem says which forms there are."""
    try:
        document = msgspec.json.decode(body)
    except UNREADABLE as error:
        raise InputError([{"pointer": "#", "detail": "the body is not a JSON document"}]) from error
    table = _table(document, signature)
    return table.read(inputs), table.place


def read_csv(inputs: Inputs, signature: Signature, body: bytes | str) -> tuple[list[Row], Place]:
    """Read CSV, one instance a line, after a header that names the features or in their order without one."""
    import csv  # here, as no start needs it

    try:
        text = body if isinstance(body, str) else body.decode("utf-8-sig")
        lines = [line for line in csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True) if line]
    except (csv.Error, UnicodeError) as error:
        raise InputError([{"pointer": "#", "detail": "the body is not CSV in UTF-8"}]) from error
    names = [feature.name for feature in signature.features]
    has_header = bool(lines) and sorted(lines[0]) == sorted(names)
    columns = lines.pop(0) if has_header else names
    if not lines:
        raise InputError([{"pointer": "#", "detail": "the body has no line with an instance"}])
    known = {feature.name: feature for feature in signature.features}
    first = 2 if has_header else 1

    def place(index: int, name: str | None) -> str:
        line = index + first
        return f"#cell={line},{columns.index(name) + 1}" if name in columns else f"#row={line}"

    problems = [
        {"pointer": place(index, None), "detail": f"has {len(line)} fields, {len(columns)} are needed"}
        for index, line in enumerate(lines)
        if len(line) != len(columns)
    ][:20]
    if problems:
        raise InputError(problems)
    instances = [
        {name: _from_text(known[name], field) for name, field in zip(columns, line, strict=True)} for line in lines
    ]
    return Table(instances, place).read(inputs), place


def csv_answer(predictions: Sequence[Prediction]) -> str:
    """A line for each prediction."""
    import csv

    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    for prediction in predictions:
        found = outcome(prediction)
        writer.writerow([_text(each) for each in (found if isinstance(found, list) else [found])])
    return file.getvalue()


def _table(document: Any, signature: Signature) -> Table:
    names = [feature.name for feature in signature.features]
    if isinstance(document, list):
        return _listed(document, "#", names)
    if not isinstance(document, Mapping):
        raise _unspoken()
    features = set(names)
    given = [form for form in FORMS if form in document and form not in features]
    if not given:
        if document and not features & document.keys():
            raise _unspoken()
        return Table([document], lambda _, name: "#" if name is None else f"#/{escaped(name)}")
    (form, *others) = given
    unknown = document.keys() - {form, "params"}
    if others or unknown or document.get("params"):
        raise _unspoken()
    content = document[form]
    if form == "inputs" and isinstance(content, list) and any(_is_tensor(each, features) for each in content):
        raise Problem(HTTPStatus.BAD_REQUEST, KSERVE_REFUSED)
    if form == "dataframe_split":
        return _split(content)
    if form == "inputs" and isinstance(content, Mapping):
        return _columns(content)
    return _listed(content, f"#/{form}", names)


def _listed(content: Any, start: str, names: Sequence[str]) -> Table:
    """A list of objects, or of lists in the signature's order; one text model's values may stand alone."""
    if not isinstance(content, list) or not content:
        raise InputError([{"pointer": start, "detail": "must be a list of at least one instance"}])

    def place(index: int, name: str | None) -> str:
        at = f"{start}/{index}"
        if name is None:
            return at
        return f"{at}/{names.index(name)}" if isinstance(content[index], list) else f"{at}/{escaped(name)}"

    problems: list[dict[str, str]] = []
    instances: list[Any] = []
    for index, item in enumerate(content):
        if isinstance(item, list) and len(item) == len(names):
            instances.append(dict(zip(names, item, strict=True)))
        elif isinstance(item, list):
            detail = f"has {len(item)} values, {len(names)} are needed"
            problems.append({"pointer": f"{start}/{index}", "detail": detail})
            instances.append(None)
        elif isinstance(item, Mapping) or len(names) != 1:
            instances.append(item)
        else:
            instances.append({names[0]: item})
        if len(problems) == 20:  # noqa: PLR2004  # as many as are named elsewhere
            break
    if problems:
        raise InputError(problems)
    return Table(instances, place)


def _split(content: Any) -> Table:
    if not isinstance(content, Mapping) or content.keys() - {"columns", "data", "index"}:
        raise InputError([{"pointer": "#/dataframe_split", "detail": "must have columns and data, and may have index"}])
    if not isinstance(content.get("index", []), list):
        raise InputError([{"pointer": "#/dataframe_split/index", "detail": "must be a list"}])
    columns: Any = content.get("columns")
    data: Any = content.get("data")
    if not _is_names(columns) or len(set(columns)) != len(columns):
        detail = "must be a list of different strings"
        raise InputError([{"pointer": "#/dataframe_split/columns", "detail": detail}])
    if not isinstance(data, list) or not data:
        raise InputError([{"pointer": "#/dataframe_split/data", "detail": "must be a list of at least one row"}])
    problems = [
        {"pointer": f"#/dataframe_split/data/{index}", "detail": f"must be a list of {len(columns)} values"}
        for index, row in enumerate(data)
        if not isinstance(row, list) or len(row) != len(columns)
    ][:20]
    if problems:
        raise InputError(problems)

    def place(index: int, name: str | None) -> str:
        at = f"#/dataframe_split/data/{index}"
        return f"{at}/{columns.index(name)}" if name in columns else at

    return Table([dict(zip(columns, row, strict=True)) for row in data], place)


def _columns(content: Mapping[str, Any]) -> Table:
    """By the name of a feature its values in a list, or one value."""
    columns = {name: values if isinstance(values, list) else [values] for name, values in content.items()}
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise InputError(
            [{"pointer": "#/inputs", "detail": "must have as many values, and at least one, by each name"}]
        )

    def place(index: int, name: str | None) -> str:
        if name is None or name not in content:
            return "#/inputs" if name is None else f"#/inputs/{escaped(name)}"
        return f"#/inputs/{escaped(name)}" + (f"/{index}" if isinstance(content[name], list) else "")

    rows = zip(*columns.values(), strict=True)
    return Table([dict(zip(columns, row, strict=True)) for row in rows], place)


def _is_tensor(item: Any, features: AbstractSet[str]) -> bool:
    """Whether this is an input of KServe's V2 protocol, in which each has name, shape, datatype and data."""
    return isinstance(item, Mapping) and {"shape", "datatype", "data"} <= item.keys() - features


def _is_names(columns: Any) -> bool:
    return isinstance(columns, list) and all(isinstance(name, str) for name in columns)


def _unspoken() -> Problem:
    return Problem(
        HTTPStatus.BAD_REQUEST,
        "Send one instance as an object with the model's features, a list of instances (objects, or lists in the order "
        f"of the features), or one of {', '.join(FORMS)} as MLflow has them, without params.",
    )


_NUMBER = re.compile(r"[+-]?[0-9]+|[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
"""A number as programs write it into CSV: also with a leading zero or plus, which JSON does not have."""
_LONGEST_NUMBER = 400


def _from_text(feature: Feature, field: str) -> Any:
    """A field of CSV as the value that JSON would have: an empty one is a missing value, but in texts."""
    if feature.type in {"string", "datetime"}:
        return None if field == "" and feature.nullable else field
    word = field.strip()
    if not word:
        return None
    if feature.type == "boolean":
        return {"true": True, "false": False}.get(word.lower(), field)
    found = _NUMBER.fullmatch(word) if len(word) <= _LONGEST_NUMBER else None
    if found is None:
        return field  # which is refused with its place
    return int(word) if found.group(1) is None else float(word)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
