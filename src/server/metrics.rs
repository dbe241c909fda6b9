//! What is counted, in Prometheus' text form.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::http::{Method, StatusCode};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::server::http::{Response, bytes};
use crate::server::trust::{Mode, Reason};

/// The counters of a server; copies count together.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Counters>);

type Labels<const N: usize> = [(&'static str, &'static str); N];

struct Counters {
    registry: Mutex<Registry>,
    requests: Family<Labels<3>, Counter>,
    seconds: Family<Labels<1>, Histogram, fn() -> Histogram>,
    received: Counter,
    sent: Counter,
    open: Gauge,
    archives: Gauge,
    archives_expired: Gauge,
    accepted: Counter,
    refused: Family<Labels<1>, Counter>,
    panics: Counter,
    reloads: Family<Labels<1>, Counter>,
    renewals: Family<Labels<2>, Counter>,
    objections: Family<Labels<2>, Counter>,
}

/// Why a connection was not served, or not to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Its peer has too many.
    PeerLimit,
    /// The TLS handshake failed or took too long.
    Handshake,
    /// It sent no request, or no further one, in time.
    Idle,
    /// It sent or took bytes too slowly.
    Slow,
}

impl Metrics {
    /// A request was answered. The route is one of [`route_class`].
    pub fn answered(
        &self,
        route: &'static str,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let labels =
            [("route", route), ("method", method_label(method)), ("code", status_label(status))];
        self.0.requests.get_or_create(&labels).inc();
        self.0.seconds.get_or_create(&[("route", route)]).observe(took.as_secs_f64());
    }

    /// Bytes of bodies came in.
    pub fn received(&self, count: u64) {
        self.0.received.inc_by(count);
    }

    /// Bytes of bodies went out.
    pub fn sent(&self, count: u64) {
        self.0.sent.inc_by(count);
    }

    /// A connection was accepted.
    pub fn opened(&self) {
        self.0.accepted.inc();
        self.0.open.inc();
    }

    /// A connection ended.
    pub fn closed(&self) {
        self.0.open.dec();
    }

    /// A connection was cut or not taken.
    pub fn refused(&self, reason: Refused) {
        let reason = match reason {
            Refused::PeerLimit => "peer_limit",
            Refused::Handshake => "handshake",
            Refused::Idle => "idle",
            Refused::Slow => "slow",
        };
        self.0.refused.get_or_create(&[("reason", reason)]).inc();
    }

    /// A request made the program panic.
    pub fn panicked(&self) {
        self.0.panics.inc();
    }

    /// The configuration was read again.
    pub fn reloaded(&self, worked: bool) {
        self.0.reloads.get_or_create(&[("result", result_label(worked))]).inc();
    }

    /// Something was renewed ahead of its expiry: `timestamp`, `snapshot`, `certificate`.
    pub fn renewed(&self, what: &'static str, worked: bool) {
        self.0.renewals.get_or_create(&[("what", what), ("result", result_label(worked))]).inc();
    }

    /// How many collections are archives, and how many of them have expired. Tells whether that is
    /// news.
    pub fn counted_archives(&self, all: u64, expired: u64) -> bool {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let before = self.0.archives.set(number(all));
        let expired_before = self.0.archives_expired.set(number(expired));
        (before, expired_before) != (number(all), number(expired))
    }

    /// Takes over how often the policy objected since the start, by mode and reason.
    pub fn objected(&self, counts: &[(Mode, Reason, u64)]) {
        for (mode, reason, count) in counts.iter().filter(|(_, _, count)| *count > 0) {
            let labels = [("mode", mode.as_str()), ("reason", reason.as_str())];
            let counter = self.0.objections.get_or_create(&labels);
            counter.inner().store(*count, Ordering::Relaxed);
        }
    }

    /// All of it, as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a text does not fail.
        if encode(&mut text, &registry).is_err() {
            text.clear();
        }
        text
    }

    /// The answer to whoever asks for it.
    pub fn response(&self) -> Response {
        bytes(StatusCode::OK, MEDIA_TYPE, self.text())
    }
}

