//! Dockerfiles, as BuildKit reads them: their text, and nothing of what it is about.
//!
//! * the parts of a file: [`instruction`]
//! * a text read as one: [`parse()`]; what is wrong with it: [`error`]
//! * the same with nothing refused because it is not known: [`outline`]
//! * variables in words: [`expansion`]
//! * what is worth a warning: [`checks`]
//! * instructions as changes of a configuration: [`config_change`]
//! * which files are no part of a context: [`ignore`]; patterns of paths: [`pattern`]
//!
//! Nothing here touches a disk, and nothing is expanded before it is asked for: a word keeps the
//! text that the file has, and where it stands.

pub mod checks;
pub mod config_change;
mod directives;
mod duration;
pub mod error;
pub mod expansion;
mod flags;
pub mod ignore;
pub mod instruction;
mod lines;
mod mounts;
pub mod outline;
mod parse;
mod path;
pub mod pattern;
mod ports;
mod shell_pattern;
mod signal;
mod spliced;
mod words;

pub use checks::{Finding, Known, check};
pub use error::{Problem, SyntaxError, place};
pub use expansion::{
    ExpansionError, ExpansionProblem, Lookup, expand, expand_heredoc, expand_words,
};
pub use ignore::{Ignore, IgnoreError, IgnoreProblem};
pub use instruction::{
    Add, Argument, Assignment, Check, Command, Copy, Directives, Dockerfile, From, Healthcheck,
    Heredoc, Instruction, Mount, MountKind, Network, Run, Security, Sharing, Skipped, Source,
    Stage, Step, Trigger, Word,
};
pub use mounts::bytes;
pub use outline::{Outline, Rough};
pub use parse::{parse, parse_trigger};
pub use path::joined;
pub use pattern::{Pattern, PatternError, Patterns};
pub use ports::ports;
pub use signal::is_signal;
