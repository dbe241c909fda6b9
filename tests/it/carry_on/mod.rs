//! A trust server goes dark, and what it held lives on: real programs before and after.

mod bumps;
mod mirrors;
mod moving;
mod world;
