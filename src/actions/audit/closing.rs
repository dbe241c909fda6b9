//! Which trust servers are known to close, and when. All dates of the audit are in this table.

use crate::clock::Timestamp;

/// A trust server that is known to close (`spec/audit.md` §4 says who said so).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// Whose it is.
    pub owner: &'static str,
    /// Its host, or with a dot before it, the end of its host.
    pub host: &'static str,
    /// The day on which it closes, UTC: year, month, day as in RFC 3339.
    pub day: &'static str,
}

/// Every server that is known to close, as known on 2026-11-23.
pub const CLOSINGS: &[Closing] = &[
    Closing { owner: "Docker Hub", host: "notary.docker.io", day: "2026-12-08" },
    Closing { owner: "Azure Container Registry", host: ".azurecr.io", day: "2028-03-31" },
];

impl Closing {
    /// What is known of a server, by its host, with or without a port, or its URL.
    pub fn of(server: &str) -> Option<&'static Self> {
        let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
        let host = rest.split('/').next().unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
        CLOSINGS.iter().find(|closing| match closing.host.strip_prefix('.') {
            Some(end) => host.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')),
            None => host == closing.host,
        })
    }

    /// The first instant of the day on which it closes.
    pub fn instant(&self) -> Timestamp {
        format!("{}T00:00:00Z", self.day).parse().unwrap_or(Timestamp::MIN)
    }

    /// Whether that is less than a year ahead, or over.
    pub fn is_near(&self, now: Timestamp) -> bool {
        self.instant().duration_since(now).as_hours() < HOURS_OF_A_YEAR
    }

    /// Whether it is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.instant() <= now
    }
}

const HOURS_OF_A_YEAR: i64 = 365 * 24;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("https://notary.docker.io", Some("2026-12-08"))]
    #[test_case("https://Notary.Docker.io:443/x", Some("2026-12-08"))]
    #[test_case("notary.docker.io", Some("2026-12-08"))]
    #[test_case("app.azurecr.io", Some("2028-03-31"))]
    #[test_case("azurecr.io", None; "the end alone is no registry")]
    #[test_case("notazurecr.io", None)]
    #[test_case("notary.docker.io.example.com", None)]
    #[test_case("", None)]
    fn servers_are_known_by_their_host(server: &str, day: Option<&str>) {
        assert_eq!(Closing::of(server).map(|closing| closing.day), day);
    }

    #[test]
    fn every_day_is_one() {
        for closing in CLOSINGS {
            assert!(closing.instant() > Timestamp::MIN, "{closing:?}");
        }
        let hub = Closing::of("notary.docker.io").unwrap();
        assert!(hub.is_near("2026-01-01T00:00:00Z".parse().unwrap()));
        assert!(!hub.is_near("2025-01-01T00:00:00Z".parse().unwrap()));
        assert!(hub.is_over("2026-12-08T00:00:00Z".parse().unwrap()));
        assert!(!hub.is_over("2026-12-07T23:59:59Z".parse().unwrap()));
    }
}
