"""The types of the extension module, which editors and type checkers read."""

import ast
from pathlib import Path

import pytest

import ballast as torch

STUB = Path(torch._core.__file__).parent / "_core.pyi"


@pytest.fixture(scope="module")
def classes():
    if not STUB.exists():
        pytest.skip("the types are not built")
    tree = ast.parse(STUB.read_text())
    return {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}


def names(cls: ast.ClassDef) -> set[str]:
    methods = {n.name for n in cls.body if isinstance(n, ast.FunctionDef)}
    return methods | {n.target.id for n in cls.body if isinstance(n, ast.AnnAssign)}


def test_every_public_method_of_tensors_is_listed(classes):
    public = {n for n in vars(torch.Tensor) if not n.startswith("_")}
    assert not public - names(classes["Tensor"])


def test_annotations_mean_classes_not_the_methods_of_their_names(classes):
    for node in ast.walk(classes["Tensor"]):
        if isinstance(node, ast.arg) and isinstance(node.annotation, ast.Name):
            assert node.annotation.id not in ("bool", "float", "dtype"), node.arg
