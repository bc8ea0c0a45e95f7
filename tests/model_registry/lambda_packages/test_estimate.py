"""What a layer will take, from real wheels."""

import pytest

from model_registry.lambda_packages.errors import LinkingError, WheelNotFoundError
from model_registry.lambda_packages.estimate import LayerSize, layer_size
from model_registry.lambda_packages.size import LIMIT_UNZIPPED, PackageSize

XGBOOST = {"xgboost": "3.4.1", "nvidia-nccl-cu13": "2.32.3"}


def test_xgboost_is_counted_without_its_gpu_library_which_a_function_cannot_use() -> None:
    found = layer_size(XGBOOST, "3.12")
    assert [size.name for size in found.packages] == ["xgboost"]
    assert 65e6 < found.unzipped_bytes < 85e6
    assert found.over == 0
    assert str(found).startswith("the packages will take about ")


def test_what_is_over_the_limit_is_told_with_the_packages_and_what_helps() -> None:
    found = layer_size(XGBOOST, "3.12", reserve=LIMIT_UNZIPPED - 50_000_000)
    assert found.over == found.unzipped_bytes - 50_000_000
    assert f"{found.over / 1e6:,.1f} MB over the 50.0 MB" in str(found)
    assert "train with `xgboost-cpu`" in str(found)
    assert "publish with `--onnx`" in str(found)
    assert str(found).splitlines()[-1].split()[2:] == ["xgboost", "3.4.1"]


def test_what_no_function_has_room_for_has_one_remedy() -> None:
    found = LayerSize(
        (PackageSize("catboost", "1.2.10", 288_000_000), PackageSize("numpy", "2.5.5", 41_000_000)), 260_000_000
    )
    assert "no function has room for catboost; publish with `--onnx` and deploy that format; the largest" in str(found)


def test_a_version_without_a_wheel_for_lambda_is_named_before_anything_is_published() -> None:
    with pytest.raises(WheelNotFoundError, match=r"scikit-learn 1\.9\.1 has no wheel for Lambda's python3\.11"):
        layer_size({"scikit-learn": "1.9.1"}, "3.11")


def test_so_is_one_that_would_not_load() -> None:
    with pytest.raises(LinkingError, match=r"lightgbm cannot be loaded in Lambda: .* needs libgomp\.so\.1"):
        layer_size({"lightgbm": "4.7.0"}, "3.12", "arm64")
