//! The files of each system.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::actions::repo::export::Policy;
use crate::actions::repo::export::facts::{Facts, KeyFacts};
use crate::actions::repo::export::losses::not_carried;
use crate::codec::text::to_base64;
use crate::tuf::{Gun, RoleName};

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// Where, from the folder of the export.
    pub path: PathBuf,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Its mode, before the umask.
    pub mode: u32,
}

impl PolicyFile {
    /// A file that everybody may read.
    pub fn new(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), bytes: bytes.into(), mode: 0o644 }
    }
}

/// Keys, certificates and policy in the form of a system, and the list of tags.
pub fn policy_files(facts: &Facts, policy: Policy) -> Vec<PolicyFile> {
    let carried: Vec<&KeyFacts> =
        facts.counting().filter(|key| not_carried(key, policy, facts.now).is_none()).collect();
    let mut files: Vec<PolicyFile> = facts
        .counting()
        .filter_map(|key| {
            let path = format!("keys/{}.pem", key.name);
            Some(PolicyFile::new(path, key.pem.clone()?))
        })
        .collect();
    files.extend(match policy {
        Policy::Notation => notation(facts, &carried),
        Policy::Cosign => cosign(facts, &carried),
        Policy::Containers => containers(facts, &carried),
    });
    files.push(PolicyFile::new("tags.tsv", tags(facts)));
    files
}

/// The name of a collection's trust store, and of its policy: letters, digits, `.`, `_` and `-`.
pub fn store_name(gun: &Gun) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-');
    gun.as_str().chars().map(|char| if plain(char) { char } else { '-' }).collect()
}

fn notation(facts: &Facts, carried: &[&KeyFacts]) -> Vec<PolicyFile> {
    let store = store_name(&facts.gun);
    let mut files: Vec<PolicyFile> = carried
        .iter()
        .filter_map(|key| {
            let path = format!("truststore/x509/ca/{store}/{}.pem", key.name);
            Some(PolicyFile::new(path, key.certificates.first()?.to_pem()))
        })
        .collect();
    let policy = json!({
        "version": "1.0",
        "trustPolicies": [{
            "name": store,
            "registryScopes": [facts.gun.as_str()],
            "signatureVerification": {"level": "strict"},
            "trustStores": [format!("ca:{store}")],
            // The store holds nobody but the signers themselves.
            "trustedIdentities": ["*"],
        }],
    });
    files.push(PolicyFile::new("trustpolicy.json", pretty(&policy)));
    files.push(PolicyFile::new("certificate.cnf", CERTIFICATE_CONFIG));
    files
}

fn cosign(facts: &Facts, carried: &[&KeyFacts]) -> Vec<PolicyFile> {
    let name = match facts.gun.as_str().strip_prefix("docker.io/") {
        // The policy controller spells Docker Hub out.
        Some(rest) => format!("index.docker.io/{rest}"),
        None => facts.gun.to_string(),
    };
    let globs: Vec<String> = ["", ":*", "@*"].iter().map(|end| format!("{name}{end}")).collect();
    let authorities = carried.iter().filter_map(|key| {
        let pem = String::from_utf8(key.pem.clone()?).ok()?;
        Some(json!({"name": key.name, "key": {"data": pem}}))
    });
    let object_name = store_name(&facts.gun).to_ascii_lowercase().replace('_', "-");
    let policy = json!({
        "apiVersion": "policy.sigstore.dev/v1beta1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": object_name.trim_matches(['.', '-'])},
        "spec": {
            "images": globs.iter().map(|glob| json!({"glob": glob})).collect::<Vec<_>>(),
            "authorities": authorities.collect::<Vec<_>>(),
        },
    });
    // Without it cosign 3 looks for the services of the public transparency log.
    let signing = json!({
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "rekorTlogConfig": {},
        "tsaConfig": {},
    });
    vec![
        // JSON is YAML.
        PolicyFile::new("cluster-image-policy.yaml", pretty(&policy)),
        PolicyFile::new("signing-config.json", pretty(&signing)),
    ]
}

