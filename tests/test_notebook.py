import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "denoise.ipynb"


@pytest.mark.slow
def test_every_cell_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    names = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"]).replace("CROPS = 1200", "CROPS = 8")
            exec(compile(source, NOTEBOOK.name, "exec"), names)
    assert names["CROPS"] == 8 and (tmp_path / "x.keras").exists()
    assert "posterior standard deviation" in capsys.readouterr().out
