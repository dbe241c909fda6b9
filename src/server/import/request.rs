//! A collection that comes over HTTP (`spec/carry-on.md` §4). Whoever sends it may replace what
//! readers get, so it takes the right to delete; what is sent is believed no more for that.

use std::error::Error as _;
use std::sync::Arc;

use ::http::header::CONTENT_TYPE;
use ::http::{Method, StatusCode};
use bytes::Bytes;
use serde_json::json;

use crate::clock::Timestamp;
use crate::limits::MAX_IMPORT_PARTS;
use crate::server::http::{Exchange, Response, json as json_answer};
use crate::server::import::{ImportError, Incoming, Outcome, TakenIn, take_in};
use crate::server::meta::feed::PastChange;
use crate::server::notary::{MultipartError, multipart, uploaded};
use crate::server::{Refusal, Server};
use crate::tuf::Gun;
use crate::tuf::history::{Finding, KeptFile};
use crate::wire::form::FormReader;
use crate::wire::import::{FEED, Imported, LeftOut};
use crate::wire::notary::{Change, Changefeed, ErrorCode};

/// Takes a collection in.
pub async fn respond(
    server: &Arc<Server>,
    gun: Gun,
    mut exchange: Exchange,
) -> Result<Response, Refusal> {
    if exchange.method != Method::POST {
        return Err(Refusal::wrong_method("POST"));
    }
    let body = uploaded(server, &mut exchange, server.notary.max_publication_bytes).await?;
    let content_type = exchange.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let incoming = parts(gun, content_type, body).await?;
    let taken = take_in(server, incoming, exchange.caller.label()).await?;
    Ok(json_answer(StatusCode::OK, &told(&taken)))
}

/// Takes the request apart.
async fn parts(gun: Gun, content_type: &str, body: Bytes) -> Result<Incoming, Refusal> {
    let broken = |error| Refusal::from(MultipartError::from(error));
    let mut form = FormReader::new(content_type, body, MAX_IMPORT_PARTS).map_err(broken)?;
    let mut incoming =
        Incoming { gun, files: Vec::new(), at_least: 0, feed: Vec::new(), keys: Vec::new() };
    while let Some(part) = form.next().await.map_err(broken)? {
        if part.name == FEED {
            incoming.feed = feed(&incoming.gun, &part.bytes)?;
            continue;
        }
        let role = multipart::role(&part.file_name)?;
        incoming.files.push((KeptFile { role, bytes: part.bytes.to_vec() }, None));
    }
    if incoming.files.is_empty() {
        return Err(malformed("there are no files"));
    }
    Ok(incoming)
}

/// The changes of the past. Numbers mean nothing here.
fn feed(gun: &Gun, bytes: &[u8]) -> Result<Vec<PastChange>, Refusal> {
    let feed = Changefeed::parse(bytes).map_err(|_| malformed("the changefeed is none"))?;
    let changes = feed.records.into_iter().filter(|change| change.gun == gun.as_str());
    let change = |change: Change| {
        Some(PastChange {
            id: None,
            at: change.created_at.parse::<Timestamp>().ok()?,
            version: change.version,
            sha256: change.sha256,
            is_deletion: change.category == "deletion",
        })
    };
    Ok(changes.filter_map(change).collect())
}

fn malformed(problem: &str) -> Refusal {
    let message = "The body of your request is malformed.";
    Refusal::notary(ErrorCode::MalformedUpload, message).with_detail(json!(problem))
}

fn told(taken: &TakenIn) -> Imported {
    Imported {
        outcome: match taken.outcome {
            Outcome::New => "new",
            Outcome::Continued => "continued",
            Outcome::Unchanged | Outcome::Remembered => "unchanged",
        }
        .to_owned(),
        stored: u64::try_from(taken.stored).unwrap_or(u64::MAX),
        archive: taken.is_archive,
        left_out: taken.left_out.iter().take(MAX_TOLD_FILES).map(left_out).collect(),
    }
}

/// What is told of a file that was not stored: its problem in short, for names in it may be long and
/// somebody else's.
pub fn left_out(finding: &Finding) -> LeftOut {
    let problem = match &finding.refused {
        None => "it is newer than what belongs together".to_owned(),
        Some(fault) => in_short(fault),
    };
    LeftOut { role: finding.role.to_string(), version: finding.version, problem }
}

/// An error with its cause, in short.
fn in_short(error: &dyn std::error::Error) -> String {
    let words = match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    words.chars().take(MAX_PROBLEM_CHARS).collect()
}

impl From<ImportError> for Refusal {
    fn from(error: ImportError) -> Self {
        let name = match error {
            ImportError::Meta(error) => return error.into(),
            ImportError::Signer(error) => return error.into(),
            ImportError::Restless { .. } => return Self::unavailable(&error),
            ImportError::Check(_)
            | ImportError::Unreadable { .. }
            | ImportError::SignerElsewhere { .. }
            | ImportError::Behind { .. }
            | ImportError::DeletedThere { .. }
            | ImportError::KeyOfAnother { .. }
            | ImportError::TooLarge { .. }
            | ImportError::KeyOfOwner { .. } => return Self::internal(&error),
            ImportError::NotHeld { .. } => {
                let message = "The server does not support actions on images of this name.";
                return Self::notary(ErrorCode::InvalidGun, message);
            }
            ImportError::NothingCurrent { .. } => "ErrNothingCurrent",
            ImportError::Foreign { .. } => "ErrForeign",
            ImportError::Fork { .. } => "ErrFork",
            ImportError::RolledBack { .. } => "ErrRolledBack",
        };
        let mut text = error.to_string();
        if let Some(cause) = error.source() {
            text = format!("{text}: {}", in_short(cause));
        }
        let text: String = text.chars().take(MAX_PROBLEM_CHARS * 2).collect();
        Self::notary(ErrorCode::InvalidUpdate, "The collection is not taken in.")
            .with_detail(json!({"Name": name, "Error": {"Msg": text}}))
    }
}

/// Most files that are told of in an answer.
const MAX_TOLD_FILES: usize = 100;
/// Most characters that are told of what is wrong with a file.
const MAX_PROBLEM_CHARS: usize = 200;