impl Default for Counters {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("trust");
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let counters = Self {
            registry: Mutex::default(),
            requests: Family::default(),
            seconds: Family::new_with_constructor(histogram),
            received: Counter::default(),
            sent: Counter::default(),
            open: Gauge::default(),
            archives: Gauge::default(),
            archives_expired: Gauge::default(),
            accepted: Counter::default(),
            refused: Family::default(),
            panics: Counter::default(),
            reloads: Family::default(),
            renewals: Family::default(),
            objections: Family::default(),
        };
        registry.register("http_requests", "Requests answered", counters.requests.clone());
        registry.register(
            "http_request_seconds",
            "Time until the end of the answer",
            counters.seconds.clone(),
        );
        registry.register("received_bytes", "Bytes of request bodies", counters.received.clone());
        registry.register("sent_bytes", "Bytes of answer bodies", counters.sent.clone());
        registry.register("connections", "Connections open now", counters.open.clone());
        registry.register(
            "archives",
            "Collections whose timestamps nobody signs here",
            counters.archives.clone(),
        );
        registry.register(
            "archives_expired",
            "Archives whose timestamp has expired",
            counters.archives_expired.clone(),
        );
        registry.register(
            "connections_accepted",
            "Connections accepted",
            counters.accepted.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections cut or not taken",
            counters.refused.clone(),
        );
        registry.register(
            "panics",
            "Requests that made the program panic",
            counters.panics.clone(),
        );
        registry.register("reloads", "Readings of the configuration", counters.reloads.clone());
        registry.register("renewals", "Renewals ahead of expiry", counters.renewals.clone());
        registry.register(
            "objections",
            "Answers that the policy objected to",
            counters.objections.clone(),
        );
        Self { registry: Mutex::new(registry), ..counters }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics(…)")
    }
}

/// What kind of path it is, for the label `route`: one of a dozen words, whatever was asked.
pub fn route_class(path: &str) -> &'static str {
    match path {
        "/v2/" | "/v2" => "base",
        "/v2/_catalog" => "catalog",
        "/metrics" | "/livez" | "/readyz" | "/_notary_server/health" => "health",
        "/v1/search" | "/v1/_ping" => "search",
        "/_trust/token" => "token",
        _ if path.contains("/_trust/") => "trust",
        _ if path.contains("/blobs/uploads") => "upload",
        _ if path.contains("/blobs/") => "blob",
        _ if path.contains("/manifests/") => "manifest",
        _ if path.ends_with("/tags/list") => "tags",
        _ if path.contains("/referrers/") => "referrers",
        _ => "other",
    }
}

/// A method as a label: a stranger's word is none.
pub fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn status_label(status: StatusCode) -> &'static str {
    const KNOWN: [(u16, &str); 29] = [
        (200, "200"),
        (201, "201"),
        (202, "202"),
        (204, "204"),
        (206, "206"),
        (301, "301"),
        (304, "304"),
        (307, "307"),
        (400, "400"),
        (401, "401"),
        (403, "403"),
        (404, "404"),
        (405, "405"),
        (406, "406"),
        (408, "408"),
        (409, "409"),
        (411, "411"),
        (412, "412"),
        (413, "413"),
        (414, "414"),
        (415, "415"),
        (416, "416"),
        (422, "422"),
        (429, "429"),
        (431, "431"),
        (500, "500"),
        (501, "501"),
        (503, "503"),
        (507, "507"),
    ];
    let code = status.as_u16();
    KNOWN.iter().find(|(known, _)| *known == code).map_or("other", |(_, label)| label)
}

fn result_label(worked: bool) -> &'static str {
    if worked { "ok" } else { "failed" }
}

/// From a look into the memory to a push of gigabytes, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0, 300.0];
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_in_the_text() {
        let metrics = Metrics::default();
        let took = Duration::from_millis(3);
        metrics.answered(route_class("/v2/a/manifests/b"), &Method::GET, StatusCode::OK, took);
        metrics.answered(
            route_class("/x"),
            &Method::from_bytes(b"EVIL\"").unwrap_or(Method::TRACE),
            StatusCode::IM_A_TEAPOT,
            took,
        );
        metrics.refused(Refused::Slow);
        let text = metrics.text();
        for line in [
            "trust_http_requests_total{route=\"manifest\",method=\"GET\",code=\"200\"} 1",
            "trust_http_requests_total{route=\"other\",method=\"other\",code=\"other\"} 1",
            "trust_connections_refused_total{reason=\"slow\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn objections_are_taken_over() {
        let metrics = Metrics::default();
        metrics
            .objected(&[(Mode::Enforce, Reason::Unsigned, 2), (Mode::Audit, Reason::Expired, 0)]);
        metrics.objected(&[(Mode::Enforce, Reason::Unsigned, 3)]);
        let text = metrics.text();
        let line = "trust_objections_total{mode=\"enforce\",reason=\"unsigned\"} 3";
        assert!(text.contains(line), "{text}");
        assert!(!text.contains("audit"), "{text}");
    }
}
