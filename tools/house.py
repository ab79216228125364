"""Print the figures of the house: `python tools/house.py`. Exits with 1 if imports form a circle.

Printed only: lines and statements of the product (docstrings are lines, not statements; Lua counts) and lines of the
tests. Checked: knots (folders or modules beside each other that import each other in a circle, at any depth), modules
in circles, and functions outside cogs and the composition root that take the whole bot. Imports for types count.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
PRODUCT = ("galvanic", "bot", "worker", "shared", "launcher", "playground")
MOST = {"knots": 0, "circles": 0, "bot_taken": 1}
"""The most that each of these may be. Sizes have no limit: a size is for reading, and must not refuse a change."""

Graph = dict[str, set[str]]


def trees(root: Path = ROOT, parts: Iterable[str] = PRODUCT) -> dict[str, tuple[Path, ast.Module]]:
    """Each module by its name."""
    files = [path for part in parts for path in sorted((root / part).rglob("*.py"))]
    names = (".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in files)
    return {name: (path, ast.parse(path.read_text("utf-8"))) for name, path in zip(names, files, strict=True)}


def imports(modules: dict[str, tuple[Path, ast.Module]]) -> Graph:
    """Which modules each module imports, at any depth of its code."""
    return {name: set(_imported(name, *found, modules)) & set(modules) - {name} for name, found in modules.items()}


def _imported(module: str, path: Path, tree: ast.Module, known: Container[str]) -> Iterator[str]:
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (one if (one := f"{base}.{alias.name}") in known else base for alias in node.names)


def circle(graph: Graph) -> list[str]:
    """Some that import each other in a circle; empty: none do."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])[1:]
    return []


def knots(graph: Graph) -> dict[str, list[str]]:
    """By package: those of its folders and modules that import each other in a circle."""
    within: dict[str, Graph] = defaultdict(lambda: defaultdict(set))
    for name, targets in graph.items():
        for target in targets:
            a, b = name.split("."), target.split(".")
            depth = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), 0)
            if depth:
                within[".".join(a[:depth])][a[depth]].add(b[depth])
    return {package: tied for package, graph in within.items() if (tied := circle(graph))}


def measured(root: Path = ROOT) -> dict[str, int]:
    """All figures."""
    modules = trees(root)
    graph = imports(modules)
    scripts = (path for part in PRODUCT for path in (root / part).rglob("*.lua"))
    return {
        "lines": _lines([*(path for path, _ in modules.values()), *scripts]),
        "statements": sum(map(_is_statement, (node for _, tree in modules.values() for node in ast.walk(tree)))),
        "tests": _lines((root / "tests").rglob("*.py")),
        "knots": len(knots(graph)),
        "circles": len(circle(graph)),
        "bot_taken": sum(_takes_bot(node) for node in _outside_cogs(modules)),
    }


def _lines(paths: Iterable[Path]) -> int:
    return sum(len(path.read_text("utf-8").splitlines()) for path in paths)


def _is_statement(node: ast.AST) -> bool:
    docstring = (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )
    return isinstance(node, ast.stmt) and not docstring


def _outside_cogs(modules: dict[str, tuple[Path, ast.Module]]) -> Iterator[ast.AST]:
    for name, (path, tree) in modules.items():
        if name.startswith("bot.") and "cog" not in path.stem and path.stem not in ("app", "__main__"):
            yield from ast.walk(tree)


def _takes_bot(node: ast.AST) -> bool:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, functions) and any(one.arg == "bot" for one in node.args.args + node.args.kwonlyargs)


def main() -> int:
    """Print the figures and each circle. Return 1 if a checked figure is above its limit."""
    graph, figures = imports(trees()), measured()
    for package, tied in sorted(knots(graph).items()):
        print(f"knot in {package}: {', '.join(tied)}")
    if tied := circle(graph):
        print(f"circle: {', '.join(tied)}")
    print(", ".join(f"{name} {figure:,}" for name, figure in figures.items()))
    return int(any(figures[name] > most for name, most in MOST.items()))


if __name__ == "__main__":
    sys.exit(main())
