//! The words for what an audit finds. What is said of other programs is in `spec/audit.md` §4, with
//! where it is known from.

use crate::actions::audit::{Closing, Finding, Rule, Severity, Switch, What};
use crate::cli::findings::Words;
use crate::clock::Timestamp;

/// The word for a severity, in text, JSON and SARIF.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// What a rule is about, in one sentence.
pub fn about(rule: Rule) -> &'static str {
    match rule {
        Rule::ContentTrustOn => "Content trust is switched on for docker's command line.",
        Rule::ContentTrustOff => "Content trust is switched off for docker's command line.",
        Rule::TrustServer => "The trust server of docker's command line is named.",
        Rule::PassphraseInPlainText => "The passphrase of a signing key stands in a file.",
        Rule::SignsHere => "The passphrase of a signing key is handed on: something signs here.",
        Rule::DockerTrust => "A command of `docker trust` is called.",
        Rule::NotaryClient => "The client of Notary v1 is called.",
        Rule::NotaryService => "A server or signer of Notary v1 is run.",
        Rule::NotaryConfiguration => "The client of Notary v1 is configured.",
        Rule::ClosingServer => "A trust server is named that is known to close.",
        Rule::DaemonContentTrust => "Docker's daemon is to run only what is signed.",
        Rule::InsecureRegistry => "A registry is reached without TLS.",
        Rule::Portieris => "Portieris demands content trust.",
        Rule::Connaisseur => "Connaisseur asks a server of Notary v1.",
        Rule::OtherPolicy => "Signatures of another kind are demanded.",
        Rule::CachedCollections => "A trust directory has trust data.",
        Rule::Keys => "A trust directory has private keys.",
        Rule::ImageOnClosingServer => "The trust data of an image is on a server that closes.",
        Rule::ImageExpired => "The trust data of an image has expired.",
        Rule::ImageExpiresSoon => "The trust data of an image expires soon.",
        Rule::ImageRefused => "The trust data of an image is refused.",
        Rule::ImageUnsigned => "An image is not signed.",
        Rule::ImageUnknown => "Whether an image is signed cannot be told.",
        Rule::ImageUntold => "Which image is meant cannot be told from the file alone.",
        Rule::NotRead => "A file or folder was not looked into.",
        Rule::NotUnderstood => "A file breaks the rules of its kind.",
    }
}

/// When a server closes, or that it has.
pub fn closes(closing: &Closing, now: Timestamp) -> String {
    let verb = if closing.is_over(now) { "closed" } else { "closes" };
    format!("{verb} on {}", closing.day)
}

/// The words for something that was found.
pub fn words(finding: &Finding, now: Timestamp) -> Words {
    let (text, mend) = match &finding.what {
        What::ContentTrust { by, to } => content_trust(by, *to),
        What::TrustServer { url: Some(url) } => leads_to("the trust server is", url, now),
        What::TrustServer { url: None } => {
            ("the trust server is named elsewhere".to_owned(), Some(SEE_SERVER.to_owned()))
        }
        What::Secret { variable, plain: true } => (
            format!("{variable} stands here for everybody to read"),
            Some(
                "keep it with the secrets of the CI system, or in the keyring with `trust key \
                 remember`; then change it with `trust key passwd`"
                    .to_owned(),
            ),
        ),
        What::Secret { variable, .. } => (
            format!("{variable} is set: something signs with a key here"),
            Some("`trust sign` reads the same variable".to_owned()),
        ),
        What::DockerTrust { verb } => (
            format!("`docker trust {verb}`: docker's command line from 29.0 on does not bring it"),
            Some(format!(
                "`trust docker install` makes it work as before; `trust {}` does the same",
                if verb == "view" { "inspect" } else { verb }
            )),
        ),
        What::NotaryClient { verb } => (
            format!("`notary {verb}`: the client of Notary v1 is not maintained any more"),
            notary_command(verb).map(|command| format!("`{command}` does the same")),
        ),
        What::NotaryService { by } => (
            format!("{by}: the server of Notary v1 is not maintained any more"),
            Some(
                "`trust serve --import-notary` takes its database over, keys and all; Harbor has \
                 none from 2.9 on"
                    .to_owned(),
            ),
        ),
        What::NotaryConfiguration { url } => match url {
            Some(url) => leads_to("the client of Notary v1 asks", url, now),
            None => (
                "the client of Notary v1 is configured".to_owned(),
                Some("`trust --config-file` reads the same file".to_owned()),
            ),
        },
        What::Server(closing) => {
            let star = if closing.host.starts_with('.') { "*" } else { "" };
            let when = closes(closing, now);
            let text = format!("{star}{} of {} {when}", closing.host, closing.owner);
            (text, Some(MOVE.to_owned()))
        }
        What::DaemonContentTrust { mode } => (
            format!(
                "docker's daemon is to run only what is signed ({}), which only the daemon of the \
                 enterprise edition ever did",
                mode.as_deref().unwrap_or("no mode")
            ),
            Some(
                "`trust serve` refuses to hand out what is not signed, whatever pulls it"
                    .to_owned(),
            ),
        ),
        What::InsecureRegistry { name } => (
            format!("{name} is reached without TLS: nothing but content trust tells its images"),
            Some("give it a certificate; what is signed is verified all the same".to_owned()),
        ),
        What::NotRead(why) => {
            let cause = std::error::Error::source(why);
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            (format!("not looked into: {why}{cause}"), None)
        }
        What::NotUnderstood { problem } => (
            format!("the images of this file are not known: {problem}"),
            Some("lines were searched all the same; render templates first".to_owned()),
        ),
        What::ImageUntold { written, problem } => {
            (format!("which image `{written}` is cannot be told: {problem}"), None)
        }
        other => policy(other, now),
    };
    Words { text, mend }
}

