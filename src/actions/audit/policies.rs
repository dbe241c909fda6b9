//! What admission policies and configuration files say of content trust.

use crate::actions::audit::rules::What;
use crate::actions::image_files::{Outline, Value};

/// What a YAML or JSON file says, with its lines.
pub(super) fn policies(text: &str) -> Vec<(usize, What)> {
    let names_one = WORDS.iter().any(|word| text.contains(word));
    let Some(outline) = names_one.then(|| Outline::read(text)).flatten() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for document in outline.documents() {
        object(document, &mut found);
        // A chart that has Connaisseur's as a part has its values below its name.
        for root in [Some(document), document.get("connaisseur")].into_iter().flatten() {
            connaisseur(root, &mut found);
        }
        for root in [Some(document), document.get("harbor")].into_iter().flatten() {
            harbor(root, &mut found);
        }
    }
    found
}

/// A Kubernetes object, or the objects of a list.
fn object(document: Value<'_>, found: &mut Vec<(usize, What)>) {
    let kind = document.text_of("kind").unwrap_or_default();
    let version = document.text_of("apiVersion").unwrap_or_default();
    let group = version.split('/').next().unwrap_or_default();
    match (kind, group) {
        ("List", _) => {
            document.get("items").into_iter().flat_map(Value::items).for_each(|item| {
                // A list of lists is nobody's.
                if item.text_of("kind") != Some("List") {
                    object(item, found);
                }
            });
        }
        ("ClusterImagePolicy" | "ImagePolicy", group) if PORTIERIS.contains(&group) => {
            portieris(document, found);
        }
        ("ClusterImagePolicy", "policy.sigstore.dev") => {
            found.push((document.line(), What::OtherPolicy { of: "Sigstore policy controller" }));
        }
        ("ClusterPolicy" | "Policy", "kyverno.io") => {
            let rules = document.at(&["spec", "rules"]).into_iter().flat_map(Value::items);
            let line = rules.filter_map(|rule| rule.get("verifyImages")).map(Value::line).next();
            found.extend(line.map(|line| (line, What::OtherPolicy { of: "Kyverno" })));
        }
        (
            "Constraint" | "ConstraintTemplate",
            "constraints.gatekeeper.sh" | "templates.gatekeeper.sh",
        ) => {
            let of = "Gatekeeper";
            found.push((document.line(), What::OtherPolicy { of }));
        }
        _ => {}
    }
}

fn portieris(document: Value<'_>, found: &mut Vec<(usize, What)>) {
    let repositories = document.at(&["spec", "repositories"]);
    for repository in repositories.into_iter().flat_map(Value::items) {
        let Some(trust) = repository.at(&["policy", "trust"]) else { continue };
        if trust.text_of("enabled") != Some("true") {
            continue;
        }
        let what = What::Portieris {
            images: repository.text_of("name").unwrap_or("*").to_owned(),
            server: trust.text_of("trustServer").map(str::to_owned),
            signers: trust.get("signerSecrets").into_iter().flat_map(Value::items).count(),
        };
        found.push((trust.line(), what));
    }
}

fn connaisseur(root: Value<'_>, found: &mut Vec<(usize, What)>) {
    let lists = [root.get("validators"), root.at(&["application", "validators"])];
    for validator in lists.into_iter().flatten().flat_map(Value::items) {
        if validator.text_of("type") != Some("notaryv1") {
            continue;
        }
        let roots = ["trustRoots", "trust_roots", "root_keys"].iter();
        let roots = roots.filter_map(|key| validator.get(key)).flat_map(Value::items).count();
        let what = What::Connaisseur {
            name: validator.text_of("name").unwrap_or_default().to_owned(),
            server: validator.text_of("host").map(str::to_owned),
            roots,
        };
        found.push((validator.line(), what));
    }
    // The first versions knew one server, and the key of one root.
    let first = root.get("notary").filter(|notary| notary.get("rootPubKey").is_some());
    if let Some(notary) = first {
        let server = notary.text_of("host").map(str::to_owned);
        let what = What::Connaisseur { name: "default".to_owned(), server, roots: 1 };
        found.push((notary.line(), what));
    }
}

/// The values of Harbor's chart that bring its notary.
fn harbor(root: Value<'_>, found: &mut Vec<(usize, What)>) {
    let notary = root.get("notary").filter(|notary| notary.text_of("enabled") == Some("true"));
    if let Some(notary) = notary {
        let by = "`notary.enabled` of Harbor".to_owned();
        found.push((notary.line(), What::NotaryService { by }));
    }
}

