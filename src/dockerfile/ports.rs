//! What EXPOSE can say (images.md §1.5).

use std::net::IpAddr;
use std::ops::RangeInclusive;

/// A word of EXPOSE: ports, and what they are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exposed {
    ports: RangeInclusive<u16>,
    /// In small letters.
    protocol: String,
    /// Whether it is written in small letters.
    pub(super) protocol_is_small: bool,
    /// Whether an address or port of the machine is named too.
    pub(super) names_machine: bool,
}

/// The ports that a word of EXPOSE means, as an image's configuration has them: `80/tcp`.
pub fn ports(word: &str) -> Result<Vec<String>, &'static str> {
    let exposed = parse(word)?;
    Ok(exposed.ports.map(|port| format!("{port}/{}", exposed.protocol)).collect())
}

/// `[address:][port of the machine:]port[-port][/protocol]`
pub(super) fn parse(word: &str) -> Result<Exposed, &'static str> {
    let mut parts = word.rsplitn(3, ':');
    let port = parts.next().unwrap_or_default();
    let (host_port, address) = (parts.next(), parts.next());
    let (port, protocol) = port.split_once('/').unwrap_or((port, ""));
    if port.is_empty() {
        return Err("there is no number");
    }
    let small = protocol.to_ascii_lowercase();
    let small = match small.as_str() {
        "" => "tcp",
        "tcp" | "udp" | "sctp" => &small,
        _ => return Err("its protocol is tcp, udp or sctp"),
    };
    let ports = range(port)?;
    if let Some(address) = address.filter(|address| !address.is_empty()) {
        let inner = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inner.unwrap_or(address).parse::<IpAddr>().map_err(|_| "its address is none")?;
    }
    if let Some(host_port) = host_port.filter(|port| !port.is_empty()) {
        let host_ports = range(host_port)?;
        let is_range = ports.start() != ports.end();
        if is_range && ports.len() != host_ports.len() {
            return Err("there are as many ports on the machine, or one");
        }
    }
    let names_machine = [host_port, address].iter().flatten().any(|part| !part.is_empty());
    Ok(Exposed {
        ports,
        protocol: small.to_owned(),
        protocol_is_small: protocol == protocol.to_ascii_lowercase(),
        names_machine,
    })
}

fn range(text: &str) -> Result<RangeInclusive<u16>, &'static str> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    if last < first {
        return Err("the first port of a range is not above the last");
    }
    Ok(first..=last)
}

fn number(text: &str) -> Result<u16, &'static str> {
    text.parse().map_err(|_| "a port is a number up to 65535, or two of them with `-` between")
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("80", &["80/tcp"])]
    #[test_case("80/", &["80/tcp"])]
    #[test_case("53/UDP", &["53/udp"])]
    #[test_case("1-3/sctp", &["1/sctp", "2/sctp", "3/sctp"])]
    #[test_case("0", &["0/tcp"])]
    #[test_case("8080:80", &["80/tcp"])]
    #[test_case("127.0.0.1:8080:80/tcp", &["80/tcp"])]
    #[test_case("127.0.0.1::80", &["80/tcp"])]
    #[test_case("[::1]:8080:80", &["80/tcp"])]
    #[test_case("::1:8080:80", &["80/tcp"])]
    #[test_case("8000-9000:80", &["80/tcp"])]
    #[test_case("81-82:1-2", &["1/tcp", "2/tcp"])]
    fn exposed(word: &str, expected: &[&str]) {
        assert_eq!(ports(word).unwrap(), expected);
    }

    #[test_case("")]
    #[test_case("/tcp")]
    #[test_case("x")]
    #[test_case("-1")]
    #[test_case("65536")]
    #[test_case("2-1")]
    #[test_case("1-2-3")]
    #[test_case("80/icmp")]
    #[test_case("80/tcp/udp")]
    #[test_case("x:80")]
    #[test_case("300.0.0.1:80:80")]
    #[test_case("1-2:1-3")]
    fn what_is_no_port(word: &str) {
        assert!(ports(word).is_err());
    }

    #[test]
    fn what_is_worth_a_word_is_known() {
        let parts = |word: &str| {
            let exposed = parse(word).unwrap();
            (exposed.protocol_is_small, exposed.names_machine)
        };
        assert_eq!(parts("80/tcp"), (true, false));
        assert_eq!(parts("80/Tcp"), (false, false));
        assert_eq!(parts("1:80"), (true, true));
        assert_eq!(parts("127.0.0.1::80"), (true, true));
    }
}
