//! What the outside sees of `collect`.
