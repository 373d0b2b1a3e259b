"""The folder of compiled steps: damaged libraries, the size limit, many processes."""

import os
import subprocess
import sys
import time

import pytest

from framework.training.compiled import build, cache

SOURCE = "int answer(void) { return 42; }"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "stackprop" / "compiled"


def libraries(folder):
    return sorted(folder.glob("*.so"))


def answered():
    """What the library gives in another process: this one would hold its file."""
    code = f"from framework.training.compiled.build import load; print(load({SOURCE!r}).answer())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:4000] + bytes(96) + b[4096:]])
def test_a_damaged_library_is_compiled_again(folder, damage):
    assert answered() == "42"
    (library,) = libraries(folder)
    library.write_bytes(damage(library.read_bytes()))
    assert answered() == "42"
    (library,) = libraries(folder)
    assert library.stem.endswith(cache._sum(library))


def test_a_library_is_loaded_rather_than_compiled_again(folder):
    build.load(SOURCE)
    before = build.seconds()
    build.load(SOURCE)
    assert build.seconds() == before
    build.load(SOURCE.replace("42", "43"))
    assert build.seconds() > before


def filled(folder, sizes):
    folder.mkdir(parents=True)
    for age, size in enumerate(sizes):
        for end in ("so", "c"):
            path = folder / f"{age}.{end}"
            path.write_bytes(bytes(size // 2))
            os.utime(path, (0, time.time() - age))


def test_libraries_that_were_not_used_for_longest_are_removed(folder):
    filled(folder, [100, 100, 100, 100])
    cache.trim(folder, 250)
    assert sorted(path.name for path in folder.iterdir()) == ["0.c", "0.so", "1.c", "1.so"]


def test_a_library_that_is_loaded_counts_as_used(folder):
    build.load(SOURCE)
    (library,) = libraries(folder)
    os.utime(library, (0, 0))
    build.load(SOURCE)
    assert time.time() - library.stat().st_mtime < 60


def test_folders_of_interrupted_compilations_are_removed(folder):
    for name, age in (("tmpold", 2 * cache.ABANDONED), ("tmpnew", 0)):
        (folder / name).mkdir(parents=True)
        os.utime(folder / name, (0, time.time() - age))
    cache.trim(folder)
    assert [path.name for path in folder.iterdir()] == ["tmpnew"]


def test_without_a_home_the_temporary_folder_holds_libraries(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(cache.Path, "home", lambda: (_ for _ in ()).throw(RuntimeError))
    assert [path.name for path in cache.folders()] == [f"stackprop-compiled-{os.getuid()}"]


def test_doctor_shows_and_removes_compiled_steps(ask, folder):
    build.load(SOURCE)
    status, out, _ = ask("doctor")
    assert status == 0
    assert f"compiler  {' '.join(build.compiler())}: {build.version()}\n" in out
    assert f"steps     {folder}: 1 compiled, " in out
    assert f"steps     {folder}" not in ask("doctor", "--clear")[1]
    assert not folder.exists()


@pytest.mark.slow
def test_processes_may_compile_the_same_step_at_once(folder):
    """Three forks of one that has imported everything."""
    words = "'dataset=xor', 'tracking=none', 'trainer.epochs=30', 'tier=compiled'"
    code = f"""
import os
from framework.config.composition import compose
from framework.experiments.experiment import prepare
from framework.training.trainer import train
e, running = prepare(compose([{words}])), []
for _ in range(3):
    running.append(os.fork())
    if not running[-1]:
        (found,) = train([e.learner], [e.data], [0], tier="compiled")
        end = found.metrics["val/loss" if "val/loss" in found.metrics else "train/accuracy"]
        os.write(1, f"{{end}} {{found.tier}}\\n".encode())
        os._exit(0)
raise SystemExit(any(os.waitpid(child, 0)[1] for child in running))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    one, two, three = done.stdout.splitlines()
    assert one == two == three
    assert not list(folder.glob("tmp*"))
    assert all(path.stem.endswith(cache._sum(path)) for path in libraries(folder))
