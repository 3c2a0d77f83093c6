from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from importlib.metadata import distribution, entry_points
from pathlib import Path, PurePosixPath
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "target_kustomer"
BUILD = "import sys; from hatchling import build; getattr(build, sys.argv[1])(sys.argv[2])"


def build(kind: str, folder: Path, root: Path = ROOT) -> Path:
    subprocess.run([sys.executable, "-c", BUILD, f"build_{kind}", folder], cwd=root, check=True)
    [built] = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def wheel_files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def files(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]


def package_files() -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in files(ROOT / PACKAGE)}


def test_the_wheel_holds_the_package_and_nothing_else(wheel_files: set[str]) -> None:
    outside = {name for name in wheel_files if PurePosixPath(name).parts[0] != PACKAGE}

    assert wheel_files - outside == package_files()
    assert f"{PACKAGE}/py.typed" in wheel_files
    assert {PurePosixPath(*PurePosixPath(name).parts[1:]).as_posix() for name in outside} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }


def test_the_wheel_says_what_it_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [name] = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(name).decode())

    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("Provides-Extra") == ["postgresql", "simulator"]
    needed = [each for each in metadata.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert not [each for each in needed if each.startswith(("pytest", "starlette", "uvicorn"))]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked as a packager has it."""
    folder = tmp_path_factory.mktemp("unpacked")
    packed = build("sdist", tmp_path_factory.mktemp("sdist"))
    subprocess.run(["tar", "-xzf", packed, "-C", folder], check=True)
    [root] = folder.iterdir()
    return root


def test_the_source_distribution_holds_what_is_versioned_and_nothing_else(unpacked: Path) -> None:
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    if listed.returncode:
        pytest.skip("this is no checkout: nothing tells what is versioned")
    packed = {path.relative_to(unpacked).as_posix() for path in files(unpacked)}
    assert packed == {*listed.stdout.rstrip("\0").split("\0"), "PKG-INFO"}


def test_the_source_distribution_builds_the_same_wheel(
    unpacked: Path, wheel: Path, tmp_path: Path
) -> None:
    assert build("wheel", tmp_path, unpacked).read_bytes() == wheel.read_bytes()


def test_the_source_distribution_runs_its_own_tests(unpacked: Path) -> None:
    """The quick ones of the pages, of the modules, and a run of the whole target."""
    tests = ["test_guarantees_page.py", "test_architecture.py", "test_recent.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
        + [f"tests/{name}" for name in tests]
        + ["tests/target/test_routing.py::test_a_prefixed_customer_is_found_again"],
        cwd=unpacked,
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_the_license_is_the_full_text_of_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")

    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize("name", ["target-kustomer", "kustomer-simulator"])
def test_console_scripts_can_be_loaded(name: str) -> None:
    [script] = entry_points(group="console_scripts", name=name)

    assert callable(script.load())


def test_every_supported_python_is_a_classifier(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [name] = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(name).decode())
    prefix = "Programming Language :: Python :: 3."
    classifiers = metadata.get_all("Classifier", [])

    minors = [int(each.removeprefix(prefix)) for each in classifiers if each.startswith(prefix)]
    assert minors == list(range(10, 10 + len(minors)))


# What is public


def test_the_package_offers_nothing_but_its_modules() -> None:
    package = importlib.import_module(PACKAGE)
    assert [name for name, value in vars(package).items() if is_public(name, value)] == []


def test_what_the_simulator_offers_is_what_the_page_names() -> None:
    simulator = importlib.import_module(f"{PACKAGE}.simulator")
    page = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")
    [line] = [each for each in page.splitlines() if each.startswith("| from Python:")]

    named = set(re.findall(r"`([A-Z]\w+)`", line))
    assert named == set(simulator.__all__)
    assert named == {name for name, value in vars(simulator).items() if is_public(name, value)}
    for path in re.findall(r"`(target_kustomer\.\w+)\.(\w+)`", line):
        assert hasattr(importlib.import_module(path[0]), path[1])


def test_the_use_from_python_prints_what_the_page_shows() -> None:
    page = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")
    example = ROOT / "examples" / "simulated.py"
    shown, printed = re.findall(r"```(?:python)?\n(.*?)```", page, re.DOTALL)

    done = subprocess.run(
        [sys.executable, example], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    assert example.read_text(encoding="utf-8").endswith(shown)
    assert done.stdout == printed


def is_public(name: str, value: object) -> bool:
    return not (name.startswith("_") or isinstance(value, ModuleType) or name == "annotations")


def test_what_the_target_imports_is_declared_without_an_extra() -> None:
    project = ROOT / "pyproject.toml"
    block = re.search(
        r"^dependencies = \[\n(.*?)^\]", project.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert block
    declared = {normal(each) for each in re.findall(r'^  "([\w-]+)', block[1], re.MULTILINE)}
    provided = {
        Path(file.parts[0]).stem: name
        for name in declared
        for file in distribution(name).files or ()
    }
    imported = {
        module
        for path in files(ROOT / PACKAGE)
        if path.suffix == ".py" and "simulator" not in path.parts
        for module in imports(path)
        if module not in {*sys.stdlib_module_names, PACKAGE}
    }
    assert imported <= set(provided)
    assert {provided[module] for module in imported} == declared


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
