"""Writes what Meltano reads of the target: plugin.yaml, and the loader of meltano.yml.

Both say what `target-kustomer --about` says, in its words.

python scripts/meltano.py           writes them
python scripts/meltano.py --check   writes nothing; fails where a file is not what the code says
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "plugin.yaml"
PROJECT = ROOT / "meltano.yml"

_WIDTH = 100
_LINE = 60
_LOADER = re.compile(r"(  # loader: .*\n)(?:.*\n)*?(  # /loader\n)")
_KINDS = {
    "array": "array",
    "boolean": "boolean",
    "integer": "integer",
    "number": "decimal",
    "object": "object",
    "string": "string",
}
_URLS = {"docs": "Documentation", "repo": "Repository"}

_COMMANDS = {
    "about": {
        "args": "--about",
        "description": "Print all settings and capabilities.",
    },
    "check": {
        "args": "--config=ENV --check",
        "description": (
            "Say in seconds what a run would stumble over: address, key, roles, ledger, folders. "
            "It writes nothing."
        ),
    },
    "plan": {
        "args": "--config=ENV --plan",
        "description": (
            "Say what a run would do with the Singer stream on stdin. It writes nothing; exit "
            "code 10 says that there are changes."
        ),
    },
}

_PREREQUISITES = """\
An API key (Settings > Security > API Keys) with the roles that your streams need;
`meltano invoke target-kustomer:check` names those that are missing.
"""

_PREAMBLE = """\
- Give `streams` and `stream_maps` as JSON text: of nested YAML, Meltano drops nulls and splits
  keys at dots.
- Give `rate_limit_share` in `meltano.yml`: Meltano fails on a decimal from the environment.
- The `*_seconds` settings take whole numbers from the environment.
"""

_USAGE = """\
`meltano invoke target-kustomer:check` looks at everything that a run needs. For what a run would
do: `meltano invoke TAP > records.singer`, then
`meltano invoke target-kustomer:plan < records.singer`.

`meltano run` ends with exit code 1 whatever the target's was; `meltano --log-format=json run` logs
that as `exit_codes`. 3 says that all is loaded but the records in `rejects_dir`.
"""


def main(arguments: list[str]) -> None:
    """Write or check the files."""
    about = described()
    files = {PLUGIN: plugin_text(about), PROJECT: project_text(about)}
    for path, text in files.items():
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path.name} is not what the code says: run python scripts/meltano.py")


def described() -> dict[str, Any]:
    """Return what `--about` says."""
    printed = subprocess.run(
        [sys.executable, "-m", "target_kustomer", "--about", "--format=json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    about: dict[str, Any] = json.loads(printed)
    return about


def plugin_text(about: dict[str, Any]) -> str:
    """Return plugin.yaml: the loader as Meltano Hub describes one."""
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    urls = dict(re.findall(r'^(Documentation|Repository) = "(.+)"$', pyproject, re.MULTILINE))
    plugin = {
        **_head(about),
        "variant": "community",
        "maintenance_status": "beta",
        "quality": "unknown",
        "domain_url": "https://www.kustomer.com",
        "keywords": ["meltano_sdk", "crm", "customer-support", "reverse-etl"],
        **{key: urls[name] for key, name in _URLS.items() if name in urls},
        "pip_url": about["name"],
        **_body(about),
        "prereq": _PREREQUISITES,
        "settings_preamble": _PREAMBLE,
        "usage": _USAGE,
    }
    return "# Written by scripts/meltano.py.\n" + _yaml(plugin)


def project_text(about: dict[str, Any]) -> str:
    """Return meltano.yml with its loader as the code has it."""
    loader = _yaml([{**_head(about), "pip_url": "-e .", **_body(about)}])
    text = PROJECT.read_text(encoding="utf-8")
    if not _LOADER.search(text):
        sys.exit("meltano.yml has no lines `# loader: ...` and `# /loader`")
    return _LOADER.sub(lambda found: found[1] + textwrap.indent(loader, "  ") + found[2], text)


def _head(about: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": about["name"],
        "namespace": about["name"].replace("-", "_"),
        "label": "Kustomer",
        "description": about["description"],
    }


def _body(about: dict[str, Any]) -> dict[str, Any]:
    return {
        "executable": about["name"],
        "capabilities": sorted(about["capabilities"]),
        "settings_group_validation": [about["settings"]["required"]],
        "settings": [_setting(*each) for each in about["settings"]["properties"].items()],
        "commands": _COMMANDS,
    }


def _setting(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    setting = {
        "name": name,
        "kind": _kind(schema),
        "label": schema["title"],
        "description": " ".join(schema["description"].split()),
    }
    if schema.get("secret"):
        setting["sensitive"] = True
    if "enum" in schema:
        setting["options"] = [{"label": value, "value": value} for value in schema["enum"]]
    if schema.get("default", {}) != {}:
        setting["value"] = schema["default"]
    return setting


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "options"
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    [kind] = (_KINDS[each] for each in types if each != "null")
    if kind != "decimal":
        return kind
    # Meltano 4.4 fails on a decimal from the environment, and passes on a fraction from
    # meltano.yml for an integer: numbers that are whole by habit are integers there.
    return "integer" if float(schema["default"]).is_integer() else "decimal"


class _Dumper(yaml.SafeDumper):
    """Prose in blocks, all else as usual."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else ">" if len(text) > _LINE else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _yaml(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=_WIDTH - 4)
    return text


_Dumper.add_representer(str, _text)

if __name__ == "__main__":
    main(sys.argv[1:])
