"""Operations of training: losses, dropout, the attention of sentences."""
