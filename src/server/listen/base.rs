//! What the client calls this server: the beginning of links in answers.

use std::net::IpAddr;

use ::http::HeaderMap;
use ::http::header::HOST;
use ::http::uri::Authority;

use crate::server::auth::caller;

/// How links are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// The beginning of every link, whatever the client says: `https://registry.example.com`.
    pub fixed: Option<String>,
    /// Links have no host.
    pub relative: bool,
    /// What all paths begin with, without a slash at the end; empty if nothing.
    pub prefix: String,
}

impl Links {
    /// The base of links in the answer to a request: without a slash at its end, and without a host
    /// if the client did not name one that can be one.
    pub fn base(&self, headers: &HeaderMap, authority: Option<&Authority>, tls: bool) -> String {
        if let Some(fixed) = &self.fixed {
            return format!("{}{}", fixed.trim_end_matches('/'), self.prefix);
        }
        if self.relative {
            return self.prefix.clone();
        }
        let scheme = match first(headers, "x-forwarded-proto") {
            Some("https") => "https",
            Some("http") => "http",
            _ if tls => "https",
            _ => "http",
        };
        let host = first(headers, "x-forwarded-host")
            .or_else(|| authority.map(Authority::as_str))
            .or_else(|| headers.get(HOST)?.to_str().ok());
        match host.filter(|host| is_host(host)) {
            Some(host) => format!("{scheme}://{host}{}", self.prefix),
            None => self.prefix.clone(),
        }
    }
}

/// The address of whoever asks: of the connection, or, if that is a proxy of ours, the last one
/// that is none.
pub fn peer(connection: IpAddr, headers: &HeaderMap, proxies: &[String]) -> IpAddr {
    let is_proxy = |address: IpAddr| {
        let address = address.to_canonical().to_string();
        proxies.iter().any(|proxy| caller::matches(proxy, &address))
    };
    if !is_proxy(connection) {
        return connection;
    }
    let lists = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = lists.flat_map(|list| list.split(',')).map(str::trim).collect();
    let mut known = connection;
    for hop in hops.into_iter().rev() {
        // Beyond what is no address, everything may be made up.
        let Ok(address) = hop.trim_matches(['[', ']']).parse() else { break };
        known = address;
        if !is_proxy(address) {
            break;
        }
    }
    known
}

/// The first value of a list that each proxy on the way adds to.
fn first<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let list = headers.get(name)?.to_str().ok()?;
    list.split(',').next().map(str::trim).filter(|value| !value.is_empty())
}

/// Whether a text can stand for a host and a port in a link.
fn is_host(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    !text.is_empty() && text.len() <= 260 && text.bytes().all(good)
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;
    use test_case::test_case;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test_case(&[("host", "a:5000")], "https://a:5000/p"; "as asked")]
    #[test_case(&[], "/p"; "no host")]
    #[test_case(&[("host", "a/../b")], "/p"; "no host that can be one")]
    #[test_case(&[("host", "a"), ("x-forwarded-proto", "http")], "http://a/p"; "through a proxy")]
    #[test_case(
        &[("host", "a"), ("x-forwarded-host", "b, c"), ("x-forwarded-proto", "gopher")],
        "https://b/p"; "the first of several")]
    fn a_base(given: &[(&'static str, &'static str)], expected: &str) {
        let links = Links { prefix: "/p".to_owned(), ..Links::default() };
        assert_eq!(links.base(&headers(given), None, true), expected);
        let relative = Links { relative: true, ..links.clone() };
        assert_eq!(relative.base(&headers(given), None, true), "/p");
        let fixed = Links { fixed: Some("https://x/".to_owned()), ..links };
        assert_eq!(fixed.base(&headers(given), None, true), "https://x/p");
    }

    #[test]
    fn who_asks_behind_a_proxy() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let given =
            headers(&[("x-forwarded-for", "6.6.6.6, 192.0.2.9"), ("x-forwarded-for", "10.0.0.2")]);
        let proxies = ["10.0.0.*".to_owned()];
        assert_eq!(peer(address("10.0.0.1"), &given, &proxies), address("192.0.2.9"));
        assert_eq!(peer(address("192.0.2.1"), &given, &proxies), address("192.0.2.1"));
        assert_eq!(peer(address("10.0.0.1"), &headers(&[]), &proxies), address("10.0.0.1"));
    }
}
