"""The notebooks: they run from the top, their figures say what they show, and the committed files hold results."""

import ast
import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

import ssdn_keras

nbclient = pytest.importorskip("nbclient")

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# What replaces the settings of the cell tagged `parameters`, so that a notebook runs in half a minute.
SMALL = {
    "1-denoise-your-own-image.ipynb": {"CROPS": 4, "CROP": 32},
    "2-train-with-fit.ipynb": {"CROPS": 8, "EPOCHS": 2, "CROP": 32},
    "3-what-a-blind-spot-is.ipynb": {"CROPS": 4, "CROP": 32, "SAMPLES": 2},
    "4-noise-models.ipynb": {"CROPS": 4, "SIDE": 64},
    "5-side-by-side.ipynb": {"CHECKOUT": "no checkout"},
}
# An axis label says what is shown and in which unit; one of these must be in it.
UNITS = (
    "pixels", "grey level", "dB", "images", "crops", "epochs", "steps", "seconds", "nats", "counts", "photons", "%",
    "no unit",
)  # fmt: skip
# What lies on the machine that ran a notebook; readers have other folders.
FOLDERS = re.compile(r"/(?:work|tmp|home|root|usr|opt|var|mnt|content)\b")

HOOK = """
import matplotlib.figure

_figures, _new_figure = [], matplotlib.figure.Figure.__init__


def _remember(figure, *args, **kwargs):
    _new_figure(figure, *args, **kwargs)
    _figures.append(figure)


matplotlib.figure.Figure.__init__ = _remember
"""

CHECK = """
def _labels(axes, axis):
    own = [getattr(axes, f"get_{axis}label")()]
    if hasattr(axes, "_colorbar"):
        return own
    # A label at the edge of the figure serves all panels: that of an axis they share, or the figure's own.
    siblings = getattr(axes, f"get_shared_{axis}_axes")().get_siblings(axes)
    shared = [getattr(each, f"get_{axis}label")() for each in siblings]
    return own + shared + [getattr(axes.figure, f"get_sup{axis}label")()]


def _faults():
    for number, figure in enumerate(_figures, 1):
        for axes in figure.axes:
            if axes.has_data():
                missing = [
                    axis for axis in "xy" if not any(unit in label for label in _labels(axes, axis) for unit in UNITS)
                ]
                if len(missing) > (1 if hasattr(axes, "_colorbar") else 0):  # a colour bar has one axis
                    label = axes.get_xlabel(), axes.get_ylabel()
                    yield f"figure {number}, {axes.get_title()!r}: no unit at {missing}, labels {label}"


assert _figures, "no figure was made"
assert not list(_faults()), list(_faults())
"""


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def parameters_at(notebook):
    """Index of the cell tagged `parameters`, papermill's convention: settings that others may replace."""
    places = [i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])]
    assert len(places) == 1
    return places[0]


def tree(source):
    """Python's reading of a cell, in which a line of IPython's own (%pip …) becomes `pass`."""
    return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE))


def execute(path, small, folder, monkeypatch):
    """Run a notebook with small settings in a folder; what it printed."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    notebook = read(path)
    at = parameters_at(notebook)
    settings = {
        target.id
        for statement in ast.walk(tree(notebook.cells[at].source))
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    assert set(small) <= settings, "settings that the notebook does not have"
    override = "".join(f"{name} = {value!r}\n" for name, value in small.items())
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell(override + HOOK))
    notebook.cells.append(nbformat.v4.new_code_cell(f"UNITS = {UNITS!r}\n{CHECK}"))
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=600, resources=resources).execute()
    return "".join(output.get("text", "") for cell in code_cells(notebook) for output in cell.outputs)


def test_every_notebook_has_small_settings():
    assert set(SMALL) == {path.name for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_and_labels_its_figures(path, tmp_path, monkeypatch):
    execute(path, SMALL[path.name], tmp_path, monkeypatch)


def test_images_of_ones_own(tmp_path, monkeypatch):
    for name in ("first", "second"):
        pixels = np.random.default_rng(0).normal(128, 20, (48, 64, 3)).clip(0, 255)
        Image.fromarray(pixels.astype("uint8")).save(tmp_path / f"{name}.png")
    path = ROOT / "notebooks" / "1-denoise-your-own-image.ipynb"
    printed = execute(path, {**SMALL[path.name], "OWN": ".", "SIGMA": None}, tmp_path, monkeypatch)
    assert 18 < float(re.search(r"2 noisy images, σ = ([\d.]+) grey levels", printed)[1]) < 22
    assert {file.name for file in (tmp_path / "denoised").iterdir()} == {"first.png", "second.png", "model.keras"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_with_results(path):
    assert path.stat().st_size < 1_000_000
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run it from the top"
    assert not any("execution" in cell.metadata for cell in notebook.cells), "times of execution change every time"
    pictures = 0
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr", output
            data = output.get("data", {})
            pictures += any(kind in data for kind in ("image/png", "image/jpeg"))
            texts = [output.get("text", ""), *(value for kind, value in data.items() if kind.startswith("text/"))]
            assert not FOLDERS.search("".join(texts)), texts
    assert pictures, "no picture among the outputs"


def test_all_begin_with_the_same_cells():
    installing = {code_cells(read(path))[0].source for path in NOTEBOOKS}
    assert len(installing) == 1
    source = installing.pop()
    assert 'find_spec("ssdn_keras") is None' in source and "%pip install" in source and "ssdn_keras-*.whl" in source
    for path in NOTEBOOKS:
        notebook = read(path)
        assert notebook.cells[parameters_at(notebook)] == code_cells(notebook)[1]


def documented():
    """{"": names of ssdn_keras, "data": names of ssdn_keras.data, …} as README.md and docs/api have them."""
    pages = sorted((ROOT / "docs" / "api").glob("*.md"))
    names = {
        "": set(ssdn_keras.__all__)
        | set(re.findall(r"`ssdn_keras\.(\w+)`", (pages[0].parent / "index.md").read_text()))
    }
    for page in pages:
        for name in re.findall(r"^::: ([\w.]+)$", page.read_text(), re.MULTILINE):
            names.setdefault(page.stem, set()).add(name.rpartition(".")[2])
    return names


def chain(node):
    """`a.b.c` as ["a", "b", "c"]; None where it does not begin with a name."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        start = chain(node.value)
        return start and [*start, node.attr]
    return None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_only_public_names(path):
    public = documented()
    for cell in code_cells(read(path)):
        for node in ast.walk(tree(cell.source)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ssdn_keras"):
                _, _, module = node.module.partition(".")
                assert {alias.name for alias in node.names} <= public.get(module, set()), ast.unparse(node)
            if isinstance(node, ast.Import):
                for alias in node.names:
                    package, _, module = alias.name.partition(".")
                    assert package != "ssdn_keras" or not module or module in public[""], ast.unparse(node)
            if isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_") or node.attr == "__version__", ast.unparse(node)
                names = chain(node)
                if names and names[0] == "ssdn_keras":
                    assert names[1] in public[""], ast.unparse(node)
                    if len(names) > 2 and names[1] in ("data", "layers", "noise", "original"):
                        assert names[2] in public[names[1]], ast.unparse(node)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_sources_name_no_folder_of_one_machine(path):
    assert not re.search(r"/(?:work|tmp|home|root)/", "".join(cell.source for cell in read(path).cells))
    assert json.loads(path.read_text())["nbformat"] == 4
