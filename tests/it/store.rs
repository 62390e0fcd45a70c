//! What the outside sees of `store`.
