# What `native/` is built into: the functions of numpy_kernel, under the same names.
VECTORS: str
