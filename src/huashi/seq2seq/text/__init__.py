"""Text: tokenizers, files of pairs, scores."""
