"""The models: encoders and decoders, a family a file or folder."""
