//! The integration tests: one binary, one module for each room.

mod collect;
mod config;
mod deliver;
mod demo;
mod flow;
mod render;
mod store;
mod support;
mod web;
