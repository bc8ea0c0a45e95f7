"""Cold starts and their memory: the guide's function and ours, fresh processes that fetch from a local S3."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks import cold_models
from benchmarks.bench import Bench
from benchmarks.cold import ColdStart, FirstAnswer
from benchmarks.guide import ONE_THREAD
from benchmarks.measured import Measured
from benchmarks.memory_limit import run_within
from benchmarks.page import Goal, Section, Table, at_most
from model_runtime.errors import InterpreterNotFoundError, PublishError

ROUNDS, QUICK_ROUNDS, MODEL_ROUNDS = 11, 1, 5
LIMIT_MB = 128
GUIDE = "the guide's recipe"
THREADS = "ours, joblib format, with as many threads as the libraries take"
MOST_SECONDS = {"joblib": 0.15, "onnx": 0.04}
MOST_OF_MODELS = {"joblib": 0.25, "onnx": 0.06}
MOST_MEMORY = {"joblib": 0.90, "onnx": 0.50}


def measure(bench: Bench) -> Section:
    """Start each side in turn."""
    rounds = QUICK_ROUNDS if bench.quick else ROUNDS
    ours = {_label(model_format): bench.cold_start(model_format) for model_format in bench.formats}
    starts = {GUIDE: bench.guide_start(), **ours, THREADS: _with_threads(bench.cold_start("joblib"))}
    firsts = interleaved_starts(starts, rounds)
    table = [["side", "to the first answer", "of the recipe", "peak memory", "of the recipe"]]
    for name, found in firsts.items():
        seconds, memory = ratio(found, firsts[GUIDE])
        table.append([name, str(times(found)), f"{seconds:.2f}", _memory(found), f"{memory:.2f}"])
    goals = []
    for model_format in bench.formats:
        seconds, memory = ratio(firsts[_label(model_format)], firsts[GUIDE])
        goals.append(at_most(f"cold, {model_format} format, of the recipe", seconds, MOST_SECONDS[model_format]))
        goals.append(at_most(f"peak memory, {model_format} format, of the recipe", memory, MOST_MEMORY[model_format]))
    note = (
        f"Fresh processes, {rounds} of each side in turn after one that is not counted ({MODEL_ROUNDS} in the last "
        "table); median (fastest to slowest)."
    )
    limits, enforced = _limits({GUIDE: starts[GUIDE], **ours})
    of_models, more = _models(bench)
    tables = [table, limits, *([of_models] if len(of_models) > 1 else [])]
    return Section("cold", tables, note, [*goals, *enforced, *more])


def _with_threads(start: ColdStart) -> ColdStart:
    environment = {name: value for name, value in start.environment.items() if name not in ONE_THREAD}
    return replace(start, environment=environment)


def interleaved_starts(starts: Mapping[str, ColdStart], rounds: int) -> dict[str, list[FirstAnswer]]:
    """Start each in turn; a first round, which fills the machine's page cache, is not counted."""
    found: dict[str, list[FirstAnswer]] = {name: [] for name in starts}
    for number in range(rounds + 1):
        for name, start in starts.items():
            first = start.run()
            if first.answer["statusCode"] != 200:  # noqa: PLR2004  # HTTP's OK
                raise RuntimeError(f"{name} answered {first.answer}: what it took tells nothing")
            if number:
                found[name].append(first)
    return found


def times(firsts: Sequence[FirstAnswer]) -> Measured:
    """How long the starts took."""
    return Measured([first.seconds for first in firsts])


def peak(firsts: Sequence[FirstAnswer]) -> float:
    """Median of the peaks of resident memory, in bytes."""
    return Measured([first.peak_bytes for first in firsts]).median


def ratio(firsts: Sequence[FirstAnswer], baseline: Sequence[FirstAnswer]) -> tuple[float, float]:
    """Time and memory as parts of the baseline's."""
    return times(firsts).median / times(baseline).median, peak(firsts) / peak(baseline)


def _limits(starts: Mapping[str, ColdStart]) -> tuple[list[list[str]], list[Goal]]:
    table = [["side", f"within {LIMIT_MB} MB", "enforced by"]]
    goals = []
    for name, start in starts.items():
        limited = run_within(start, LIMIT_MB * 1024**2)
        answered = limited.first is not None and limited.first.answer["statusCode"] == 200  # noqa: PLR2004  # HTTP's OK
        found = (
            f"answers after {limited.first.seconds:.1f} s"
            if limited.first and answered
            else "is ended before it answers"
        )
        table.append([name, found, limited.mechanism])
        if name == _label("onnx"):
            found = f"{found} ({limited.mechanism})"
            goals.append(Goal("onnx format within 128 MB, enforced", "answers", found, answered))
    return table, goals


def _models(bench: Bench) -> tuple[Table, list[Goal]]:
    """Start the models that people have, each in turn with its recipe."""
    table, goals = [["model", "side", "to the first answer", "of the recipe"]], []
    for number, model in enumerate(cold_models.models(quick=bench.quick)):
        bench.say(f"cold: {model.name}")
        side = model.case.formats[-1]
        what, most = f"cold, {model.name}, {side} format, of its recipe", MOST_OF_MODELS[side]
        try:
            found = interleaved_starts(cold_models.starts(bench, model, number), MODEL_ROUNDS)
        except (InterpreterNotFoundError, PublishError) as error:  # LightGBM has no wheel for Lambda's python3.11
            goals.append(Goal(what, f"at most {most:g}", str(error), None))
            continue
        recipe = found[cold_models.RECIPE]
        table += [[model.name, name, str(times(each)), f"{ratio(each, recipe)[0]:.2f}"] for name, each in found.items()]
        goals.append(at_most(what, ratio(found[side], recipe)[0], most))
    return table, goals


def _label(model_format: str) -> str:
    return f"ours, {model_format} format"


def _memory(firsts: Sequence[FirstAnswer]) -> str:
    low, high = (f(first.peak_bytes for first in firsts) / 1e6 for f in (min, max))
    return f"{peak(firsts) / 1e6:.0f} MB ({low:.0f} to {high:.0f})"
