//! Dockerfiles, as BuildKit reads them: their text, and nothing of what it is about.
//!
//! * the parts of a file: [`instruction`]
//!
//! Nothing here touches a disk, and nothing is expanded before it is asked for: a word keeps the
//! text that the file has, and where it stands.

pub mod instruction;

pub use instruction::{
    Add, Argument, Assignment, Check, Command, Copy, Directives, Dockerfile, From, Healthcheck,
    Heredoc, Instruction, Mount, MountKind, Network, Run, Security, Sharing, Skipped, Source,
    Stage, Step, Trigger, Word,
};
