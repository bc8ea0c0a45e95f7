"""What a converted graph needs so that it counts as scikit-learn does, and to be asked by `onnx_prediction`.

Trees are the matter: onnxruntime gives their scores as float32 whatever goes in, and skl2onnx writes thresholds that
are right for inputs in float32. scikit-learn's forests round their inputs to float32, so a graph that counts in float64
rounds before each tree and widens behind it. Histogram boosting compares in float64: there the thresholds are written
as such.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from sklearn.ensemble._forest import ForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from model_registry.publish.rows import walk
from model_runtime.formats.onnx import CONTRACT_KEY, Contract

_TREES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
_TREE_VERSION = 3  # of the domain ai.onnx.ml: the first with tensors of float64 in these operators


def finish(model: Any, estimator: Any, contract: Contract, *, is_double: bool) -> bytes:
    """The converted model as bytes, its trees mended where it counts in float64, the contract in its metadata.

    ValueError for a graph that could be loaded here and not in a function.
    """
    _refuse_locales(model)
    if contract.classes is not None and _vote_exactly(model, estimator):
        contract = msgspec.structs.replace(contract, classes=tuple(range(len(contract.classes))))
    if is_double:
        _mend_trees(model, estimator)
    entry = model.metadata_props.add()
    entry.key, entry.value = CONTRACT_KEY, msgspec.json.encode(contract).decode()
    data: bytes = model.SerializeToString()
    return data


def _refuse_locales(model: Any) -> None:
    """Onnxruntime changes the case of texts by the locale en_US.UTF-8, which many machines have and Lambda has not."""
    for node in model.graph.node:
        if node.op_type == "StringNormalizer":
            found = {attribute.name: attribute for attribute in node.attribute}
            action = found["case_change_action"].s if "case_change_action" in found else b"NONE"
            if action != b"NONE" or ("is_case_sensitive" in found and not found["is_case_sensitive"].i):
                raise ValueError(
                    "texts are put in lower case inside the graph, by a locale that Lambda lacks: make the vectorizer "
                    "the first step, or give it lowercase=False"
                )


def _vote_exactly(model: Any, estimator: Any) -> bool:
    """Let a forest of classification trees sum its leaves, and divide then, as scikit-learn does; whether it is one.

    skl2onnx divides each leaf by the number of trees before it is summed in float32: two classes with the same number
    of votes then differ, and the label is another. The label becomes the number of the first class with the most votes.
    """
    from onnx import TensorProto, helper, numpy_helper

    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    nodes = [node for node in model.graph.node if node.op_type == "TreeEnsembleClassifier"]
    if not (isinstance(last, ForestClassifier | DecisionTreeClassifier) and len(nodes) == 1 and last.n_outputs_ == 1):
        return False
    (node,) = nodes
    label, score = node.output
    if {label, score} != {output.name for output in model.graph.output}:
        return False  # cast or renamed on the way out: left as it is
    trees = [each.tree_ for each in getattr(last, "estimators_", [last])]
    leaves = [
        (number, int(leaf), kind, float(weight))
        for number, tree in enumerate(trees)
        for leaf in np.flatnonzero(tree.children_left < 0)
        for kind, weight in enumerate(tree.value[leaf, 0] / tree.value[leaf, 0].sum())
        if weight
    ]
    kept = [each for each in node.attribute if each.name.startswith("nodes_")]
    columns = list(zip(*leaves, strict=True))
    summed = helper.make_node(
        *("TreeEnsembleRegressor", [node.input[0]], ["votes"]),
        domain="ai.onnx.ml",
        aggregate_function="SUM",
        n_targets=len(last.classes_),
        target_treeids=columns[0],
        target_nodeids=columns[1],
        target_ids=columns[2],
        target_weights=columns[3],
    )
    summed.attribute.extend(kept)
    model.graph.initializer.append(numpy_helper.from_array(np.array([len(trees)], dtype=np.float64), "trees"))
    place = list(model.graph.node).index(node)
    rest = list(model.graph.node)[place + 1 :]
    del model.graph.node[place:]
    model.graph.node.extend(
        [
            summed,
            helper.make_node("Cast", ["votes"], ["exact_votes"], to=TensorProto.DOUBLE),
            helper.make_node("Div", ["exact_votes", "trees"], [score]),
            helper.make_node("ArgMax", ["votes"], [label], axis=1, keepdims=0),
            *rest,
        ]
    )
    for output in model.graph.output:
        kind = TensorProto.DOUBLE if output.name == score else TensorProto.INT64
        output.type.tensor_type.elem_type = kind
    return True


def _mend_trees(model: Any, estimator: Any) -> None:
    from onnx import TensorProto, helper

    nodes = []
    boosting = [part for part in walk(estimator) if hasattr(part, "_predictors")]
    trees = [node for node in model.graph.node if node.op_type in _TREES]
    is_boosting = len(boosting) == 1 and len(trees) == 1
    declared = {output.name: output for output in model.graph.output}
    for number, node in enumerate(model.graph.node):
        if node.op_type not in _TREES:
            nodes.append(node)
            continue
        if is_boosting:
            _write_thresholds(node, boosting[0])
        else:
            rounded = f"rounded_{number}"
            nodes.append(helper.make_node("Cast", [node.input[0]], [rounded], to=TensorProto.FLOAT))
            node.input[0] = rounded
        score = node.output[-1]
        node.output[-1] = f"score_{number}"
        nodes += [node, helper.make_node("Cast", [node.output[-1]], [score], to=TensorProto.DOUBLE)]
        if score in declared:
            declared[score].type.tensor_type.elem_type = TensorProto.DOUBLE
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for opset in model.opset_import:
        if opset.domain == "ai.onnx.ml":
            opset.version = max(opset.version, _TREE_VERSION)


def _write_thresholds(node: Any, boosting: Any) -> None:
    """Put an operator's numbers in float64, the thresholds as the estimator has them."""
    from onnx import helper, numpy_helper

    attributes = {attribute.name: attribute for attribute in node.attribute}
    trees = [predictor.nodes for predictors in boosting._predictors for predictor in predictors]  # noqa: SLF001  # skl2onnx reads it too
    places = zip(attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints, strict=True)
    thresholds = [0.0 if trees[tree][each]["is_leaf"] else trees[tree][each]["num_threshold"] for tree, each in places]
    exact = {"nodes_values": np.array(thresholds, dtype=np.float64)}
    exact |= dict(_weights(attributes, trees))
    for name, values in exact.items():
        node.attribute.remove(attributes[name])
        tensor = numpy_helper.from_array(values, f"{name}_as_tensor")
        node.attribute.append(helper.make_attribute(f"{name}_as_tensor", tensor))
    node.attribute.remove(attributes["nodes_hitrates"])


def _weights(attributes: dict[str, Any], trees: list[Any]) -> Iterator[tuple[str, Any]]:
    for kind in ("target", "class"):
        if f"{kind}_weights" in attributes:
            places = zip(attributes[f"{kind}_treeids"].ints, attributes[f"{kind}_nodeids"].ints, strict=True)
            yield f"{kind}_weights", np.array([trees[tree][each]["value"] for tree, each in places], dtype=np.float64)
    if "base_values" in attributes:
        yield "base_values", np.array(attributes["base_values"].floats, dtype=np.float64)
