//! What `trust repo export` writes, and whether others read it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::peers::image::push_image;
use crate::peers::{NotaryOptions, NotaryServer, Registry, RegistryOptions, User};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn exports_are_read_by_skopeo_and_openssl() {
    let registry = Registry::start(&RegistryOptions::default());
    let notary = NotaryServer::start(&NotaryOptions::default());
    let mut owner = User::new();
    owner.use_notary(&notary);
    let name = |image: &str| format!("{}/{image}", registry.host_port());
    for (repository, signer) in [("own", None), ("team", Some("alice"))] {
        push_image(&registry, repository, "1", repository.as_bytes());
        let image = name(&format!("{repository}:1"));
        let signer: Vec<&str> = signer.iter().flat_map(|name| ["--signer", name]).collect();
        owner.trust(&[&["sign", "-q", image.as_str()], signer.as_slice()].concat()).success();
    }
    let export = |repository: &str, policy: &str| {
        let folder = format!("{repository}-{policy}");
        let done =
            owner.trust(&["repo", "export", &name(repository), "--policy", policy, "-o", &folder]);
        (owner.home().join(folder), done.success())
    };

    // The policy is understood, and refuses what is not signed there.
    let (folder, done) = export("own", "containers");
    assert!(done.stderr.contains("Freshness"), "{done:?}");
    let policy = folder.join("policy.json").display().to_string();
    let registries = folder.join("registries.d").display().to_string();
    let source = format!("docker://{}", name("own:1"));
    let target = format!("dir:{}", owner.home().join("copy").display());
    let copy =
        ["--policy", &policy, "--registries.d", &registries, "copy", "--src-tls-verify=false"];
    let refused = owner.program("skopeo", &[copy.as_slice(), &[&source, &target]].concat());
    assert!(refused.stderr.contains("signature was required"), "{refused:?}");
    let team = json(&export("team", "containers").0.join("policy.json"));
    let requirement = &team["transports"]["docker"][name("team").as_str()][0];
    assert_eq!(requirement["keyDatas"].as_array().unwrap().len(), 2);

    // Keys and certificates are what they are called.
    let (folder, _) = export("team", "cosign");
    let keys = files_in(&folder.join("keys"));
    assert_eq!(keys.len(), 2);
    for key in &keys {
        let key = key.display().to_string();
        owner.program("openssl", &["pkey", "-pubin", "-noout", "-in", &key]).success();
    }
    let services = json(&folder.join("signing-config.json"));
    assert_eq!(services["rekorTlogConfig"], serde_json::json!({}));
    let lost = fs::read_to_string(folder.join("LOST.md")).unwrap();
    assert!(lost.contains("2 delegations become 2 keys"), "{lost}");
    let tags = fs::read_to_string(folder.join("tags.tsv")).unwrap();
    assert!(tags.starts_with("1\tsha256:") && tags.contains("targets/alice"), "{tags}");

    // A key is exported, and a certificate made of it, as the README says.
    let (folder, done) = export("own", "notation");
    assert!(done.stderr.contains("is not carried"), "{done:?}");
    let facts = json(&folder.join("export.json"));
    let key = facts["keys"].as_array().unwrap().iter().find(|key| key["counts"] == true).unwrap();
    assert_eq!(key["carried"], false);
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let command = |start: &str| {
        let line = readme.lines().map(str::trim).find(|line| line.starts_with(start)).unwrap();
        let words = line.split_whitespace().map(|word| word.trim_matches('"').to_owned());
        words.skip(1).collect::<Vec<_>>()
    };
    let run = |program: &str, words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        owner.program(program, &words)
    };
    let words = command("trust key export");
    owner.trust(&words.iter().map(String::as_str).collect::<Vec<_>>()).success();
    let line = readme.lines().find(|line| line.trim().starts_with("sed")).unwrap();
    let unlock = format!("{line} -passin 'pass:repository passphrase'");
    run("sh", &["-c".to_owned(), unlock]).success();
    let store = folder.join("truststore/x509/ca");
    let store = store
        .join(json(&folder.join("trustpolicy.json"))["trustPolicies"][0]["name"].as_str().unwrap());
    fs::create_dir_all(&store).unwrap();
    let at_home = |word: String| match word.as_str() {
        "certificate.cnf" => folder.join(&word).display().to_string(),
        word if word.starts_with("truststore/") => folder.join(word).display().to_string(),
        _ => word,
    };
    let words: Vec<String> = command("openssl req").into_iter().map(at_home).collect();
    run("openssl", &words).success();
    let certificate = files_in(&store)[0].display().to_string();
    let shown =
        owner.program("openssl", &["x509", "-noout", "-text", "-in", &certificate]).success();
    assert!(shown.stdout.contains("Digital Signature") && shown.stdout.contains("CA:FALSE"));
    let public = owner.program("openssl", &["x509", "-noout", "-pubkey", "-in", &certificate]);
    assert_eq!(public.success().stdout, key["public"].as_str().unwrap());

    // Nothing is written over, and nothing half.
    owner
        .trust(&["repo", "export", &name("own"), "--policy", "notation", "-o", "own-notation"])
        .expect_code(14);
    owner.trust(&["repo", "export", &name("none"), "--policy", "cosign"]).expect_code(3);
    owner.trust(&["repo", "export", &name("own"), "--policy", "gpg"]).expect_code(2);
}
