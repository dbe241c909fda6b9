//! The report of `trust audit`: its words, its table, its JSON and its SARIF.

pub mod report;
pub mod sarif;
pub mod words;
