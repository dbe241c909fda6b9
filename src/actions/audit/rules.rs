//! What can be found, and how grave it is (`spec/audit.md` §3).

use std::path::PathBuf;

use crate::actions::audit::closing::Closing;
use crate::actions::audit::kind::FileKind;
use crate::actions::audit::lines::Switch;
use crate::clock::Timestamp;
use crate::store::StoreError;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing has to be done.
    Note,
    /// Somebody has to act, and there is time.
    Warning,
    /// It is broken, refused or unsafe now, or will be within a year.
    Error,
}

/// The kinds of findings. A number keeps its meaning for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the name of each says it, and the table in the specification")]
pub enum Rule {
    ContentTrustOn,
    ContentTrustOff,
    TrustServer,
    PassphraseInPlainText,
    SignsHere,
    DockerTrust,
    NotaryClient,
    NotaryService,
    NotaryConfiguration,
    ClosingServer,
    DaemonContentTrust,
    InsecureRegistry,
    Portieris,
    Connaisseur,
    OtherPolicy,
    CachedCollections,
    Keys,
    ImageOnClosingServer,
    ImageExpired,
    ImageExpiresSoon,
    ImageRefused,
    ImageUnsigned,
    ImageUnknown,
    ImageUntold,
    NotRead,
    NotUnderstood,
}

/// Where something was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a variable of this process.
    Variable(String),
    /// In a file; line and column from 1, if it is about one.
    File {
        /// The file, as a person would type it.
        path: PathBuf,
        /// The line.
        line: Option<usize>,
        /// The column, in characters.
        column: Option<usize>,
    },
    /// Typed by the person.
    Typed(String),
}

/// Something that was found.
#[derive(Debug)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What kind of file that is.
    pub kind: FileKind,
    /// What it is.
    pub what: What,
}

/// What was found.
#[derive(Debug)]
#[non_exhaustive]
pub enum What {
    /// A variable or a flag that switches content trust on or off.
    ContentTrust {
        /// The variable, or the flag.
        by: &'static str,
        /// Which way.
        to: Switch,
    },
    /// The trust server of all repositories is named.
    TrustServer {
        /// The URL, if it is told.
        url: Option<String>,
    },
    /// A passphrase, or a login.
    Secret {
        /// The variable.
        variable: String,
        /// Whether it stands there, and does not come from elsewhere.
        plain: bool,
    },
    /// A command of `docker trust`.
    DockerTrust {
        /// Its verb.
        verb: String,
    },
    /// A command of the client notary.
    NotaryClient {
        /// Its verb.
        verb: String,
    },
    /// Something that runs a server or signer of notary.
    NotaryService {
        /// By what it is known.
        by: String,
    },
    /// A configuration file of the client notary.
    NotaryConfiguration {
        /// The server.
        url: Option<String>,
    },
    /// A server that closes is named.
    Server(&'static Closing),
    /// The daemon is to run only what is signed.
    DaemonContentTrust {
        /// The mode.
        mode: Option<String>,
    },
    /// A registry that is reached without TLS.
    InsecureRegistry {
        /// The registry.
        name: String,
    },
    /// A policy of Portieris that asks for content trust.
    Portieris {
        /// Which images it is about.
        images: String,
        /// The trust server it names.
        server: Option<String>,
        /// Secrets with the keys of signers.
        signers: usize,
    },
    /// A validator of Connaisseur that asks a notary server.
    Connaisseur {
        /// Its name.
        name: String,
        /// The server.
        server: Option<String>,
        /// Root keys that it pins.
        roots: usize,
    },
    /// A policy for signatures of another kind.
    OtherPolicy {
        /// Whose.
        of: &'static str,
    },
    /// Trust data in a trust directory.
    CachedCollections {
        /// How many.
        count: usize,
    },
    /// Private keys in a trust directory.
    Keys {
        /// How many of each role.
        roles: Vec<(String, usize)>,
    },
    /// A file or folder that was not looked into.
    NotRead(NotRead),
    /// A file that breaks the rules of its kind.
    NotUnderstood {
        /// What is wrong.
        problem: String,
    },
    /// An image that cannot be told from the file alone.
    ImageUntold {
        /// As it is written.
        written: String,
        /// Why.
        problem: String,
    },
}

/// Why something was not looked into.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotRead {
    /// The disk does not let us.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is larger than what is looked through.
    #[error("it has {size} bytes, more than the {limit} that are looked through")]
    TooLarge {
        /// Its size, in bytes.
        size: u64,
        /// The most, in bytes.
        limit: u64,
    },
    /// There are more files than are looked through.
    #[error("there are more than {limit} files and folders; the rest was left out")]
    TooMany {
        /// The most.
        limit: usize,
    },
}

