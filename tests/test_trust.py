"""No line of the package could execute what a file holds: no pickle, eval, shell string or unsafe YAML."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "pty", "runpy", "code"}
CALLS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput", "pydoc.locate"),
    *("subprocess.getstatusoutput", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "pd.read_pickle"),
    *("pandas.read_pickle", "torch.hub.load", "torch.jit.load", "torch.package.PackageImporter", "np.lib.format.open"),
    *("blosc2.open_lazyarray", "shutil.unpack_archive", "builtins.eval"),
}
METHODS = {"extractall", "load_pickle", "read_pickle", "to_pickle"}


def unsafe(text: str) -> list[str]:
    """What of a module's text could run something that it reads, with its line."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            found += [f"{node.lineno}: import of {name}" for name in names if name.split(".")[0] in MODULES]
        if not isinstance(node, ast.Call):
            continue
        name, given = ast.unparse(node.func), {one.arg: ast.unparse(one.value) for one in node.keywords}
        last = name.rsplit(".", maxsplit=1)[-1]
        if name in CALLS or (last in METHODS and "." in name):
            found.append(f"{node.lineno}: {name}")
        if name == "torch.load" and given.get("weights_only") != "True":
            found.append(f"{node.lineno}: torch.load without weights_only=True")
        if given.get("shell", "False") != "False" or given.get("allow_pickle", "False") != "False":
            found.append(f"{node.lineno}: {name} with shell or allow_pickle")
        if name == "blosc2.open" and "deserialize" in given:
            found.append(f"{node.lineno}: blosc2.open with deserialize")
        if last == "YAML" and given.get("typ") == "'unsafe'":
            found.append(f"{node.lineno}: unsafe YAML")
    return found


# Reads what carries a seal of this user's alone; `runtime/test_slurm_calls.py` plants one that does not.
SEALED = "gbaseg/runtime/engine/sealed.py"


def test_nothing_that_is_read_is_executed():
    found = {
        path.relative_to(SOURCE).as_posix(): unsafe(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")
    }
    assert found, "no source found"
    assert found.pop(SEALED) == ["13: import of pickle"]
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "from pickle import loads", "import joblib", "eval(text)", "exec(text)", "os.system(x)",
        "torch.load(p)", "torch.load(p, weights_only=False)", "subprocess.run(x, shell=True)", "yaml.load(x)",
        "np.load(p, allow_pickle=True)", "pd.read_pickle(p)", "YAML(typ='unsafe')", "archive.extractall(p)",
        "blosc2.open(p, deserialize='unsafe')",
    ],
)  # fmt: skip
def test_the_scan_sees(line):
    assert len(unsafe(line)) == 1


@pytest.mark.parametrize(
    "line", ["network.eval()", "torch.load(p, weights_only=True)", "re.compile(x)", "subprocess.run([x])", "np.load(p)"]
)
def test_the_scan_lets_pass(line):
    assert unsafe(line) == []
