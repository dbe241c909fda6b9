//! Fetching blobs: piece by piece, gone on with where a connection broke.

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderValue, RANGE};
use reqwest::{Method, StatusCode};
use tokio::time::sleep;
use url::Url;

use crate::client::body::OpenBody;
use crate::client::error::Cause;
use crate::client::http::{Opened, Reading, Request, redirect_problem};
use crate::client::registry::connection::{Ask, PULL, RegistryClient};
use crate::client::{RegistryError, TransportError, retry};
use crate::oci::{Descriptor, Digest, Reference};
use crate::wire::auth::repository_scope;
use crate::wire::errors::is_html;
use crate::wire::registry::{blob_path, content_range};

/// Where fetched content goes. It is this that knows whether the content is what its digest says.
pub trait BlobSink: Send + fmt::Debug {
    /// Takes the next piece.
    fn take(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), Cause>>;

    /// Forgets everything taken: it begins anew.
    fn restart(&mut self) -> BoxFuture<'_, Result<(), Cause>>;
}

impl RegistryClient {
    /// Asks once whether a repository has a blob; returns its length in bytes if the registry tells.
    pub async fn has_blob(
        &self,
        repository: &str,
        digest: &Digest,
        scope: &str,
    ) -> Result<Option<Option<u64>>, RegistryError> {
        let path = blob_path(self.reference(repository, digest.as_str())?.path(), digest);
        let ask = Ask { method: Method::HEAD, path: &path, query: None, scope, limit: 0 };
        let complete = |request: &mut Request| request.retried = false;
        let answer = self.ask(&ask, &complete).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let length = answer.header(CONTENT_LENGTH.as_str());
                Ok(Some(length.and_then(|text| text.parse().ok())))
            }
            _ => Err(answer.error().into()),
        }
    }

    /// Fetches a blob into a sink: exactly as many bytes as its descriptor says, or there is an
    /// error. Goes on with a range where a connection broke, after pauses, as long as something
    /// comes.
    pub async fn fetch_blob(
        &self,
        repository: &str,
        blob: &Descriptor,
        sink: &mut dyn BlobSink,
    ) -> Result<(), RegistryError> {
        let reference = self.reference(repository, blob.digest.as_str())?;
        let own = self.fetch_from(&Place::Own(&reference), blob, sink).await;
        let Err(RegistryError::NotFound { .. }) = own else { return own };
        // Registries need not have what says where else it is.
        let mut last = own;
        for url in &blob.urls {
            let Ok(url) = Url::parse(url) else { continue };
            let own = self.address(self.is_plain(), "/")?;
            let plain = url.scheme() != "https" && !self.http.options().insecure;
            // An image must not lead us to where only we can go.
            if plain || redirect_problem(&own, &url).is_some() {
                continue;
            }
            sink.restart().await.map_err(|cause| sink_error(blob, cause))?;
            last = self.fetch_from(&Place::Elsewhere(&url), blob, sink).await;
            if last.is_ok() {
                return last;
            }
        }
        last
    }

    /// Opens a blob from this byte on, to be passed on as it comes: without going on after a break.
    pub(super) async fn open_blob(
        &self,
        place: &Place<'_>,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<(OpenBody, u64), RegistryError> {
        let range = (offset > 0).then(|| format!("bytes={offset}-"));
        let range = range.and_then(|text| HeaderValue::from_str(&text).ok());
        let complete = |request: &mut Request| {
            request.headers.extend(range.clone().map(|range| (RANGE, range)));
            request.retried = false;
        };
        let limit = blob.size.saturating_sub(offset).max(blob.size);
        let opened = match place {
            Place::Own(reference) => {
                let path = blob_path(reference.path(), &blob.digest);
                let scope = repository_scope(reference.path(), PULL);
                let ask =
                    Ask { method: Method::GET, path: &path, query: None, scope: &scope, limit };
                self.exchange_with(&ask, Reading::Head, &complete).await?
            }
            Place::Elsewhere(url) => {
                let mut request = Request::get((*url).clone(), limit);
                complete(&mut request);
                // Not ours: TLS is judged as that of any other host, and no login goes there.
                request.on_behalf_of = self.address(self.is_plain(), "/").ok();
                self.http.open(&request).await?
            }
        };
        let body = match opened {
            Opened::Body(body) => *body,
            Opened::Other(answer) if answer.status == StatusCode::NOT_FOUND => {
                let reference = match place {
                    Place::Own(reference) => reference.familiar(),
                    Place::Elsewhere(url) => crate::client::error::redact(url),
                };
                return Err(RegistryError::NotFound { reference });
            }
            Opened::Other(answer) => return Err(answer.error().into()),
        };
        let header = |name: reqwest::header::HeaderName| {
            body.headers.get(name).and_then(|value| value.to_str().ok())
        };
        let bad = |problem: &str| TransportError::BadAnswer {
            url: crate::client::error::redact(&body.url),
            problem: problem.to_owned(),
        };
        let begins = match body.status {
            StatusCode::PARTIAL_CONTENT => {
                let range = header(CONTENT_RANGE).and_then(content_range);
                let Some((first, _, whole)) = range else {
                    return Err(bad("a part without saying which").into());
                };
                if first != offset || whole.is_some_and(|whole| whole != blob.size) {
                    return Err(bad("another part than was asked for").into());
                }
                first
            }
            _ => 0,
        };
        if let Some(announced) = body.announced()
            && announced != blob.size - begins
        {
            let is_page = is_html(header(reqwest::header::CONTENT_TYPE).unwrap_or_default(), b"");
            if is_page {
                return Err(bad("a web page where a blob should be").into());
            }
            return Err(self.wrong_length(blob, begins.saturating_add(announced)));
        }
        Ok((body, begins))
    }

    async fn fetch_from(
        &self,
        place: &Place<'_>,
        blob: &Descriptor,
        sink: &mut dyn BlobSink,
    ) -> Result<(), RegistryError> {
        let mut taken = 0;
        let mut attempt = 1;
        loop {
            let before = taken;
            let error = match self.fetch_once(place, blob, &mut taken, sink).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            attempt = if taken > before { 1 } else { attempt };
            let RegistryError::Transport(failure) = &error else { return Err(error) };
            let first_wait = self.http.options().retry_wait;
            let Some(pause) = retry::wait_to_go_on(attempt, failure, first_wait) else {
                return Err(error);
            };
            tracing::debug!("{}: {failure}; going on at byte {taken} in {pause:?}", blob.digest);
            sleep(pause).await;
            attempt += 1;
        }
    }

    async fn fetch_once(
        &self,
        place: &Place<'_>,
        blob: &Descriptor,
        taken: &mut u64,
        sink: &mut dyn BlobSink,
    ) -> Result<(), RegistryError> {
        let (mut body, begins) = self.open_blob(place, blob, *taken).await?;
        if begins != *taken {
            sink.restart().await.map_err(|cause| sink_error(blob, cause))?;
            *taken = 0;
        }
        while let Some(piece) = body.next().await? {
            let length = piece.len() as u64;
            if *taken + length > blob.size {
                return Err(self.wrong_length(blob, *taken + length));
            }
            sink.take(piece).await.map_err(|cause| sink_error(blob, cause))?;
            *taken += length;
        }
        if *taken != blob.size {
            return Err(self.wrong_length(blob, *taken));
        }
        Ok(())
    }

    pub(super) fn wrong_length(&self, blob: &Descriptor, actual: u64) -> RegistryError {
        RegistryError::WrongLength {
            registry: self.domain.clone(),
            digest: blob.digest.clone(),
            expected: blob.size,
            actual,
        }
    }
}

/// Where a blob is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// In this repository of the registry.
    Own(&'a Reference),
    /// Where its descriptor says.
    Elsewhere(&'a Url),
}

fn sink_error(blob: &Descriptor, cause: Cause) -> RegistryError {
    RegistryError::Sink { digest: blob.digest.clone(), cause }
}