impl Rule {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 26] = [
        Self::ContentTrustOn,
        Self::ContentTrustOff,
        Self::TrustServer,
        Self::PassphraseInPlainText,
        Self::SignsHere,
        Self::DockerTrust,
        Self::NotaryClient,
        Self::NotaryService,
        Self::NotaryConfiguration,
        Self::ClosingServer,
        Self::DaemonContentTrust,
        Self::InsecureRegistry,
        Self::Portieris,
        Self::Connaisseur,
        Self::OtherPolicy,
        Self::CachedCollections,
        Self::Keys,
        Self::ImageOnClosingServer,
        Self::ImageExpired,
        Self::ImageExpiresSoon,
        Self::ImageRefused,
        Self::ImageUnsigned,
        Self::ImageUnknown,
        Self::ImageUntold,
        Self::NotRead,
        Self::NotUnderstood,
    ];

    /// Number and name: what programs know it by, and a name for people. They never change.
    pub fn id(self) -> (&'static str, &'static str) {
        match self {
            Self::ContentTrustOn => ("TR001", "content-trust-on"),
            Self::ContentTrustOff => ("TR002", "content-trust-off"),
            Self::TrustServer => ("TR003", "trust-server"),
            Self::PassphraseInPlainText => ("TR004", "passphrase-in-plain-text"),
            Self::SignsHere => ("TR005", "signs-here"),
            Self::DockerTrust => ("TR006", "docker-trust"),
            Self::NotaryClient => ("TR007", "notary-client"),
            Self::NotaryService => ("TR008", "notary-service"),
            Self::NotaryConfiguration => ("TR009", "notary-configuration"),
            Self::ClosingServer => ("TR010", "closing-server"),
            Self::DaemonContentTrust => ("TR011", "daemon-content-trust"),
            Self::InsecureRegistry => ("TR012", "insecure-registry"),
            Self::Portieris => ("TR013", "portieris"),
            Self::Connaisseur => ("TR014", "connaisseur"),
            Self::OtherPolicy => ("TR015", "other-policy"),
            Self::CachedCollections => ("TR016", "cached-collections"),
            Self::Keys => ("TR017", "keys"),
            Self::ImageOnClosingServer => ("TR020", "image-on-closing-server"),
            Self::ImageExpired => ("TR021", "image-expired"),
            Self::ImageExpiresSoon => ("TR022", "image-expires-soon"),
            Self::ImageRefused => ("TR023", "image-refused"),
            Self::ImageUnsigned => ("TR024", "image-unsigned"),
            Self::ImageUnknown => ("TR025", "image-unknown"),
            Self::ImageUntold => ("TR026", "image-untold"),
            Self::NotRead => ("TR030", "not-read"),
            Self::NotUnderstood => ("TR031", "not-understood"),
        }
    }

    /// How grave it is where nothing makes it more or less so.
    pub fn usual_severity(self) -> Severity {
        match self {
            Self::PassphraseInPlainText
            | Self::ClosingServer
            | Self::ImageOnClosingServer
            | Self::ImageExpired
            | Self::ImageRefused => Severity::Error,
            Self::ContentTrustOff
            | Self::TrustServer
            | Self::SignsHere
            | Self::InsecureRegistry
            | Self::OtherPolicy
            | Self::CachedCollections
            | Self::Keys
            | Self::ImageUnsigned
            | Self::ImageUntold
            | Self::NotUnderstood => Severity::Note,
            _ => Severity::Warning,
        }
    }
}

