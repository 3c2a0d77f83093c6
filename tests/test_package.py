from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from importlib.metadata import entry_points
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "target_kustomer"
BUILD = "import sys; from hatchling import build; getattr(build, sys.argv[1])(sys.argv[2])"


def build(kind: str, folder: Path) -> Path:
    subprocess.run([sys.executable, "-c", BUILD, f"build_{kind}", folder], cwd=ROOT, check=True)
    [built] = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def wheel_files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def package_files() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


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


def test_the_source_distribution_holds_what_it_takes_to_build_and_test(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = {PurePosixPath(*PurePosixPath(each).parts[1:]) for each in archive.getnames()}

    assert {path.as_posix() for path in names if path.parts[0] == PACKAGE} == package_files()
    assert {path.parts[0] for path in names} == {
        ".gitignore",
        "CHANGELOG.md",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "benchmarks",
        "examples",
        "meltano.yml",
        "plugin.yaml",
        "pyproject.toml",
        "scripts",
        PACKAGE,
        "tests",
    }


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
