"""The house: arrows point down, the packages are ours, nothing forbidden is imported."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Who may import whom, outside a room's own files.
ALLOWED = {
    "metrics": set(),
    "evaluation": {"metrics"},
    # Wav2Lip hears by the mel and the encoder that IP-LAP took over from it: one of each.
    "baselines": {"evaluation", "method", "metrics"},
    "method": {"evaluation", "metrics"},
    "leaderboards": {"evaluation"},
}
FORBIDDEN = {
    *("torchvision", "torchmetrics", "lpips", "pytorch_fid", "piq"),
    *("cpbd", "pytorch_msssim"),
}


def imports_of(path: Path) -> set[str]:
    """Full names of all modules that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = {f"{node.module}.{a.name}" for a in node.names}
            files = {n for n in names if is_module(n)}
            found |= files
            if files != names:
                found.add(node.module)
    return found


def is_module(name: str) -> bool:
    """Whether a dotted name is a file of ours."""
    return (ROOT / Path(*name.split("."))).with_suffix(".py").is_file()


def files_of(room: str) -> list[Path]:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    return files


@pytest.mark.parametrize("room", ALLOWED)
def test_arrows_point_down(room):
    for path in files_of(room):
        tops = {name.split(".")[0] for name in imports_of(path)}
        above = (tops & ALLOWED.keys()) - ALLOWED[room] - {room}
        assert not above, f"{path.relative_to(ROOT)} imports {above}"


@pytest.mark.parametrize("room", ALLOWED)
def test_no_official_metric_package_at_run_time(room):
    for path in files_of(room):
        used = {name.split(".")[0] for name in imports_of(path)} & FORBIDDEN
        assert not used, f"{path.relative_to(ROOT)} imports {used}"


def test_no_circles_among_files():
    modules = {
        ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p
        for room in ALLOWED
        for p in files_of(room)
    }
    # A package's __init__ re-exports its files; a file that asks its own package for a name of
    # a sibling would close a circle, which is what this looks for as well.
    arrows = {name: imports_of(path) & modules.keys() for name, path in modules.items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name not in done:
            for target in arrows[name]:
                visit(target, (*way, name))
            done.add(name)

    for name in modules:
        visit(name, ())


@pytest.mark.parametrize("room", ALLOWED)
def test_the_packages_are_ours(room):
    """The flat names are common words: whoever shadows them must not go unnoticed."""
    module = importlib.import_module(room)
    assert Path(module.__file__).resolve().parents[1] == ROOT


@pytest.mark.parametrize("package", ["metrics", "metrics.assets"])
def test_what_is_public_is_listed_and_sorted(package):
    module = importlib.import_module(package)
    assert list(module.__all__) == sorted(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_rooms_are_small():
    long = {
        str(p.relative_to(ROOT)): n
        for room in ALLOWED
        for p in files_of(room)
        if (n := len(p.read_text().splitlines())) > 400
    }
    assert not long


def test_the_command_line_starts_without_torch():
    """``talkbench --help`` must not take seconds."""
    code = "import sys, evaluation.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_media_weights_or_machine_paths_are_committed():
    answer = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        pytest.skip("not a git checkout")
    names = answer.stdout.split()
    media = (".mp4", ".avi", ".wav", ".pt", ".pth", ".onnx", ".tflite", ".npz", ".ckpt", ".pkl")
    assert not [n for n in names if n.endswith(media)]
    roots = ["/" + part + "/" for part in ("work", "root", "home")]
    for name in names:
        text = (ROOT / name).read_text(errors="replace") if (ROOT / name).is_file() else ""
        found = [r for r in roots if r in text]
        assert not found, f"{name} mentions {found}"