impl Finding {
    /// Which rule it falls under.
    pub fn rule(&self) -> Rule {
        match &self.what {
            What::ContentTrust { to: Switch::Off, .. } => Rule::ContentTrustOff,
            What::ContentTrust { .. } => Rule::ContentTrustOn,
            What::TrustServer { .. } => Rule::TrustServer,
            What::Secret { plain: true, .. } => Rule::PassphraseInPlainText,
            What::Secret { .. } => Rule::SignsHere,
            What::DockerTrust { .. } => Rule::DockerTrust,
            What::NotaryClient { .. } => Rule::NotaryClient,
            What::NotaryService { .. } => Rule::NotaryService,
            What::NotaryConfiguration { .. } => Rule::NotaryConfiguration,
            What::Server(_) => Rule::ClosingServer,
            What::DaemonContentTrust { .. } => Rule::DaemonContentTrust,
            What::InsecureRegistry { .. } => Rule::InsecureRegistry,
            What::Portieris { .. } => Rule::Portieris,
            What::Connaisseur { .. } => Rule::Connaisseur,
            What::OtherPolicy { .. } => Rule::OtherPolicy,
            What::CachedCollections { .. } => Rule::CachedCollections,
            What::Keys { .. } => Rule::Keys,
            What::NotRead(_) => Rule::NotRead,
            What::NotUnderstood { .. } => Rule::NotUnderstood,
            What::ImageUntold { .. } => Rule::ImageUntold,
        }
    }

    /// The server that it leads to, if that is known to close.
    pub fn closing(&self) -> Option<&'static Closing> {
        match &self.what {
            What::TrustServer { url } | What::NotaryConfiguration { url } => {
                url.as_deref().and_then(Closing::of)
            }
            What::Portieris { server, .. } | What::Connaisseur { server, .. } => {
                server.as_deref().and_then(Closing::of)
            }
            What::Server(closing) => Some(closing),
            _ => None,
        }
    }

    /// How grave it is: what leads to a server that closes is a warning, within a year of that an
    /// error; what is only told of in a text is a note.
    pub fn severity(&self, now: Timestamp) -> Severity {
        let severity = match (self.closing(), &self.what) {
            (Some(closing), _) if closing.is_near(now) => Severity::Error,
            (Some(_), _) => Severity::Warning,
            // A file that is too large is no fault of anybody's.
            (None, What::NotRead(NotRead::TooLarge { .. })) => Severity::Note,
            (None, _) => self.rule().usual_severity(),
        };
        if self.kind.acts() { severity } else { severity.min(Severity::Note) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn finding(kind: FileKind, what: What) -> Finding {
        Finding { place: Place::Typed(String::new()), kind, what }
    }

    #[test]
    fn every_rule_has_a_number_and_a_name_of_its_own() {
        let ids: Vec<&str> = Rule::ALL.iter().map(|rule| rule.id().0).collect();
        let names: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.id().1).collect();
        assert!(ids.is_sorted() && names.len() == ids.len());
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }

    #[test]
    fn what_leads_to_a_closing_server_is_grave_and_graver_within_a_year() {
        let server = |url: &str| What::TrustServer { url: Some(url.to_owned()) };
        let at = |day: &str| format!("{day}T00:00:00Z").parse::<Timestamp>().unwrap();
        let hub = finding(FileKind::Script, server("https://notary.docker.io"));
        assert_eq!(hub.severity(at("2025-01-01")), Severity::Warning);
        assert_eq!(hub.severity(at("2026-01-01")), Severity::Error);
        assert_eq!(hub.severity(at("2030-01-01")), Severity::Error);
        let own = finding(FileKind::Script, server("https://notary.example.com"));
        assert_eq!(own.severity(at("2026-01-01")), Severity::Note);
        let told = finding(FileKind::Documentation, server("https://notary.docker.io"));
        assert_eq!(told.severity(at("2026-01-01")), Severity::Note);
    }
}