fn containers(facts: &Facts, carried: &[&KeyFacts]) -> Vec<PolicyFile> {
    let data: Vec<String> =
        carried.iter().filter_map(|key| key.pem.as_deref().map(to_base64)).collect();
    let requirement = match data.as_slice() {
        [] => json!({"type": "reject"}),
        [only] => json!({"type": "sigstoreSigned", "keyData": only}),
        several => json!({"type": "sigstoreSigned", "keyDatas": several}),
    };
    let mut scopes = serde_json::Map::new();
    scopes.insert(facts.gun.to_string(), json!([requirement]));
    let policy = json!({"default": [{"type": "reject"}], "transports": {"docker": scopes}});
    let mut attachments = serde_json::Map::new();
    attachments.insert(facts.gun.to_string(), json!({"use-sigstore-attachments": true}));
    let registries = json!({"docker": attachments});
    vec![
        PolicyFile::new("policy.json", pretty(&policy)),
        PolicyFile::new(
            format!("registries.d/{}.yaml", store_name(&facts.gun)),
            pretty(&registries),
        ),
    ]
}

/// Tag, digest, size and who vouches for it, with tabs between: what is to be signed anew.
fn tags(facts: &Facts) -> String {
    let mut text = String::new();
    for tag in &facts.tags {
        let Some(digest) = &tag.digest else { continue };
        // A name with a tab or a line break in it is no tag.
        if tag.tag.chars().any(char::is_control) {
            continue;
        }
        let roles: Vec<&str> = tag.signed_by.iter().map(RoleName::as_str).collect();
        let roles = roles.join(",");
        text.extend([format!("{}\t{digest}\t{}\t{roles}\n", tag.tag, tag.size)]);
    }
    text
}

fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("{text}\n")
}

