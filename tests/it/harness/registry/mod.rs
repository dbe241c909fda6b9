//! A registry in this process that is a correct one, until a script says otherwise.
//!
//! * [`ScriptedRegistry`] is the server: what it holds, what it was asked, how it fails
//! * [`contents::Contents`] is an honest registry in memory (OCI distribution 1.1, without referrers)
//! * [`door::Door`] demands tokens and hands them out
//! * [`Fault`] is one thing that goes wrong; [`script::Script`] says when
//! * [`Meeting`] holds requests until several of them are there at once

pub(crate) mod answer;
pub(crate) mod contents;
pub(crate) mod door;
pub(crate) mod fault;
pub(crate) mod meeting;
pub(crate) mod script;
pub(crate) mod server;

pub(crate) use answer::Answer;
pub(crate) use fault::Fault;
pub(crate) use meeting::Meeting;
pub(crate) use server::{Entry, ScriptedRegistry};
