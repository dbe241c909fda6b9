//! One thing that goes wrong.

use std::fmt;

use super::answer::Answer;
use crate::harness::server::Request;

/// What a registry does in place of what it should.
pub(crate) enum Fault {
    /// Answers this, after the whole request has come, and does nothing.
    Answer(Answer),
    /// Answers this before the request's body is read, and ends the connection.
    Early(Answer),
    /// Does as it was asked, and tells it in another way.
    Alter(Box<dyn FnOnce(Answer) -> Answer>),
    /// Does and answers what it was not asked for.
    AsIf(Box<dyn FnOnce(&mut Request)>),
    /// Reads so many bytes of the request's body and ends the connection; an upload keeps them.
    CutRequest(usize),
    /// The same, but an upload loses them.
    CutAndLose(usize),
    /// Reads the request, does as it was asked, and ends the connection without an answer.
    Swallow,
    /// Says nothing until the client leaves.
    Silence,
}

impl Fault {
    /// An answer without a body.
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(Answer::new(status, ""))
    }

    /// An answer with an error of the registry's own.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::Answer(Answer::error(status, code))
    }

    /// 429, with the time after which to come back as the header has it.
    pub(crate) fn too_many_requests(retry_after: &str) -> Self {
        let answer = Answer::error(429, "TOOMANYREQUESTS").with("Retry-After", retry_after);
        Self::Answer(answer)
    }

    /// What it says is there is somewhere else.
    pub(crate) fn redirect(status: u16, target: &str) -> Self {
        Self::Answer(Answer::new(status, "").with("Location", target))
    }

    /// The upload is not known any more.
    pub(crate) fn lost_upload() -> Self {
        Self::error(404, "BLOB_UPLOAD_UNKNOWN")
    }

    /// The honest answer, ended after so many bytes of its body.
    pub(crate) fn cut_after(bytes: usize) -> Self {
        Self::alter(move |answer| Answer { cut: Some(bytes), ..answer })
    }

    /// The honest answer with another header.
    pub(crate) fn header(name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        Self::alter(move |answer| answer.with(name, &value))
    }

    /// The honest answer with other bytes.
    pub(crate) fn body(change: impl FnOnce(&mut Vec<u8>) + 'static) -> Self {
        Self::alter(|mut answer| {
            change(&mut answer.body);
            answer
        })
    }

    /// The honest answer with this bit of its first byte turned over.
    pub(crate) fn flipped_bit() -> Self {
        Self::body(|body| body[0] ^= 1)
    }

    /// The honest answer, whose Content-Length is off by this much.
    pub(crate) fn wrong_length(by: isize) -> Self {
        Self::alter(move |answer| {
            let announced = answer.body.len().saturating_add_signed(by);
            Answer { announced: Some(announced), ..answer }
        })
    }

    /// The honest answer of a registry that knows no ranges.
    pub(crate) fn without_ranges() -> Self {
        Self::AsIf(Box::new(|request| {
            request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("range"));
        }))
    }

    /// The honest answer for this range of bytes, whatever was asked for.
    pub(crate) fn another_range(range: String) -> Self {
        Self::AsIf(Box::new(move |request| {
            request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("range"));
            request.headers.push(("Range".to_owned(), range));
        }))
    }

    /// The honest answer, changed.
    pub(crate) fn alter(change: impl FnOnce(Answer) -> Answer + 'static) -> Self {
        Self::Alter(Box::new(change))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answer(_) => "Answer",
            Self::Early(_) => "Early",
            Self::Alter(_) => "Alter",
            Self::AsIf(_) => "AsIf",
            Self::CutRequest(_) => "CutRequest",
            Self::CutAndLose(_) => "CutAndLose",
            Self::Swallow => "Swallow",
            Self::Silence => "Silence",
        })
    }
}
