//! The manifests that are statements of another (OCI distribution 1.1, "Listing Referrers").

use std::sync::Arc;

use ::http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use crate::limits::{MAX_PAGE_ENTRIES, MAX_REFERRERS_PAGE_BYTES};
use crate::oci::manifest::OCI_INDEX;
use crate::oci::{Digest, RepositoryName};
use crate::server::http::{Exchange, Response, bytes};
use crate::server::registry::pages::{Page, link_next};
use crate::server::registry::wrong_method;
use crate::server::trust::Subject;
use crate::server::{Refusal, Server};
use crate::wire::referrers::Referrer;
use crate::wire::registry::referrers_path;

/// Answers `/v2/{name}/referrers/{digest}`. A repository that is not known has none. Statements
/// that the caller may not pull are left out; if the subject is there and is denied, so is the list.
pub(super) async fn respond(
    server: &Arc<Server>,
    name: RepositoryName,
    subject: Digest,
    exchange: Exchange,
) -> Result<Response, Refusal> {
    if !matches!(exchange.method, Method::GET | Method::HEAD) {
        return Err(wrong_method("GET, HEAD"));
    }
    let page = Page::of(&exchange, MAX_PAGE_ENTRIES)?;
    let artifact_type = exchange.parameter("artifactType").filter(|text| !text.is_empty());
    let mut reading = server.meta.read().await?;
    if reading.manifest(&name, &subject).await?.is_some() {
        let subject = Subject::Manifest(&subject);
        server.gate.pull(&mut reading, &name, subject, &exchange.caller).await??;
    }
    let wanted = artifact_type.as_deref();
    // Not every database takes this byte, and none has it.
    let can_be = wanted.is_none_or(|text| !text.contains('\0'));
    let found = if can_be && page.entries > 0 {
        let limit = page.entries.saturating_add(1);
        reading.referrers(&name, &subject, wanted, &page.after, limit).await?
    } else {
        Vec::new()
    };
    let (mut entries, mut size, mut next_after) = (Vec::new(), 0, None);
    let mut last = None;
    for (count, digest) in found.iter().enumerate() {
        if count == page.entries || size > MAX_REFERRERS_PAGE_BYTES {
            next_after = last;
            break;
        }
        last = Some(digest);
        let entry = Subject::Manifest(digest);
        if server.gate.pull(&mut reading, &name, entry, &exchange.caller).await?.is_err() {
            continue;
        }
        let Some(row) = reading.manifest(&name, digest).await? else { continue };
        let referrer = Referrer::of_manifest(&row.media_type, digest, &row.bytes);
        let Some((_, referrer)) = referrer else { continue };
        let entry = entry_of(&referrer);
        size += entry.to_string().len();
        entries.push(entry);
    }
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
    let mut response = bytes(StatusCode::OK, OCI_INDEX, list.to_string());
    if wanted.is_some() {
        response.headers_mut().insert(FILTERS, HeaderValue::from_static("artifactType"));
    }
    if let Some(after) = next_after {
        let count = page.entries.to_string();
        let mut parameters = vec![("last", after.as_str()), ("n", &count)];
        if let Some(wanted) = wanted {
            parameters.push(("artifactType", wanted));
        }
        link_next(&mut response, &referrers_path(name.as_str(), &subject), &parameters);
    }
    Ok(response)
}

fn entry_of(referrer: &Referrer) -> Value {
    let mut entry = json!({
        "mediaType": referrer.media_type,
        "digest": referrer.digest.as_str(),
        "size": referrer.size,
    });
    if let Some(members) = entry.as_object_mut() {
        if let Some(artifact_type) = &referrer.artifact_type {
            members.insert("artifactType".to_owned(), json!(artifact_type));
        }
        if !referrer.annotations.is_empty() {
            members.insert("annotations".to_owned(), json!(referrer.annotations));
        }
    }
    entry
}

/// Which filters of the query were applied.
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
