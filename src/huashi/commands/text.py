"""Commands for text: ``huashi predict``, ``sample`` and ``import``."""

import contextlib
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from tyro import conf

from huashi._checks import check_unicode
from huashi._files import atomic_file, write_atomically
from huashi._lines import as_they_come
from huashi.commands._recipes import RUN
from huashi.seq2seq.inference.decoding import Decoding

DECODING = Annotated[Decoding, conf.arg(name="")]  # its fields are options of the command


def predict(
    run: RUN,
    input: Annotated[Path, conf.arg(metavar="[INPUT]")] = Path("-"),
    /,
    decoding: DECODING = Decoding(),  # noqa: B008  (frozen)
    *,
    output: Path | None = None,
    scores: bool = False,
    prefixes: Path | None = None,
    phrases: Path | None = None,
    choices: Path | None = None,
    ensemble: tuple[Path, ...] = (),
    ensemble_mean: Literal["probabilities", "log_probabilities"] = "probabilities",
    language_model: Path | None = None,
    language_model_weight: float = 0.2,
    explain: Path | None = None,
    skip_bad: bool = False,
    device: str = "cpu",
) -> None:
    """Translate lines of text, in order, as they come.

    A line out is the translation; with --scores its score and a tab stand before it, and with
    --nbest above 1 the number of the line it belongs to and a tab before that. A line break in a
    translation is written as a space; a blank line stays one.

    Args:
        run: folder of a finished run.
        input: a text file, a source a line, also .gz or .zst; - for standard input.
        decoding: how to look for translations.
        output: write here instead of standard output; the file appears once it is complete.
        scores: write the score, a mean log-probability, before each translation.
        prefixes: a file with a line for each source: how its translation begins.
        phrases: a file with a line for each source: what its translation contains, with tabs
            between.
        choices: a file with a translation a line: only these are allowed.
        ensemble: folders of more runs with the same tokenizer, to translate together with.
        ensemble_mean: what of their outputs is averaged.
        language_model: folder of a run of a language model, whose log-probabilities are added.
        language_model_weight: the weight of the language model's log-probabilities.
        explain: write a picture of the search for the first line here, a .png file, for the next
            lines into files beside it with -2, -3 and so on in their names.
        skip_bad: a line of the input that is not UTF-8 has an empty translation, and how many there
            were is said at the end; by default the first one ends the command, once the lines
            before it are translated.
        device: where to compute, such as cpu or cuda.
    """
    from huashi.seq2seq.inference.translator import Translator
    from huashi.seq2seq.text.corpus import read_lines

    if explain is not None and decoding.method != "beam":
        raise ValueError(f"method must be 'beam' for a picture, got {decoding.method!r}")
    if explain is not None and explain.suffix != ".png":
        raise ValueError(f"explain must be the name of a .png file, got {explain}")
    if output is not None and output.exists() and input.exists() and output.samefile(input):
        raise ValueError(f"output must be another file than the input, got {output}")
    if ensemble_mean != "probabilities" and not ensemble:
        raise ValueError(f"ensemble must be given for ensemble_mean {ensemble_mean}, got none")
    if language_model_weight != 0.2 and language_model is None:
        raise ValueError("language_model must be given for language_model_weight, got none")
    translator = Translator.load(
        run,
        *ensemble,
        mean=ensemble_mean,
        language_model=language_model,
        language_model_weight=language_model_weight,
        device=device,
    )
    lines_of = {"prefixes": prefixes, "phrases": phrases}
    wishes = {name: read_lines(path) for name, path in lines_of.items() if path is not None}
    only = None if choices is None else list(read_lines(choices))
    number, bad = 0, []
    with atomic_file(output) if output else contextlib.nullcontext(sys.stdout.buffer) as file:
        groups = as_they_come(read_lines(input, bad=bad if skip_bad else None), at_most=256)
        for lines in _counted(groups, shown=output is not None or not sys.stdout.isatty()):
            given: dict[str, Any] = {
                name: _next_lines(rest, len(lines), name) for name, rest in wishes.items()
            }
            if "phrases" in given:
                given["phrases"] = [[p for p in line.split("\t") if p] for line in given["phrases"]]
            keys = range(number, number + len(lines))
            found = translator.search(lines, decoding, choices=only, keys=keys, **given)
            for source, translations in zip(lines, found, strict=True):
                number += 1
                for one in translations:
                    cells = [str(number)] if decoding.nbest > 1 else []
                    cells += [f"{one.score:.4f}"] if scores else []
                    file.write("\t".join([*cells, _one_line(one.text)]).encode() + b"\n")
                if explain is not None and source.strip():
                    i = number - 1 - keys[0]
                    wished = {name: items[i] for name, items in given.items()}
                    picture = _picture(translator, source, decoding, choices=only, **wished)
                    write_atomically(_numbered(explain, number), picture)
            file.flush()
    if bad:
        print(
            f"huashi: {len(bad)} of {number} lines were not UTF-8 and are empty: line "
            f"{', '.join(map(str, bad[:5]))}{', ...' if len(bad) > 5 else ''} of {input}",
            file=sys.stderr,
        )


