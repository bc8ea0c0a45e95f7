"""modelstore on local files, in its environment: `modelstore_files.py files FOLDER VERSIONS REPEATS [at-scale]`."""

import sys
import warnings
from importlib import metadata
from pathlib import Path

warnings.filterwarnings("ignore")

from modelstore import ModelStore  # type: ignore[import-not-found]  # noqa: E402  # after the warnings are off
from sklearn.datasets import load_iris  # noqa: E402  # after the warnings are off
from sklearn.ensemble import RandomForestClassifier  # noqa: E402  # after the warnings are off
from timing import FEW, NAME, give, timed  # type: ignore[import-not-found]  # noqa: E402  # beside this script, which is run as a file


def main(folder: Path, versions: int, repeats: int, *, at_scale: bool) -> None:
    """Fill a store, and measure it."""
    folder.mkdir(parents=True)
    store = ModelStore.from_file_system(root_directory=str(folder))
    examples, labels = load_iris(return_X_y=True)
    estimator = RandomForestClassifier(random_state=0).fit(examples, labels)

    def publish(number: int = 0) -> str:
        return str(store.upload(NAME, model=estimator, extra_metadata={"accuracy": number})["model"]["model_id"])

    ids = [publish(), publish()]
    fill(folder, ids[0], versions)
    store.create_model_state("prod")
    store.set_model_state(NAME, ids[0], "prod")

    def resolve(_number: int) -> None:
        (found,) = store.list_versions(NAME, state_name="prod")
        store.get_model_info(NAME, found)

    def promote(number: int) -> None:
        store.set_model_state(NAME, ids[(number + 1) % 2], "prod")
        store.remove_model_state(NAME, ids[number % 2], "prod")

    def listed(_number: int) -> None:
        if len(store.list_versions(NAME)) != versions:
            raise RuntimeError(f"other than {versions} versions were listed")

    results = {
        "resolve a tag": timed(resolve, repeats),
        "promote": timed(promote, repeats),
        "list": timed(listed, FEW),
        "add": timed(publish, FEW),
    }
    if not at_scale:
        results["publish"] = timed(publish, FEW)
    give({"version": metadata.version("modelstore"), "seconds": results})


def fill(folder: Path, first: str, versions: int) -> None:
    """Add versions as copies of the record of the first: uploads would take minutes."""
    record = next(path for path in folder.rglob("*.json") if "versions" in path.parts and first in path.name)
    content = record.read_text()
    for number in range(versions - 2):
        name = f"copy-{number}"
        record.with_name(record.name.replace(first, name)).write_text(content.replace(first, name))


if __name__ == "__main__":
    main(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), at_scale="at-scale" in sys.argv)
