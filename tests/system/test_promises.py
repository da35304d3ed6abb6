"""The tests that are named for each promise exist."""

import ast
import pathlib

import pytest

from harness.promises import PROMISES

HERE = pathlib.Path(__file__).parent


def functions_of(file):
    tree = ast.parse((HERE / f"test_{file}.py").read_text(encoding="utf-8"))
    return {node.name.removeprefix("test_") for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_is_shown_by_tests(promise):
    text, named = PROMISES[promise]
    assert text and named
    for test in named:
        file, _, function = test.partition("::")
        assert function in functions_of(file) if function else functions_of(file), test
