//! `trust repo export GUN`

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use crate::actions::repo::export::{
    Facts, Loss, Policy, PolicyFile, losses, policy_files, read, store_name, write,
};
use crate::actions::update::Source;
use crate::cli::audit::words::count;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::outcome::say_first_contact;
use crate::cli::policy_words::{loss, lost, readme};
use crate::cli::run::Session;
use crate::codec::timestamp::Rfc3339;
use crate::tuf::Gun;

/// Write what a move to another signing system would need, and what is lost with it
///
/// Public keys, certificates, a policy and the list of what is to be signed anew; never a private
/// key.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,

    /// For which system
    #[arg(long, value_name = "SYSTEM")]
    pub policy: PolicyArg,

    /// Write to this folder, which must be empty or not there [default: named after both]
    #[arg(long, short = 'o', value_name = "DIR")]
    pub output: Option<PathBuf>,

    /// Print what was written as JSON
    #[arg(long)]
    pub json: bool,

    /// Ask nobody: take the cache, whatever its age
    #[arg(long)]
    pub offline: bool,
}

/// For which system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PolicyArg {
    /// Trust policy and trust store of notation
    Notation,
    /// Cosign, and Sigstore's policy controller
    Cosign,
    /// policy.json of podman, skopeo, buildah and CRI-O
    Containers,
}

impl From<PolicyArg> for Policy {
    fn from(policy: PolicyArg) -> Self {
        match policy {
            PolicyArg::Notation => Self::Notation,
            PolicyArg::Cosign => Self::Cosign,
            PolicyArg::Containers => Self::Containers,
        }
    }
}

/// `export.json`, which `--json` prints, too (`spec/policy-export.md`).
#[derive(Debug, Serialize)]
struct Document {
    repository: String,
    policy: &'static str,
    exported: String,
    root_version: u64,
    fresh_until: String,
    expires_first: Expiry,
    expired: Vec<Expiry>,
    roles: Vec<RoleRow>,
    keys: Vec<KeyRow>,
    tags: Vec<TagRow>,
    lost: Vec<LossRow>,
    files: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Expiry {
    role: String,
    expires: String,
}

#[derive(Debug, Serialize)]
struct RoleRow {
    role: String,
    threshold: u32,
    keys: Vec<String>,
    paths: Vec<String>,
    counts: bool,
}

#[derive(Debug, Serialize)]
struct KeyRow {
    id: String,
    name: String,
    algorithm: String,
    roles: Vec<String>,
    counts: bool,
    here: bool,
    public: Option<String>,
    certificates: Vec<CertificateRow>,
    carried: bool,
}

#[derive(Debug, Serialize)]
struct CertificateRow {
    common_name: String,
    not_before: String,
    not_after: String,
    authority: bool,
    pem: String,
}

#[derive(Debug, Serialize)]
struct TagRow {
    tag: String,
    digest: Option<String>,
    size: u64,
    signed_by: Vec<String>,
}

#[derive(Debug, Serialize)]
struct LossRow {
    id: &'static str,
    text: String,
}

impl Args {
    /// Reads the collection, writes the folder, says what is lost.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        let policy = Policy::from(self.policy);
        let context = session.context()?;
        let source = if self.offline { Source::Cache } else { Source::Server };
        let facts = session.block_on(read(&context, &gun, source))?;
        if let Some(keys) = &facts.first_contact {
            say_first_contact(session, gun.as_str(), keys);
        }
        let lost_here = losses(&facts, policy);
        let mut files = policy_files(&facts, policy);
        files.push(PolicyFile::new("LOST.md", lost(&facts, policy, &lost_here)));
        files.push(PolicyFile::new("README.md", readme(&facts, policy)));
        let internal = |error| CliError::new(ErrorKind::Internal, error);
        let document = Document::of(&facts, policy, &lost_here, &files);
        let json = serde_json::to_string_pretty(&document).map_err(internal)?;
        files.push(PolicyFile::new("export.json", format!("{json}\n")));
        let default = || PathBuf::from(format!("{}-{}", store_name(&gun), policy.as_str()));
        let folder = self.output.unwrap_or_else(default);
        write(&folder, &files)?;
        for one in &lost_here {
            session.ui.warn(loss(one).trim_end_matches('.'));
        }
        let carried = facts.counting().filter(|key| is_carried(key.id.as_str(), &lost_here));
        session.ui.status(format!(
            "{} and {} of {gun} are in {}; README.md there says how to go on",
            count(carried.count(), "key"),
            count(facts.tags.len(), "tag"),
            folder.display()
        ));
        if self.json {
            session.ui.line(json)?;
        }
        Ok(())
    }
}

fn is_carried(key: &str, losses: &[Loss]) -> bool {
    !losses.iter().any(|loss| matches!(loss, Loss::NotCarried { id, .. } if id.as_str() == key))
}

impl Document {
    fn of(facts: &Facts, policy: Policy, losses: &[Loss], files: &[PolicyFile]) -> Self {
        let time = |at| Rfc3339::utc(at).to_string();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let expiry = |(role, at): &(crate::tuf::RoleName, crate::clock::Timestamp)| Expiry {
            role: role.to_string(),
            expires: time(*at),
        };
        let roles = facts.roles.iter().map(|role| RoleRow {
            role: role.role.to_string(),
            threshold: role.threshold,
            keys: role.keys.iter().map(|id| id.as_str().to_owned()).collect(),
            paths: role.paths.clone(),
            counts: role.counts,
        });
        let keys = facts.keys.iter().map(|key| KeyRow {
            id: key.id.as_str().to_owned(),
            name: key.name.clone(),
            algorithm: key.algorithm.clone(),
            roles: key.roles.iter().map(ToString::to_string).collect(),
            counts: key.counts,
            here: key.here,
            public: key.pem.as_deref().map(text),
            certificates: key
                .certificates
                .iter()
                .map(|certificate| CertificateRow {
                    common_name: certificate.common_name.clone(),
                    not_before: time(certificate.not_before),
                    not_after: time(certificate.not_after),
                    authority: certificate.is_ca,
                    pem: text(&certificate.to_pem()),
                })
                .collect(),
            carried: key.counts && is_carried(key.id.as_str(), losses),
        });
        let tags = facts.tags.iter().map(|tag| TagRow {
            tag: tag.tag.clone(),
            digest: tag.digest.as_ref().map(ToString::to_string),
            size: tag.size,
            signed_by: tag.signed_by.iter().map(ToString::to_string).collect(),
        });
        Self {
            repository: facts.gun.to_string(),
            policy: policy.as_str(),
            exported: time(facts.now),
            root_version: facts.root_version,
            fresh_until: time(facts.fresh_until),
            expires_first: expiry(&facts.expires_first),
            expired: facts.expired.iter().map(expiry).collect(),
            roles: roles.collect(),
            keys: keys.collect(),
            tags: tags.collect(),
            lost: losses.iter().map(|one| LossRow { id: one.id(), text: loss(one) }).collect(),
            files: files.iter().map(|file| file.path.display().to_string()).collect(),
        }
    }
}
