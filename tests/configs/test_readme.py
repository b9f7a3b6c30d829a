"""Every command in the README composes as written, and every file it names exists."""

import re
import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from conftest import PROJECT, compose_config
from facemask.cli.main import COMMANDS as DEFINED
from facemask.config.arguments import MULTIRUN, expand_shorthands, normalise_arguments
from facemask.config.checks.evaluation import resolve_evaluation
from facemask.config.checks.export import resolve_export
from facemask.config.checks.preparation import resolve_preparation
from facemask.config.checks.video import resolve_video
from facemask.config.compose import compose
from facemask.config.targets import check_components

PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]
README = "\n".join(page.read_text() for page in PAGES)
COMMANDS = sorted(set(re.findall(r"python train\.py[^`\n]*", README)))
OTHERS = sorted(set(re.findall(r"python (?:evaluate|export|prepare_data|infer_video)\.py[^`\n]*", README)))
TARGETS = sorted(set(re.findall(r"\bmake ([a-z-]+)`|^make ([a-z-]+)$", README, re.MULTILINE)))
USER_FILES = {"model=mine"}  # files that the reader would write
FLAGS = {"--cfg", "job", "--help"}


def test_readme_contains_commands() -> None:
    assert len(COMMANDS) > 20
    assert len(OTHERS) > 5
    assert "python train.py model=mobilenetv2 -m lr=1e-2,1e-3,1e-4,1e-5 bs=16,32,64" in COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_training_command_composes_and_passes_the_checks(command: str) -> None:
    typed = expand_shorthands("train", normalise_arguments(shlex.split(command)[2:], DEFINED["train"].repeated))
    words = [word for word in typed if word not in {*MULTIRUN, *FLAGS, *USER_FILES}]
    chosen = []
    for override in OverridesParser.create().parse_overrides(words):
        last = list(override.sweep_string_iterator())[-1] if override.is_sweep_override() else None
        chosen.append(f"{override.input_line.partition('=')[0]}={last}" if last else override.input_line)
    check_components(compose_config(*chosen))


@pytest.mark.parametrize("command", OTHERS)
def test_other_command_composes_and_passes_the_checks(command: str) -> None:
    script, *words = shlex.split(command)[1:]
    name = script.removesuffix(".py")
    check = {
        "evaluate": resolve_evaluation,
        "prepare_data": resolve_preparation,
        "export": resolve_export,
        "infer_video": resolve_video,
    }[name]
    typed = normalise_arguments(words, DEFINED[name].repeated, DEFINED[name].renamed)
    expanded = expand_shorthands(name, typed)
    chosen = [word for word in expanded if word not in FLAGS]
    composed = compose(name, chosen)
    assert {"--cfg", "--help"} & {*words} or check(composed)


@pytest.mark.parametrize("target", [first or second for first, second in TARGETS])
def test_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:.*##", (PROJECT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"\b(?:conf|src|benchmarks)/[\w/.]+", README)) - {"conf/model/mine.yaml"})
)
def test_referenced_file_exists(path: str) -> None:
    assert (PROJECT / path).exists()


def test_the_readme_is_short() -> None:
    assert len(PAGES[0].read_text().splitlines()) <= 200


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


LINKS = [(page, link) for page in PAGES for link in re.findall(r"\]\((?!http)([^)]+)\)", page.read_text())]


@pytest.mark.parametrize(("page", "link"), LINKS, ids=[f"{page.name}-{link}" for page, link in LINKS])
def test_every_link_has_a_target(page: Path, link: str) -> None:
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    assert target.exists()
    assert not anchor or anchor in anchors(target)
