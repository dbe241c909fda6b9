//! Downloads: files that a URL gives, of whoever's server.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use url::Url;

use crate::client::error::{Cause, redact};
use crate::client::http::{Opened, Request, is_loopback};
use crate::client::{HttpClient, TransportError};
use crate::limits::MAX_DOWNLOAD_BYTES;

/// Takes what is downloaded, piece by piece.
pub trait Taker: Send {
    /// Takes the next piece.
    fn take(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), Cause>>;
}

/// Why something was not downloaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// What was given is no address of HTTP.
    #[error("`{}` is not an HTTP address", url.escape_debug())]
    NotHttp {
        /// The address.
        url: String,
    },
    /// Anybody on the way could change what comes.
    #[error("{url} is not protected by TLS, and no checksum says what must come")]
    Plain {
        /// The address, without a login.
        url: String,
    },
    /// The server.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Whoever takes it.
    #[error("what {url} gives cannot be kept")]
    Taker {
        /// The address, without a login.
        url: String,
        /// Why.
        #[source]
        cause: Cause,
    },
}

/// Whether plain HTTP will do, which is never kept secret and can be changed by anybody on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// Only from this machine.
    Refused,
    /// What comes is compared with a checksum.
    Checked,
}

/// Downloads a file; returns how many bytes it has. Redirects are followed as everywhere: not out
/// of TLS, not to this machine or its link.
pub async fn download(
    http: &HttpClient,
    url: &str,
    plain: Plain,
    taker: &mut dyn Taker,
) -> Result<u64, DownloadError> {
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(parsed) = parsed.filter(Url::has_host) else {
        return Err(DownloadError::NotHttp { url: url.to_owned() });
    };
    let shown = redact(&parsed);
    let is_open = parsed.scheme() == "http" && !is_loopback(&parsed);
    if is_open && plain == Plain::Refused && !http.options().insecure {
        return Err(DownloadError::Plain { url: shown });
    }
    let mut body = match http.open(&Request::get(parsed, MAX_DOWNLOAD_BYTES)).await? {
        Opened::Body(body) => *body,
        Opened::Other(answer) => return Err(answer.error().into()),
    };
    let mut size = 0_u64;
    while let Some(piece) = body.next().await? {
        size = size.saturating_add(piece.len() as u64);
        let taken = taker.take(piece).await;
        taken.map_err(|cause| DownloadError::Taker { url: shown.clone(), cause })?;
    }
    if let Some(announced) = body.announced().filter(|announced| *announced > 0)
        && announced != size
        && body.headers.get("content-encoding").is_none()
    {
        // The connection was closed in the middle, and nobody said so.
        return Err(DownloadError::Transport(TransportError::BadAnswer {
            url: shown,
            problem: format!("it has {size} bytes, but {announced} were announced"),
        }));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::HttpOptions;

    #[derive(Default)]
    struct Held(Vec<u8>);

    impl Taker for Held {
        fn take(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), Cause>> {
            self.0.extend_from_slice(&piece);
            Box::pin(std::future::ready(Ok(())))
        }
    }

    #[tokio::test]
    async fn plain_http_needs_a_checksum_and_other_schemes_are_refused() {
        let http = HttpClient::new(HttpOptions::default());
        let mut held = Held::default();
        let plain = "http://user:secret@example.invalid/file";
        let error = download(&http, plain, Plain::Refused, &mut held).await.unwrap_err();
        assert!(matches!(error, DownloadError::Plain { .. }), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        for url in ["ftp://example.invalid/x", "file:///etc/passwd", "x", "https:///"] {
            let error = download(&http, url, Plain::Checked, &mut held).await.unwrap_err();
            assert!(matches!(error, DownloadError::NotHttp { .. }), "{url}: {error}");
        }
    }
}