def sample(
    run: RUN,
    /,
    *,
    prompt: str = "\n",
    tokens: int = 300,
    samples: int = 1,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    typical: float | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> None:
    """Write on after a prompt, with a language model of running text.

    Args:
        run: folder of a finished run of the recipe lm.
        prompt: what was said before; it is written too.
        tokens: how many to draw.
        samples: how many texts, with an empty line between them.
        temperature: below 1 the likely is likelier.
        top_k: draw from the k likeliest tokens.
        top_p: draw from the likeliest tokens that have this probability together.
        min_p: draw from tokens at least this times as likely as the likeliest.
        typical: draw from the most typical tokens that have this probability together.
        seed: of what is drawn.
        device: where to compute, such as cpu or cuda.
    """
    from huashi.seq2seq.inference.language_model import LanguageModel

    check_unicode("prompt", prompt)
    writer = LanguageModel.load(run, device=device)
    filters: dict[str, Any] = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "typical": typical,
    }
    found = writer.sample(prompt, tokens=tokens, samples=samples, generator=seed, **filters)
    print("\n\n".join(prompt.lstrip("\n") + text for text in found))


def import_(
    folder: Annotated[Path, conf.arg(metavar="FOLDER")],
    run: RUN,
    /,
    *,
    tokens: Literal["character", "word"] = "word",
) -> None:
    """Make a run of a Transformer of CTranslate2, which predict takes like any other.

    Args:
        folder: with model.bin and its vocabularies; only read.
        run: the new run folder.
        tokens: how a text comes to be tokens: by characters, or by the spaces between them.
    """
    from huashi.seq2seq.ctranslate2 import import_ctranslate2

    import_ctranslate2(folder, run, tokens=tokens)
    print(f"run: {run}")


def _one_line(text: str) -> str:
    """A text on one line: its line breaks, which a model may have learned, as spaces."""
    return re.sub(r"\r\n?|\n", " ", text)


def _next_lines(lines: Iterator[str], count: int, name: str) -> list[str]:
    found = list(itertools.islice(lines, count))
    if len(found) < count:
        raise ValueError(f"{name} must have a line for each source, got fewer")
    return found


def _picture(translator: Any, source: str, decoding: Decoding, **wished: Any) -> bytes:
    """The picture of one search."""
    from huashi import report

    wished = {name.replace("prefixes", "prefix"): value for name, value in wished.items()}
    considered, found = translator.explain(source, decoding, **wished)
    return report.beam_picture(considered, found[0].tokens)


def _numbered(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def _counted(groups: Iterator[list[str]], *, shown: bool) -> Iterator[list[str]]:
    """``groups``, their lines counted on standard error where that is a terminal."""
    console = Console(stderr=True)
    if not (shown and console.is_terminal):
        yield from groups
        return
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} lines"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=None)
        for group in groups:
            yield group
            progress.advance(task, len(group))