/// For `openssl req -x509`: what notation demands of the certificate of a signer.
const CERTIFICATE_CONFIG: &str = "\
[req]
distinguished_name = name
x509_extensions = signer
[name]
[signer]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = codeSigning
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use rcgen::{CertificateParams, KeyPair, KeyUsagePurpose};

    use super::*;
    use crate::actions::repo::export::facts::facts;
    use crate::actions::repo::export::losses::{Loss, NotCarried, losses};
    use crate::crypto::{KeyType, PrivateKey, PublicKey};
    use crate::tuf::testing::{Repo, TestKey, now, role, threshold};
    use crate::tuf::trusted::Expiry;

    fn facts_of(repo: &Repo) -> Facts {
        let root = [(RoleName::Root, repo.files()[&RoleName::Root].clone())];
        let trusted = repo.again_at(&root.into(), now(), Expiry::Remembered).unwrap();
        facts(&trusted, &BTreeSet::new())
    }

    fn file<'a>(files: &'a [PolicyFile], path: &str) -> &'a PolicyFile {
        files.iter().find(|file| file.path.to_str() == Some(path)).unwrap_or_else(|| {
            panic!("{:?}", files.iter().map(|file| &file.path).collect::<Vec<_>>())
        })
    }

    fn json_of(files: &[PolicyFile], path: &str) -> Value {
        serde_json::from_slice(&file(files, path).bytes).unwrap()
    }

    #[test]
    fn a_repository_of_its_owner_alone_has_one_key() {
        let facts = facts_of(&Repo::new());
        let files = policy_files(&facts, Policy::Containers);
        let policy = json_of(&files, "policy.json");
        let requirement = &policy["transports"]["docker"][facts.gun.as_str()][0];
        assert_eq!(requirement["type"], "sigstoreSigned");
        assert!(requirement["keyData"].is_string(), "{policy}");
        assert_eq!(policy["default"][0]["type"], "reject");
        let lost = losses(&facts, Policy::Containers);
        assert!(!lost.iter().any(|loss| matches!(loss, Loss::Delegations { .. })), "{lost:?}");
        assert!(!lost.contains(&Loss::TagBinding));
    }

    #[test]
    fn the_keys_of_signers_are_carried_and_what_they_lose_is_told() {
        let mut repo = Repo::new();
        let (ann, bob, eve) = (TestKey::bare(), TestKey::bare(), TestKey::bare());
        repo.delegate("targets/ann", vec![ann.clone()], &[""]);
        repo.delegate("targets/eve", vec![eve], &["v"]);
        repo.delegate("targets/releases", vec![ann, bob], &["v1", "v2"]);
        let targets = repo.targets.get_mut(&RoleName::Targets).unwrap();
        targets.delegations.roles.last_mut().unwrap().threshold = threshold(2);
        let facts = facts_of(&repo);
        let files = policy_files(&facts, Policy::Cosign);
        let policy = json_of(&files, "cluster-image-policy.yaml");
        let names: Vec<&str> = policy["spec"]["authorities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|authority| authority["name"].as_str().unwrap().split('-').next().unwrap())
            .collect();
        assert_eq!(names.len(), 3);
        for name in ["ann", "releases", "repository"] {
            assert!(names.contains(&name), "{names:?}");
        }
        let lost = losses(&facts, Policy::Cosign);
        assert!(lost.contains(&Loss::TagBinding));
        assert!(lost.contains(&Loss::Delegations { delegations: 3, keys: 3 }), "{lost:?}");
        assert!(lost.contains(&Loss::NotCounting { role: role("targets/eve") }), "{lost:?}");
        assert!(lost.contains(&Loss::Threshold { role: role("targets/releases"), need: 2 }));
        assert!(
            lost.iter().any(|loss| matches!(loss, Loss::Paths { paths, .. } if paths.len() == 2))
        );
        let policy = json_of(&policy_files(&facts, Policy::Containers), "policy.json");
        let keys = &policy["transports"]["docker"][facts.gun.as_str()][0]["keyDatas"];
        assert_eq!(keys.as_array().unwrap().len(), 3);
    }

    #[test]
    fn notation_knows_no_keys_of_ed25519() {
        let facts = facts_of(&Repo::new());
        let files = policy_files(&facts, Policy::Notation);
        assert!(!files.iter().any(|file| file.path.starts_with("truststore")));
        let policy = json_of(&files, "trustpolicy.json");
        assert_eq!(policy["trustPolicies"][0]["registryScopes"][0], facts.gun.as_str());
        let lost = losses(&facts, Policy::Notation);
        let why = lost.iter().find_map(|loss| match loss {
            Loss::NotCarried { why, .. } => Some(*why),
            _ => None,
        });
        assert_eq!(why, Some(NotCarried::Algorithm));
    }

    /// A repository whose releases are signed with a key in this certificate.
    fn with_certificate(pem: &str) -> Facts {
        let mut repo = Repo::new();
        let public = PublicKey::new(KeyType::EcdsaX509, pem.as_bytes().to_vec());
        let private = Arc::new(PrivateKey::generate_ecdsa().unwrap());
        repo.delegate("targets/releases", vec![TestKey::of(private, public)], &[""]);
        // Whether its file is signed does not matter to whose keys count.
        let mut facts = facts_of(&repo);
        facts.now = now();
        facts
    }

    fn stored(facts: &Facts) -> usize {
        let files = policy_files(facts, Policy::Notation);
        let stored = files.iter().filter(|file| file.path.starts_with("truststore/x509/ca"));
        stored.inspect(|file| assert!(file.bytes.starts_with(b"-----BEGIN CERTIFICATE"))).count()
    }

    #[test]
    fn a_certificate_of_a_signer_is_put_into_the_store() {
        let mut params = CertificateParams::default();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let pem = |params: &CertificateParams| {
            params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
        };
        assert_eq!(stored(&with_certificate(&pem(&params))), 1);
        // notation refuses what does not say that it is for signing.
        params.key_usages = Vec::new();
        let facts = with_certificate(&pem(&params));
        assert_eq!(stored(&facts), 0);
        let lost = losses(&facts, Policy::Notation);
        let is_other = |loss: &Loss| matches!(loss, Loss::NotCarried { why: NotCarried::OtherUse, name, .. } if name.starts_with("releases"));
        assert!(lost.iter().any(is_other), "{lost:?}");
    }

    #[test]
    fn names_of_stores_are_plain() {
        let gun = Gun::parse("localhost:5000/a_b/c.d").unwrap();
        assert_eq!(store_name(&gun), "localhost-5000-a_b-c.d");
    }
}
