"""The operation that CONTRIBUTING.md adds works as it stands there, and is found by what reads declarations."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILE = re.compile(r"`src/huashi/(activation/[\w/]+\.py)`.*?```python\n(.*?)```", re.DOTALL)
CHECK = """
import sys, torch, huashi
huashi.__path__.append(sys.argv[1])
from huashi import implementation
from huashi._kernel.operator import NoKernelError
from huashi.activation.squared_relu import SquaredReLU, squared_relu
from huashi.bench.warm_up import examples, enlarged

x = torch.randn(30_000).requires_grad_()
with implementation("kernel"):
    y = squared_relu(x)
y.sum().backward()
assert torch.allclose(y, x.clamp(min=0) ** 2)
assert torch.allclose(x.grad, 2 * x.clamp(min=0))
assert squared_relu(torch.tensor([torch.nan] * 100)).isnan().all()
assert squared_relu(torch.tensor([-torch.inf, -1.0] * 50)).sign().eq(0).all()
assert torch.equal(SquaredReLU()(x), y)
assert torch.equal(torch.compile(squared_relu, backend="eager", fullgraph=True)(x), y)
few = torch.ones(3)
assert torch.equal(squared_relu(few), few)
try:
    with implementation("kernel"):
        squared_relu(few)
except NoKernelError as reason:
    assert "below 64 elements" in str(reason)
else:
    raise AssertionError("few elements have no kernel")
[example] = [one for one in examples() if one.function is squared_relu]
assert example(*enlarged(example, torch.bfloat16)).dtype == torch.bfloat16
"""


def test_the_operation_of_the_page_works(tmp_path):
    files = dict(FILE.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    assert len(files) == 4
    for name, code in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")
    subprocess.run([sys.executable, "-c", CHECK, str(tmp_path)], check=True, timeout=300)


def test_the_page_names_what_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:src|tests|benchmarks|docs|\.ci)/[\w./-]+)`", text):
        assert "activation" in path or (ROOT / path).exists(), path
    for module in re.findall(r"python -m ([\w.]+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists() or (
            ROOT / module.replace(".", "/") / "__main__.py"
        ).exists(), module
