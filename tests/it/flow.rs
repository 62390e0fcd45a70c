//! What the outside sees of `flow`.
