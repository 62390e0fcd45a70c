//! What the outside sees of `demo`.
