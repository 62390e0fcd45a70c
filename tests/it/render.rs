//! What the outside sees of `render`.