/// What a configuration file in JSON says: docker's daemon, notary's client, server and signer.
pub(super) fn configuration(name: &str, text: &str) -> Vec<(usize, What)> {
    let Ok(serde_json::Value::Object(members)) = serde_json::from_str(text) else {
        return Vec::new();
    };
    let line = |key: &str| {
        let at = text.find(&format!("\"{key}\"")).unwrap_or(0);
        text.get(..at).unwrap_or_default().matches('\n').count().saturating_add(1)
    };
    let mut found = Vec::new();
    if name == "daemon.json" {
        if let Some(content_trust) = members.get("content-trust") {
            let mode = content_trust.get("mode").and_then(|mode| mode.as_str());
            if mode != Some("disabled") {
                let mode = mode.map(str::to_owned);
                found.push((line("content-trust"), What::DaemonContentTrust { mode }));
            }
        }
        let insecure = members.get("insecure-registries").and_then(|list| list.as_array());
        for name in insecure.into_iter().flatten().filter_map(|name| name.as_str()) {
            let name = name.to_owned();
            found.push((line("insecure-registries"), What::InsecureRegistry { name }));
        }
    }
    if members.contains_key("remote_server") || members.contains_key("trust_pinning") {
        let url = members.get("remote_server").and_then(|server| server.get("url"));
        let url = url.and_then(|url| url.as_str()).map(str::to_owned);
        let key =
            if members.contains_key("remote_server") { "remote_server" } else { "trust_pinning" };
        found.push((line(key), What::NotaryConfiguration { url }));
    }
    if members.contains_key("trust_service") && members.contains_key("storage") {
        let by = "the configuration of a notary server".to_owned();
        found.push((line("trust_service"), What::NotaryService { by }));
    }
    found
}

/// Without one of these words a file is none of these.
const WORDS: &[&str] =
    &["ImagePolicy", "notaryv1", "verifyImages", "gatekeeper.sh", "rootPubKey", "notary:"];
/// The groups of Portieris' policies, present and former.
const PORTIERIS: &[&str] =
    &["portieris.cloud.ibm.com", "securityenforcement.admission.cloud.ibm.com"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policies_of_portieris_are_read() {
        let text = "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\nspec:\n  \
                    repositories:\n  - name: '*'\n    policy: {}\n  - name: icr.io/*\n    policy:\n      \
                    trust:\n        enabled: true\n        trustServer: https://notary.docker.io\n        \
                    signerSecrets:\n        - name: ann\n  - name: x\n    policy:\n      trust:\n        \
                    enabled: false\n";
        let found = policies(text);
        let [(10, What::Portieris { images, server, signers: 1 })] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(images, "icr.io/*");
        assert_eq!(server.as_deref(), Some("https://notary.docker.io"));
    }

    #[test]
    fn the_validators_of_connaisseur_are_read() {
        let validators = "validators:\n- name: allow\n  type: static\n- name: hub\n  type: notaryv1\n  \
                          host: notary.docker.io\n  trustRoots:\n  - name: a\n    key: x\n  - name: b\n";
        for prefix in ["", "application:\n", "connaisseur:\n  application:\n"] {
            let depth = prefix.matches('\n').count() * 2;
            let lines = validators.lines().map(|line| format!("{}{line}\n", " ".repeat(depth)));
            let text: String = std::iter::once(prefix.to_owned()).chain(lines).collect();
            let found = policies(&text);
            let [(_, What::Connaisseur { name, server, roots: 2 })] = found.as_slice() else {
                panic!("{text}\n{found:?}")
            };
            assert_eq!((name.as_str(), server.as_deref()), ("hub", Some("notary.docker.io")));
        }
    }

    #[test]
    fn the_first_connaisseur_and_harbor_are_read() {
        let text = "notary:\n  host: notary.example.com\n  rootPubKey: |\n    x\n";
        let found = policies(text);
        let [(_, What::Connaisseur { server, roots: 1, .. })] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(server.as_deref(), Some("notary.example.com"));
        let found = policies("expose: {}\nnotary:\n  enabled: true\n");
        assert!(matches!(found.as_slice(), [(_, What::NotaryService { .. })]), "{found:?}");
        assert!(policies("notary:\n  enabled: false\n").is_empty());
    }

    #[test]
    fn policies_for_other_signatures_are_told_apart() {
        let kyverno = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nspec:\n  rules:\n  - name: x\n    \
                       verifyImages:\n    - imageReferences: ['*']\n";
        assert!(matches!(policies(kyverno).as_slice(), [(7, What::OtherPolicy { of: "Kyverno" })]));
        let sigstore = "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\n";
        assert!(matches!(policies(sigstore).as_slice(), [(1, What::OtherPolicy { .. })]));
        assert!(policies("apiVersion: v1\nkind: Pod # ImagePolicy\n").is_empty());
        assert!(policies("ImagePolicy: [").is_empty());
    }

    #[test]
    fn configurations_are_read() {
        let daemon = "{\n \"insecure-registries\": [\"a:5000\", \"b\"],\n \"content-trust\": {\"mode\": \
                      \"enforced\"}\n}";
        let found = configuration("daemon.json", daemon);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 2, 2]);
        assert!(configuration("x.json", daemon).is_empty());
        let off = "{\"content-trust\": {\"mode\": \"disabled\"}}";
        assert!(configuration("daemon.json", off).is_empty());
        let client = "{\"remote_server\": {\"url\": \"https://n\"}}";
        let found = configuration("config.json", client);
        let [(1, What::NotaryConfiguration { url })] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(url.as_deref(), Some("https://n"));
        let server = "{\"trust_service\": {}, \"storage\": {}}";
        assert_eq!(configuration("s.json", server).len(), 1);
        assert!(configuration("x.json", "[").is_empty());
    }
}
