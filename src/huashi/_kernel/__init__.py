"""How an operation gets its kernels: declared to torch, compiled by Numba or Triton."""
