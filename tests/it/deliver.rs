//! What the outside sees of `deliver`.
