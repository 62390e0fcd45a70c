//! What the outside sees of `config`.
