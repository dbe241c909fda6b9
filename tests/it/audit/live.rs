//! How images stand, asked of a real notary-server.

use std::fs;

use serde_json::Value;

use crate::peers::image::push_image;
use crate::peers::{NotaryOptions, NotaryServer, Registry, RegistryOptions, User};

#[test]
fn images_are_judged_by_a_real_server() {
    let registry = Registry::start(&RegistryOptions::default());
    let mut notary = NotaryServer::start(&NotaryOptions::default());
    let (mut owner, mut reader) = (User::new(), User::new());
    owner.use_notary(&notary);
    reader.use_notary(&notary);
    let name = |image: &str| format!("{}/{image}", registry.host_port());
    let digest = push_image(&registry, "app", "1", b"one").digest;
    push_image(&registry, "app", "2", b"two");
    owner.trust(&["sign", "--signer", "alice", "-q", &name("app:1")]).success();
    let text = format!("FROM {}\nFROM {}\nFROM {}\n", name("app:1"), name("app:2"), name("none:1"));
    fs::write(reader.home().join("Dockerfile"), text).unwrap();

    let finished = reader.trust(&["audit", "Dockerfile", "--json"]).success();
    assert!(finished.stderr.contains("first contact"), "{finished:?}");
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    let image = |document: &Value, image: &str| {
        let images = document["images"].as_array().unwrap();
        images.iter().find(|row| row["image"] == name(image)).cloned().unwrap()
    };
    let signed = image(&document, "app:1");
    assert_eq!(signed["state"], "signed");
    assert_eq!(signed["digest"], digest.as_str());
    assert_eq!(signed["signers"][0], "alice");
    assert_eq!(signed["role"], "targets/releases");
    assert_eq!(signed["expires_first"]["role"], "timestamp");
    assert_eq!(signed["after_closing"], "stays");
    assert_eq!(signed["places"][0]["line"], 1);
    assert_eq!(image(&document, "app:2")["state"], "unsigned");
    assert_eq!(image(&document, "none:1")["state"], "unsigned");

    // A repository stands for its tags; what ends within the time asked about is a warning.
    let finished =
        owner.trust(&["audit", &name("app"), "--within", "20y", "--json"]).expect_code(15);
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(image(&document, "app:1")["places"][0]["typed"], name("app"));
    let findings = document["findings"].as_array().unwrap();
    assert!(findings.iter().any(|found| found["rule"] == "TR022"), "{finished:?}");
    let roles = document["collections"][0]["roles"].as_array().unwrap();
    let here =
        |role: &str| roles.iter().find(|row| row["role"] == role).unwrap()["keys_here"].clone();
    assert_eq!((here("root"), here("timestamp")), (true.into(), false.into()));

    // Nothing is guessed of what nobody can be asked about.
    notary.stop();
    let finished = reader.trust(&["audit", "Dockerfile"]).expect_code(10);
    assert!(finished.stdout.contains("unreachable") && finished.stdout.contains("TR025"));
    let table = finished.stdout.lines().find(|line| line.starts_with(&name("app:1"))).unwrap();
    assert!(!table.contains("sha256"), "{table}");
    reader.trust(&["audit", "Dockerfile", "--no-network"]).success();
}
