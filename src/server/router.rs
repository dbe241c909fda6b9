//! What a path means. Names are taken apart from the right, for they contain slashes; nothing is
//! normalised and nothing redirected.

use crate::codec::text::from_percent;
use crate::oci::{Digest, RepositoryName, TagName};
use crate::tuf::{Gun, RoleName};
use crate::wire::notary::FileVersion;

/// What a path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/v2/`.
    Base,
    /// `/v2/_catalog`.
    Catalog,
    /// `/v2/{name}/tags/list`.
    Tags(RepositoryName),
    /// `/v2/{name}/manifests/{tag or digest}`.
    Manifest(RepositoryName, ManifestName),
    /// `/v2/{name}/blobs/{digest}`.
    Blob(RepositoryName, Digest),
    /// `/v2/{name}/blobs/uploads/`.
    Uploads(RepositoryName),
    /// `/v2/{name}/blobs/uploads/{id}`.
    Upload(RepositoryName, String),
    /// `/v2/{name}/referrers/{digest}`.
    Referrers(RepositoryName, Digest),
    /// `/v2/{name}/_trust/push`: manifest, tag and trust data in one (spec/signed-push.md).
    SignedPush(RepositoryName),
    /// `/v2/{gun}/_trust/import`: a collection that comes from elsewhere (spec/carry-on.md).
    TrustImport(Gun),
    /// `/v2/_trust/verdict`.
    Verdict,
    /// `/v2/{gun}/_trust/tuf/`.
    TrustFiles(Gun),
    /// `/v2/{gun}/_trust/tuf/{file}.json`.
    TrustFile(Gun, RoleName, FileVersion),
    /// `/v2/{gun}/_trust/tuf/{role}.key`, of the timestamp or the snapshot.
    TrustKey(Gun, RoleName),
    /// `/v2/{gun}/_trust/changefeed`.
    Changefeed(Gun),
    /// `/v2/_trust/changefeed`.
    AllChanges,
    /// `/_notary_server/health`.
    NotaryHealth,
    /// `/metrics`.
    Metrics,
    /// `/livez`.
    Live,
    /// `/readyz`.
    Ready,
    /// `/v1/_ping`.
    SearchPing,
    /// `/v1/search`.
    Search,
    /// The token service of this server.
    Token,
}

/// How a manifest is named in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestName {
    /// By a tag.
    Tag(TagName),
    /// By its digest.
    Digest(Digest),
}

/// Why a path leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteError {
    /// No route has this form.
    Unknown,
    /// A trust route that does not exist.
    UnknownTrust,
    /// The repository's name is none.
    Name,
    /// The GUN is none.
    Gun,
    /// The digest is none.
    Digest,
    /// The tag is none.
    Tag,
}

/// Finds what a path stands for. The path is as it came in: percent-encoded, without the query.
pub fn route(path: &str) -> Result<Route, RouteError> {
    match path {
        "/v2/" | "/v2" => return Ok(Route::Base),
        "/v2/_catalog" => return Ok(Route::Catalog),
        "/v2/_trust/changefeed" => return Ok(Route::AllChanges),
        "/v2/_trust/verdict" => return Ok(Route::Verdict),
        "/_notary_server/health" => return Ok(Route::NotaryHealth),
        "/metrics" => return Ok(Route::Metrics),
        "/livez" => return Ok(Route::Live),
        "/readyz" => return Ok(Route::Ready),
        "/v1/_ping" => return Ok(Route::SearchPing),
        "/v1/search" => return Ok(Route::Search),
        TOKEN_PATH => return Ok(Route::Token),
        _ => {}
    }
    let rest = path.strip_prefix("/v2/").ok_or(RouteError::Unknown)?;
    if let Some((gun, rest)) = rest.rsplit_once("/_trust/") {
        return trust_route(gun, rest);
    }
    registry_route(rest)
}

/// Where the token service of this server is.
pub const TOKEN_PATH: &str = "/_trust/token";

fn registry_route(rest: &str) -> Result<Route, RouteError> {
    if let Some(name) = rest.strip_suffix("/tags/list") {
        return Ok(Route::Tags(repository(name)?));
    }
    if let Some(name) =
        rest.strip_suffix("/blobs/uploads/").or_else(|| rest.strip_suffix("/blobs/uploads"))
    {
        return Ok(Route::Uploads(repository(name)?));
    }
    let (before, last) = rest.rsplit_once('/').ok_or(RouteError::Unknown)?;
    if let Some(name) = before.strip_suffix("/blobs/uploads") {
        return Ok(Route::Upload(repository(name)?, last.to_owned()));
    }
    if let Some(name) = before.strip_suffix("/blobs") {
        return Ok(Route::Blob(repository(name)?, digest(last)?));
    }
    if let Some(name) = before.strip_suffix("/manifests") {
        let name = repository(name)?;
        let last = from_percent(last).map_err(|_| RouteError::Tag)?;
        return Ok(Route::Manifest(name, manifest_name(&last)?));
    }
    if let Some(name) = before.strip_suffix("/referrers") {
        return Ok(Route::Referrers(repository(name)?, digest(last)?));
    }
    Err(RouteError::Unknown)
}

/// What stands where a tag or a digest may.
pub fn manifest_name(text: &str) -> Result<ManifestName, RouteError> {
    if text.contains(':') {
        return Digest::parse(text).map(ManifestName::Digest).map_err(|_| RouteError::Digest);
    }
    TagName::parse(text).map(ManifestName::Tag).map_err(|_| RouteError::Tag)
}

fn trust_route(gun: &str, rest: &str) -> Result<Route, RouteError> {
    if rest == "push" {
        return Ok(Route::SignedPush(repository(gun)?));
    }
    if rest == "import" {
        let gun = from_percent(gun).map_err(|_| RouteError::Gun)?;
        return Gun::parse(&gun).map(Route::TrustImport).map_err(|_| RouteError::Gun);
    }
    let rest = rest.strip_prefix("tuf/").map_or_else(
        || if rest == "changefeed" { Ok(None) } else { Err(RouteError::UnknownTrust) },
        |file| Ok(Some(file)),
    )?;
    let gun = from_percent(gun).map_err(|_| RouteError::Gun)?;
    let gun = Gun::parse(&gun).map_err(|_| RouteError::Gun)?;
    match rest {
        None => Ok(Route::Changefeed(gun)),
        Some("") => Ok(Route::TrustFiles(gun)),
        Some(file) => trust_file(gun, file).ok_or(RouteError::UnknownTrust),
    }
}

fn trust_file(gun: Gun, file: &str) -> Option<Route> {
    let file = from_percent(file).ok()?;
    if let Some(role) = file.strip_suffix(".key") {
        let role = RoleName::parse(role).ok()?;
        let held_here = matches!(role, RoleName::Timestamp | RoleName::Snapshot);
        return held_here.then_some(Route::TrustKey(gun, role));
    }
    let (role, version) = FileVersion::parse_name(&file)?;
    Some(Route::TrustFile(gun, role, version))
}

fn repository(text: &str) -> Result<RepositoryName, RouteError> {
    let text = from_percent(text).map_err(|_| RouteError::Name)?;
    RepositoryName::parse(&text).map_err(|_| RouteError::Name)
}

fn digest(text: &str) -> Result<Digest, RouteError> {
    let text = from_percent(text).map_err(|_| RouteError::Digest)?;
    Digest::parse(&text).map_err(|_| RouteError::Digest)
}
