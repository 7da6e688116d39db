"""The workflows to copy: what their steps run, with the wheel in the place of the repository."""

from __future__ import annotations

import os
import re
import site
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

ROOT = Path(__file__).resolve().parents[2]
BROKEN = "version: 1\nproviders: {echo: {preset: ehco}}\n"
TEXTS = [
    *(ROOT / "examples").rglob("*.y*ml"),
    *(ROOT / "docs").rglob("*.md"),
    *ROOT.glob("*.md"),
    *(ROOT / ".github").rglob("*.yml"),
]
INSTALL = re.compile(r"pip install ((?:[^\s`&|;]+ ?)+)")
FROM_HERE = re.compile(
    r"[.-].*|\"?git\+https://.*|\"\$OMNIROUTE\"|requirements/.*|.*\.whl|'\.\[dev\]'"
)


def run_steps(workflow: str, wheel: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """All `run:` steps of a workflow's only job as a runner does it, in `folder`."""
    loaded: Any = msgspec.yaml.decode((ROOT / "examples/ci" / workflow).read_bytes())
    (job,) = loaded["jobs"].values()
    steps = [step["run"] for step in job["steps"] if "run" in step]
    assert loaded["env"]["OMNIROUTE"].startswith("git+https://")
    target = folder / "installed"
    environment = {
        **os.environ,
        "OMNIROUTE": str(wheel),
        # Nothing but the wheel: its dependencies come from this environment, and no index is asked.
        "PIP_TARGET": str(target),
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PYTHONPATH": os.pathsep.join([str(target), *site.getsitepackages()]),
        "PATH": os.pathsep.join(
            [str(target / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        ),
    }
    return subprocess.run(  # noqa: S603 - our own steps
        ["/bin/bash", "-e", "-c", "\n".join(steps)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("text", "code"), [(BROKEN, 1), (BROKEN.replace("ehco", "echo"), 0)])
def test_a_pull_request_is_annotated(wheel: Path, tmp_path: Path, text: str, code: int) -> None:
    (tmp_path / "omniroute.yaml").write_text(text)
    ran = run_steps("github.yml", wheel, tmp_path)
    assert ran.returncode == code, ran.stderr
    shown = "::error file=omniroute.yaml,line=2,col=28,title=OR501::" in ran.stdout
    assert shown == (code == 1), ran.stdout


def test_findings_are_written_for_code_scanning(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "omniroute.yaml").write_text(BROKEN)
    ran = run_steps("github-sarif.yml", wheel, tmp_path)
    assert ran.returncode == 0, ran.stderr
    log = orjson.loads((tmp_path / "omniroute.sarif").read_bytes())
    assert [found["ruleId"] for found in log["runs"][0]["results"]] == ["OR501"]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nobody_is_told_to_install_a_name_from_an_index(path: Path) -> None:
    for arguments in INSTALL.findall(path.read_text()):
        assert all(FROM_HERE.fullmatch(word) for word in arguments.split()), arguments
