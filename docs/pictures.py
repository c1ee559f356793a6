"""Make the pictures of the documentation from a trained run: python docs/pictures.py."""

from pathlib import Path

import torch
from matplotlib.figure import Figure

from huashi import report
from huashi._files import write_atomically
from huashi.run import Run
from huashi.seq2seq import Translator, entmax15

PICTURES = Path(__file__).parent / "pictures"


def entmax() -> bytes:
    """The larger probability of two, over the difference of their scores."""
    x = torch.linspace(-4, 4, 401)
    pairs = torch.stack([x, torch.zeros_like(x)], -1)
    figure = Figure(figsize=(6, 3), layout="constrained")
    panel = figure.subplots()
    panel.plot(x, pairs.softmax(-1)[:, 0], label="softmax", color="#8aa0b3")
    panel.plot(x, entmax15(pairs)[:, 0], label="1.5-entmax", color="#b5462f")
    panel.set_xlabel("difference of two scores")
    panel.set_ylabel("weight of the first")
    panel.grid(alpha=0.25)
    panel.legend(frameon=False)
    panel.spines[["top", "right"]].set_visible(False)
    return report.png(figure)


def main() -> None:
    run = Run("runs/dates")
    [[best]] = Translator.load(run).search(["<fi> lauantai 8. lokakuuta 1927"])
    pictures = {
        "entmax": entmax(),
        "learning_curves": report.learning_curves(run.metrics()),
        "attention": report.attention_picture(best.source_tokens, best.tokens, best.alignment),
        "locales": report.dots(run.results["locales"], "exact match, %", run.config["held_out"]),
    }
    for name, content in pictures.items():
        write_atomically(PICTURES / f"{name}.png", content)


if __name__ == "__main__":
    main()
