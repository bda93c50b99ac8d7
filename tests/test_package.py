"""What a new user meets first: the list of commands, help, imports, examples of the documentation."""

import doctest
import importlib
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import ssdn_keras
from ssdn_keras.__main__ import COMMANDS, main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
HEAVY = ("tensorflow", "keras", "jax", "torch", "matplotlib", "numpy", "PIL", "h5py", "skimage")


def python(*arguments, **environment):
    """A Python of its own, from another folder than the repository's."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd="/")


def leave(capsys, *arguments, program="ssdn"):
    """(exit code, standard output, standard error) of the script with these arguments."""
    with pytest.raises(SystemExit) as stop:
        main(arguments, program)
    return stop.value.code, *capsys.readouterr()


# --- Commands ---------------------------------------------------------------------------------------------------------


def test_the_table_names_every_command_and_each_can_be_run():
    files = {path.stem for path in (ROOT / "ssdn_keras").glob("*.py") if "\nCOMMAND = Command(" in path.read_text()}
    assert set(COMMANDS) == files
    for name in COMMANDS:
        module = importlib.import_module(f"ssdn_keras.{name}")
        assert callable(module.main) and module.COMMAND.name == f"python -m ssdn_keras.{name}"


def test_list_version_and_every_help_load_nothing_heavy():
    driver = f"""
import contextlib, io, sys
from ssdn_keras.__main__ import COMMANDS, main
said = {{}}
for arguments in ([], ["--help"], ["--version"], ["help", "train"], *([name, "--help"] for name in COMMANDS)):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            main(arguments)
        except SystemExit as stop:
            assert stop.code == 0, (arguments, stop.code)
    said[" ".join(arguments)] = out.getvalue()
loaded = [name for name in {HEAVY!r} if name in sys.modules]
assert not loaded, loaded
import json
print(json.dumps(said))
"""
    result = python("-c", driver)
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert said[""] == said["--help"]
    assert said["--version"] == f"ssdn_keras {ssdn_keras.__version__}\n"
    assert said["help train"] == said["train --help"]
    for name, line in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(line)}$", said[""], re.MULTILINE)
        assert said[f"{name} --help"].startswith(f"usage: ssdn {name} [--flag=value ...]")
    assert max(map(len, said[""].splitlines())) <= 100


def test_python_m_does_the_same():
    result = python("-m", "ssdn_keras")
    assert result.returncode == 0 and result.stdout.startswith("usage: python -m ssdn_keras COMMAND")
    result = python("-m", "ssdn_keras", "prepare")
    assert result.returncode == 2
    assert result.stderr == "python -m ssdn_keras prepare: error: give --input and --output (see --help)\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "unknown command 'trian'; did you mean train? (see ssdn --help)"),
        (["Denoise"], "unknown command 'Denoise'; did you mean denoise?"),
        (["xyzzy"], "unknown command 'xyzzy' (see ssdn --help)"),
        (["--noise=gauss25", "train"], "flags follow a command"),
        ([""], "unknown command ''"),
        (["train", "--nois=gauss25"], "unknown flag --nois; did you mean --noise?"),
        (["train", "--flagfile=/nowhere.cfg"], "nowhere.cfg"),
    ],
)
def test_a_wrong_command_line_ends_in_one_line_and_2(capsys, arguments, message):
    code, out, err = leave(capsys, *arguments)
    assert code == 2 and not out
    assert len(err.splitlines()) == 1 and err.startswith("ssdn") and message in err


def test_the_script_runs_a_command(capsys, photographs, tmp_path):
    flagfile = tmp_path / "prepare.cfg"
    flagfile.write_text(f"--input={photographs}\n--output={tmp_path / 'images.h5'}\n")
    code, out, _ = leave(capsys, "prepare", f"--flagfile={flagfile}")
    assert code == 0 and "4 images, 0 skipped" in out
    assert (tmp_path / "images.h5").is_file()


def test_the_script_is_declared():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["ssdn"].partition(":")
    assert getattr(importlib.import_module(module), function) is main


@pytest.mark.skipif(os.name != "posix", reason="a shell's pipe")
def test_a_reader_that_leaves_is_no_error():
    read, write = os.pipe()
    os.close(read)  # every write fails from the start
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-m", "ssdn_keras", "train", "--help"], stdout=write, stderr=subprocess.PIPE, env=environment
    )
    os.close(write)
    assert result.returncode == 0 and not result.stderr


# --- Imports ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.keras"
    ssdn_keras.Denoiser(noise="gauss25", channels=1).save(path)
    return str(path)


def test_names_are_listed_and_load_keras_only_when_they_are_used(saved):
    result = python(
        "-c",
        f"""