fn content_trust(by: &str, to: Switch) -> (String, Option<String>) {
    match to {
        Switch::On => (
            format!(
                "{by} switches content trust on; docker's command line from 29.0 on ignores it"
            ),
            Some(ENFORCE.to_owned()),
        ),
        Switch::Elsewhere => (
            format!("{by} is passed on: whether content trust is on is decided elsewhere"),
            Some(ENFORCE.to_owned()),
        ),
        Switch::Off => (format!("{by} switches content trust off"), None),
    }
}

fn policy(what: &What, now: Timestamp) -> (String, Option<String>) {
    match what {
        What::Portieris { images, server, signers } => {
            let by = if *signers == 0 { "anybody".to_owned() } else { count(*signers, "signer") };
            let server = at_server(server.as_deref(), "the registry's own server", now);
            (
                format!("Portieris demands that {images} is signed by {by}; it asks {server}"),
                Some(format!("{MOVE}; then set `trustServer` to the new server")),
            )
        }
        What::Connaisseur { name, server, roots } => {
            let server = at_server(server.as_deref(), "no server", now);
            (
                format!(
                    "the validator {name} of Connaisseur asks {server} and pins {}",
                    count(*roots, "root key")
                ),
                Some(format!("{MOVE}; then set `host` to the new server: the root keys stay")),
            )
        }
        What::OtherPolicy { of } => (
            format!("{of} demands signatures of another kind; it knows nothing of content trust"),
            Some("`trust repo export --policy` writes what it would need".to_owned()),
        ),
        What::CachedCollections { count: number } => (
            format!(
                "trust data of {}; which server each came from is not recorded",
                count(*number, "collection")
            ),
            Some("`trust rescue --from-cache` keeps it".to_owned()),
        ),
        What::Keys { roles } => {
            let counts = roles.iter().map(|(role, number)| match role.as_str() {
                "" => count(*number, "key"),
                role => count(*number, &format!("{role} key")),
            });
            let counts: Vec<String> = counts.collect();
            (
                format!("private keys: {}", counts.join(", ")),
                Some("`trust key backup` keeps them safe".to_owned()),
            )
        }
        _ => (String::new(), None),
    }
}

/// What leads to a server, which may be one that closes.
fn leads_to(what: &str, url: &str, now: Timestamp) -> (String, Option<String>) {
    let mend = if Closing::of(url).is_some() { MOVE } else { SEE_SERVER };
    (format!("{what} {}", at_server(Some(url), "", now)), Some(mend.to_owned()))
}

fn at_server(server: Option<&str>, otherwise: &str, now: Timestamp) -> String {
    let Some(server) = server else { return otherwise.to_owned() };
    match Closing::of(server) {
        Some(closing) => format!("{server}, which {}", closes(closing, now)),
        None => server.to_owned(),
    }
}

/// A number of things: `1 key`, `2 keys`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn notary_command(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "init" => "trust repo init",
        "add" => "trust target add",
        "addhash" => "trust target add-hash",
        "remove" => "trust target rm",
        "publish" => "trust repo publish",
        "status" => "trust repo status",
        "reset" => "trust repo reset",
        "list" => "trust repo ls",
        "lookup" => "trust target lookup",
        "verify" => "trust target verify",
        "witness" => "trust repo witness",
        "delete" => "trust repo delete",
        "key" => "trust key",
        "delegation" => "trust delegation",
        _ => return None,
    })
}

const ENFORCE: &str = "`trust docker install`, then `trust docker pull`, `run` and `build` verify as \
                       docker did; or pull what `trust resolve` prints";
const MOVE: &str = "`trust rescue` takes its trust data along, `trust serve --import` serves it on, \
                    and `trust repo adopt` lets it be signed again under the same root";
const SEE_SERVER: &str = "no end of it is known here; ask its operator, for Notary v1 is not \
                          maintained any more";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::audit::{FileKind, NOTARY_VERBS, Place};

    fn said(what: What) -> Words {
        let finding = Finding { place: Place::Typed(String::new()), kind: FileKind::Script, what };
        words(&finding, "2026-11-30T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn every_rule_is_about_something() {
        for rule in Rule::ALL {
            assert!(about(rule).ends_with('.'), "{rule:?}");
        }
    }

    #[test]
    fn a_server_that_closes_is_said_to() {
        let url = Some("https://notary.docker.io".to_owned());
        let words = said(What::TrustServer { url });
        assert!(words.text.ends_with("which closes on 2026-12-08"), "{words:?}");
        let url = Some("https://n.example.com".to_owned());
        let words = said(What::TrustServer { url });
        assert!(words.text.ends_with("https://n.example.com"), "{words:?}");
        let hub = Closing::of("notary.docker.io").unwrap();
        assert_eq!(closes(hub, "2027-01-01T00:00:00Z".parse().unwrap()), "closed on 2026-12-08");
    }

    #[test]
    fn every_verb_of_notary_has_its_command() {
        for verb in NOTARY_VERBS {
            assert!(said(What::NotaryClient { verb: (*verb).to_owned() }).mend.is_some(), "{verb}");
        }
    }
}
