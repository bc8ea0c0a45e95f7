"""What a converted graph needs to compute as scikit-learn does, and to be read by `model_runtime.formats.onnx`.

Trees are the difficulty: onnxruntime gives their scores as float32 whatever goes in, and skl2onnx writes thresholds
that are right for float32 inputs. scikit-learn's forests round their inputs to float32, so a graph that computes in
float64 rounds before each tree and widens after it. Histogram boosting and LightGBM compare in float64, so their
thresholds are written in float64.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble._forest import ForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from model_registry.publish.boosting import TREES
from model_registry.publish.rows import walk
from model_runtime.formats.onnx import CONTRACT_KEY, Contract

_TREE_VERSION = 3  # of the domain ai.onnx.ml: the first with tensors of float64 in these operators


def finish(model: Any, estimator: Any, contract: Contract, *, is_double: bool) -> bytes:
    """The converted model as bytes, its trees mended if it computes in float64, the contract in its metadata.

    ValueError for a graph that loads here but not in a function.
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
    """Onnxruntime changes the case of texts by the locale en_US.UTF-8, which many machines have and Lambda lacks."""
    for node in model.graph.node:
        if node.op_type == "StringNormalizer":
            found = {attribute.name: attribute for attribute in node.attribute}
            action = found["case_change_action"].s if "case_change_action" in found else b"NONE"
            if action != b"NONE" or ("is_case_sensitive" in found and not found["is_case_sensitive"].i):
                raise ValueError(
                    "texts are lowercased inside the graph, by a locale that Lambda lacks: make the vectorizer "
                    "the first step, or give it lowercase=False"
                )


def _vote_exactly(model: Any, estimator: Any) -> bool:
    """Let a forest of classification trees sum its leaves, and divide then, as scikit-learn does; whether it is one.

    skl2onnx divides each leaf by the number of trees before it is summed in float32: two classes with the same number
    of votes then differ, and the label is another. The label becomes the number of the first class with the most votes.
    """
    forest = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    nodes = [node for node in model.graph.node if node.op_type == "TreeEnsembleClassifier"]
    if not isinstance(forest, ForestClassifier | DecisionTreeClassifier) or forest.n_outputs_ > 1 or len(nodes) != 1:
        return False
    (node,) = nodes
    if set(node.output) != {output.name for output in model.graph.output}:
        return False  # cast or renamed on the way out: left as it is
    trees = [each.tree_ for each in getattr(forest, "estimators_", [forest])]
    place = list(model.graph.node).index(node)
    before, after = model.graph.node[:place], model.graph.node[place + 1 :]
    mended = [*before, _sum_of_leaves(node, trees, len(forest.classes_)), *_label_and_scores(model.graph, node), *after]
    del model.graph.node[:]
    model.graph.node.extend(mended)
    model.graph.initializer.append(numpy_helper.from_array(np.array([len(trees)], dtype=np.float64), "trees"))
    return True


def _sum_of_leaves(node: Any, trees: Sequence[Any], classes: int) -> Any:
    """An operator that walks the trees of `node` and sums what their leaves say of each class, as `votes`."""
    leaves = [
        (number, int(leaf), kind, float(weight))
        for number, tree in enumerate(trees)
        for leaf in np.flatnonzero(tree.children_left < 0)
        for kind, weight in enumerate(tree.value[leaf, 0] / tree.value[leaf, 0].sum())
        if weight
    ]
    treeids, nodeids, ids, weights = zip(*leaves, strict=True)
    summed = helper.make_node(
        *("TreeEnsembleRegressor", [node.input[0]], ["votes"]),
        domain="ai.onnx.ml",
        aggregate_function="SUM",
        n_targets=classes,
        target_treeids=treeids,
        target_nodeids=nodeids,
        target_ids=ids,
        target_weights=weights,
    )
    summed.attribute.extend(each for each in node.attribute if each.name.startswith("nodes_"))
    return summed


def _label_and_scores(graph: Any, node: Any) -> list[Any]:
    """Operators that make the outputs of `node` from `votes` and `trees`, as int64 and float64."""
    label, score = node.output
    for output in graph.output:
        kind = TensorProto.DOUBLE if output.name == score else TensorProto.INT64
        output.type.tensor_type.elem_type = kind
    return [
        helper.make_node("Cast", ["votes"], ["exact_votes"], to=TensorProto.DOUBLE),
        helper.make_node("Div", ["exact_votes", "trees"], [score]),
        helper.make_node("ArgMax", ["votes"], [label], axis=1, keepdims=0),
    ]


def _mend_trees(model: Any, estimator: Any) -> None:
    nodes = []
    boosting = [part for part in walk(estimator) if hasattr(part, "_predictors")]
    trees = [node for node in model.graph.node if node.op_type in TREES]
    is_boosting = len(boosting) == 1 and len(trees) == 1
    declared = {output.name: output for output in model.graph.output}
    for number, node in enumerate(model.graph.node):
        if node.op_type not in TREES:
            nodes.append(node)
            continue
        if is_boosting:
            _write_thresholds(node, boosting[0])
        elif not any(attribute.name == "nodes_values_as_tensor" for attribute in node.attribute):
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