import sys, ssdn_keras
assert "Denoiser" in dir(ssdn_keras) and set(ssdn_keras.__all__) == set(dir(ssdn_keras))
assert not hasattr(ssdn_keras, "Denoisr")
assert not [name for name in {HEAVY!r} if name in sys.modules]
ssdn_keras.load
import keras
print(keras.backend.backend(), type(keras.models.load_model({saved!r})).__name__)
""",
        KERAS_BACKEND="tensorflow",
    )
    assert result.returncode == 0 and result.stdout == "tensorflow Denoiser\n", result.stderr


def test_keras_opens_our_files_if_it_was_imported_first(saved):
    result = python("-c", f"import keras, ssdn_keras; print(type(keras.models.load_model({saved!r})).__name__)")
    assert result.stdout == "Denoiser\n", result.stderr


def test_the_backend_of_the_environment_is_respected():
    pytest.importorskip("jax")
    result = python(
        "-c", "import ssdn_keras, keras; ssdn_keras.load; print(keras.backend.backend())", KERAS_BACKEND="jax"
    )
    assert result.returncode == 0 and result.stdout == "jax\n", result.stderr


def test_every_public_name_exists():
    for name in ssdn_keras.__all__:
        assert getattr(ssdn_keras, name) is not None
    used = {name for page in PAGES for name in re.findall(r"(?<!import )\bssdn_keras\.(\w+)", page.read_text())}
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(notebook.read_text())["cells"]  # outputs are not looked at: pictures are in them as text
        used |= {
            name
            for cell in cells
            for name in re.findall(r"(?<!-m )(?<!import )\bssdn_keras\.(\w+)", "".join(cell["source"]))
        }
    for name in used:
        assert name in ssdn_keras.__all__ or list((ROOT / "ssdn_keras").glob(f"{name}*")), name


# --- Documentation ----------------------------------------------------------------------------------------------------


def command_lines():
    """(page, command, arguments) of every command line in a code block of the documentation."""
    for page in PAGES:
        for block in re.findall(r"^```\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
            for line in re.sub(r"\\\n", " ", block).splitlines():
                found = re.match(r"(?:python -m ssdn_keras[. ]|ssdn )(\w+) (.*)", line.strip())
                if found:
                    yield page.name, found[1], shlex.split(found[2], comments=True)


def test_command_lines_of_the_documentation_are_understood(monkeypatch):
    monkeypatch.chdir(ROOT)  # for --flagfile=flags/…
    lines = list(command_lines())
    assert len({name for name, _, _ in lines}) >= 4
    for page, name, arguments in lines:
        if name in COMMANDS and not any(argument.startswith("--flagfile=runs/") for argument in arguments):
            command = importlib.import_module(f"ssdn_keras.{name}").COMMAND
            try:
                command.parse([name, *arguments])
            except ValueError as error:
                pytest.fail(f"{page}: {name} {arguments}: {error}")


OPTIONS = doctest.IGNORE_EXCEPTION_DETAIL


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "api").glob("*.md")), ids=lambda page: page.stem)
def test_examples_of_the_reference(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testfile(str(page), module_relative=False, optionflags=OPTIONS)
    assert not failed


def test_examples_of_docstrings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    homes = {inspect.getmodule(getattr(ssdn_keras, name)) for name in ssdn_keras.__all__ if name != "__version__"}
    homes |= {importlib.import_module(f"ssdn_keras.{name}") for name in ("noise.levels", "data.sources", "data.images")}
    tried = 0
    for module in sorted(homes, key=lambda module: module.__name__):
        failed, attempted = doctest.testmod(module, optionflags=OPTIONS)
        assert not failed, module.__name__
        tried += attempted
    assert tried >= 6


def test_the_reference_has_every_public_name():
    text = "\n".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    for name in ssdn_keras.__all__:
        value = getattr(ssdn_keras, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert f"::: {value.__module__}.{name}\n" in text + "\n", name
    for name in ssdn_keras.data.__all__:
        value = getattr(ssdn_keras.data, name)
        assert f"::: {value.__module__}.{name}\n" in text + "\n", name


def test_the_noise_model_of_the_guide(tmp_path):
    """The code of docs/extending.md, as it stands there: it trains, denoises, and is what it says it is."""
    from ssdn_keras.noise import NOISE_MODELS
    from ssdn_keras.noise.sampling import NumpyRandom

    code = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.DOTALL)[1]
    names = {}
    try:
        exec(code, names)
        model, speckle = names["model"], NOISE_MODELS["speckle"]
        clean = np.full((1, 200, 200, 1), 0.6, "float32")
        noisy = speckle.corrupt(clean, np.float32(0.2), NumpyRandom(0))
        assert abs(noisy.mean() - 0.6) < 0.003 and abs(noisy.std() - 0.12) < 0.003

        # One pixel by hand: prior N(0.5, 0.1²), noise of 0.2 × 0.5, so the posterior lies halfway.
        mean, columns = np.full((1, 1, 1, 1), 0.5, "float32"), [np.full((1, 1, 1, 1), 0.1, "float32")]
        strength = speckle.known(np.full((1, 1, 1, 1), 0.2, "float32"))
        observed = np.full((1, 1, 1, 1), 0.7, "float32")
        outputs = speckle.posterior(observed, mean, columns, strength)
        assert np.allclose(outputs["denoised"], 0.6) and np.allclose(outputs["std"], 0.1 / np.sqrt(2))
        loss = speckle.loss_per_pixel(observed, mean, columns, strength, estimated=False)
        assert np.allclose(loss, 0.04 / 0.02 + np.log(0.02), rtol=1e-5)

        images = [np.random.RandomState(0).randint(30, 220, (40, 40, 1), np.uint8)]
        crops = ssdn_keras.data.training_crops(images, "speckle20", crop=32, minibatch=2, channels=1, count=4)
        model.compile()
        assert np.isfinite(model.fit(crops, verbose=0).history["loss"]).all()
        model.save(tmp_path / "speckle.keras")
        again = ssdn_keras.load(tmp_path / "speckle.keras")
        assert str(again.noise) == "speckle20"
        assert np.array_equal(again.denoise(images[0]), model.denoise(images[0]))
    finally:
        NOISE_MODELS.pop("speckle", None)


def test_the_documentation_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "site" / "api" / "denoiser" / "index.html").is_file()
