//! Trust metadata in Notary's dialect of TUF: model, verification, trusted set, editing. Pure.

pub mod names;

pub use names::{Gun, NameError, RoleName, TargetName};
