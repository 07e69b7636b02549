"""The profiles (demo, cifar10, full): small files of parameters, and the changes a command line makes to them."""

import ast
from dataclasses import dataclass
from pathlib import Path

from cifar102.workflow.notebooks import NOT_LITERAL, Parameter
from cifar102.workspace.files import read_json
from cifar102.workspace.wording import near_names

FOLDER = Path(__file__).resolve().parent / "profiles"


@dataclass(frozen=True)
class Profile:
    """One profile file. parameters: step name -> parameter -> value; studies: those notebook 06 is run for."""

    name: str
    title: str
    description: str
    workspace: str
    jobs: int
    parameters: dict[str, dict[str, object]]
    studies: tuple[str, ...]


@dataclass(frozen=True)
class Override:
    """One `--set [STEP.]NAME=VALUE`; step is "" where every selected step that declares the name is meant."""

    step: str
    name: str
    text: str

    def value_for(self, parameter: Parameter, where: str) -> object:
        """Read the text as a Python literal, or as it stands; ValueError when the type is not the declared one."""
        try:
            value = ast.literal_eval(self.text)
        except NOT_LITERAL:
            value = self.text
        if not parameter.accepts(value) and parameter.accepts(self.text):
            value = self.text
        return typed(parameter, value, f"--set {self.name}={self.text}: {where}")


def typed(parameter: Parameter, value: object, where: str) -> object:
    """Give `value` in the declared type (a list becomes a tuple, an int a float); ValueError names `where`."""
    if not parameter.accepts(value):
        raise ValueError(
            f"{where} declares {parameter.name}: {parameter.annotation} = {parameter.default!r}, but got {value!r}"
        )
    if isinstance(value, list) and "list" not in parameter.kinds:
        return tuple(value)
    if isinstance(value, tuple) and "tuple" not in parameter.kinds:
        return list(value)
    return float(value) if type(value) is int and "int" not in parameter.kinds else value


def parse_override(text: str) -> Override:
    """Take `NAME=VALUE` or `STEP.NAME=VALUE` apart; ValueError says what was expected."""
    name, equals, value = text.partition("=")
    step, _, name = name.strip().rpartition(".")
    if not equals or not name.isidentifier():
        raise ValueError(f"--set {text}: expected NAME=VALUE or STEP.NAME=VALUE, for example epochs=3 or 05.epochs=3")
    return Override(step, name, value.strip())


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str, folder: Path = FOLDER) -> Profile:
    """Read a profile by name; ValueError with the near names where there is no such profile, or a key is missing."""
    path = folder / f"{name}.json"
    if not path.is_file():
        raise ValueError(
            f"there is no profile {name!r}: {near_names(name, (path.stem for path in folder.glob('*.json')))}"
        )
    content = read_json(path)
    expected = list(Profile.__dataclass_fields__)
    if not isinstance(content, dict) or sorted(content) != sorted(expected):
        found = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{path}: expected an object with the keys {sorted(expected)}, found {found}")
    parameters, studies = content["parameters"], content["studies"]
    is_nested = isinstance(parameters, dict) and all(isinstance(values, dict) for values in parameters.values())
    for key, is_right, kind in (
        ("workspace", isinstance(content["workspace"], str) and content["workspace"], "a folder as text"),
        ("jobs", type(content["jobs"]) is int and content["jobs"] > 0, "a number from 1 on"),
        ("parameters", is_nested, "step -> name -> value"),
        ("studies", isinstance(studies, list) and all(isinstance(study, str) for study in studies), "a list of names"),
    ):
        if not is_right:
            raise ValueError(f"{path}: {key}: expected {kind}, found {content[key]!r}")
    return Profile(**{**content, "studies": tuple(studies)})
