//! A tree with a file of every kind, and what is said of it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::peers::User;
use crate::peers::process::Finished;

/// Files by their names; what is not to be found stands among it.
const FILES: &[(&str, &str)] = &[
    (
        ".github/workflows/release.yml",
        "on: push\nenv:\n  DOCKER_CONTENT_TRUST: \"1\"\n  DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: ${{ \
         secrets.ROOT }}\njobs:\n  sign:\n    runs-on: ubuntu-latest\n    steps:\n      - run: docker \
         trust sign registry.example.com/app:1.0\n",
    ),
    (
        ".gitlab-ci.yml",
        "variables:\n  DOCKER_CONTENT_TRUST_SERVER: https://notary.docker.io\n  \
         DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: \"correct horse\"\nbuild:\n  script:\n    - \
         notary -s https://notary.example.com init registry.example.com/collection -p\n",
    ),
    (".circleci/config.yml", "jobs:\n  a:\n    environment:\n      DOCKER_CONTENT_TRUST: 0\n"),
    (".travis.yml", "env:\n  global:\n    - DOCKER_CONTENT_TRUST=1\n"),
    (".drone.yml", "steps:\n- name: a\n  environment:\n    DOCKER_CONTENT_TRUST: 1\n"),
    (".tekton/push.yaml", "env:\n- name: DOCKER_CONTENT_TRUST\n  value: \"1\"\n"),
    (".buildkite/pipeline.yml", "env:\n  DOCKER_CONTENT_TRUST: 1\n"),
    ("azure-pipelines.yml", "variables:\n  DOCKER_CONTENT_TRUST: 1\n"),
    ("bitbucket-pipelines.yml", "script:\n  - export DOCKER_CONTENT_TRUST=1\n"),
    (
        "Jenkinsfile",
        "pipeline {\n  environment { DOCKER_CONTENT_TRUST = '1' }\n  // DOCKER_CONTENT_TRUST = '0'\n  \
         steps { sh 'docker trust revoke -y registry.example.com/app:0.9' }\n}\n",
    ),
    ("Makefile", "push:\n\tDOCKER_CONTENT_TRUST=1 docker push app\n\t# DOCKER_CONTENT_TRUST=0\n"),
    ("scripts/pull", "#!/bin/sh\ndocker pull --disable-content-trust alpine\n"),
    ("scripts/run.sh", "docker run --disable-content-trust=false alpine\n"),
    ("Dockerfile", "FROM registry.example.com/base:3\nENV DOCKER_CONTENT_TRUST 1\nFROM $WHICH\n"),
    (
        "compose.yaml",
        "services:\n  web:\n    image: registry.example.com/app:1.0\n    environment:\n      - \
         DOCKER_CONTENT_TRUST=1\n  notary:\n    image: docker.io/library/notary:server-0.7.0\n",
    ),
    (
        "deploy/pod.yaml",
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: registry.example.com/app:1.0\n    \
         env:\n    - name: DOCKER_CONTENT_TRUST\n      value: \"1\"\n",
    ),
    ("deploy/templates/x.yaml", "image: {{ .Values.image }}\n{{- if .x }}\n"),
    (
        "deploy/portieris.yaml",
        "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\nspec:\n  repositories:\n  - \
         name: registry.example.com/*\n    policy:\n      trust:\n        enabled: true\n        \
         trustServer: https://notary.example.com\n        signerSecrets:\n        - name: ann\n",
    ),
    (
        "deploy/values.yaml",
        "application:\n  validators:\n  - name: hub\n    type: notaryv1\n    host: \
         notary.docker.io\n    trustRoots:\n    - name: default\n      key: x\n",
    ),
    (
        "deploy/kyverno.yaml",
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nspec:\n  rules:\n  - name: signed\n    \
         verifyImages:\n    - imageReferences: [\"*\"]\n",
    ),
    (
        "docker/daemon.json",
        "{\n  \"insecure-registries\": [\"registry.example.com:5000\"],\n  \
                            \"content-trust\": {\"mode\": \"enforced\"}\n}\n",
    ),
    ("notary/config.json", "{\"remote_server\": {\"url\": \"https://notary.example.com\"}}\n"),
    ("units/docker.service.d/trust.conf", "[Service]\nEnvironment=\"DOCKER_CONTENT_TRUST=1\"\n"),
    ("harbor/install.sh", "./prepare --with-notary\n"),
    ("README.md", "Run `export DOCKER_CONTENT_TRUST=1` first.\n"),
    ("main.go", "// DOCKER_CONTENT_TRUST=1\nos.Setenv(\"DOCKER_CONTENT_TRUST\", \"1\")\n"),
    ("node_modules/x/install.sh", "export DOCKER_CONTENT_TRUST=1\n"),
    (".git/hooks/pre-push", "export DOCKER_CONTENT_TRUST=1\n"),
    ("out/skipped.sh", "export DOCKER_CONTENT_TRUST=1\n"),
];

/// A person in whose home folder the tree is.
fn tree() -> User {
    let mut user = User::new();
    for name in [
        "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE",
        "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
        "NOTARY_ROOT_PASSPHRASE",
        "NOTARY_TARGETS_PASSPHRASE",
        "NOTARY_SNAPSHOT_PASSPHRASE",
        "NOTARY_DELEGATION_PASSPHRASE",
    ] {
        user.unset(name);
    }
    let top = user.home().join("tree");
    for (name, text) in FILES {
        let path = top.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    symlink("..", top.join("scripts/loop")).unwrap();
    fs::write(top.join("image.bin"), b"\0DOCKER_CONTENT_TRUST=1\n").unwrap();
    let odd = OsStr::from_bytes(b"odd-\xff.sh");
    fs::write(top.join(odd), b"# \xff\nexport DOCKER_CONTENT_TRUST=1\n").unwrap();
    user
}

fn audit(user: &User, args: &[&str]) -> Finished {
    user.trust(&[&["audit", "tree", "--no-network", "--exclude", "out"], args].concat())
}

/// What has to be the same to the byte, but for the day of the test: a server that closes has
/// closed at some time. `TRUST_TEST_GOLDEN=write` writes it anew.
fn is_golden(name: &str, printed: &str) {
    let printed = printed.replace("closed on", "closes on");
    let printed = printed.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/audit").join(name);
    if std::env::var_os("TRUST_TEST_GOLDEN").is_some_and(|mode| mode == "write") {
        fs::write(&path, &printed).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(printed == expected, "{} is not what is printed now:\n{printed}", path.display());
}

#[test]
fn every_kind_of_file_is_found_and_told_of() {
    let user = tree();
    let table = audit(&user, &[]).expect_code(12);
    assert!(table.stderr.contains("content trust needs attention"), "{table:?}");
    assert!(!table.stdout.contains("correct horse"), "{table:?}");
    is_golden("report.txt", &table.stdout);
    let json = audit(&user, &["--json"]).expect_code(12);
    is_golden("report.json", &json.stdout);
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    for finding in document["findings"].as_array().unwrap() {
        let file = finding["places"][0]["file"].as_str().unwrap();
        assert!(!file.contains("node_modules") && !file.contains(".git/"), "{finding}");
    }
    let sarif = audit(&user, &["--sarif"]).expect_code(12);
    is_golden("report.sarif", &sarif.stdout);
    keeps_the_rules_of_sarif(&serde_json::from_str(&sarif.stdout).unwrap());
    let rules = audit(&user, &["--format", "{{.Rule}}"]).expect_code(12).stdout;
    assert_eq!(rules.lines().count(), document["findings"].as_array().unwrap().len());
    audit(&user, &["--fail-on", "never"]).success();
    audit(&user, &["--sarif", "--json"]).expect_code(2);
}

/// What the schema of SARIF 2.1.0 demands of the members that we write.
fn keeps_the_rules_of_sarif(log: &Value) {
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "trust");
    let rules = driver["rules"].as_array().unwrap();
    let levels = ["none", "note", "warning", "error"];
    for rule in rules {
        assert!(rule["id"].is_string() && rule["shortDescription"]["text"].is_string(), "{rule}");
        assert!(
            levels.contains(&rule["defaultConfiguration"]["level"].as_str().unwrap()),
            "{rule}"
        );
    }
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let mut fingerprints = std::collections::BTreeSet::new();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(levels.contains(&result["level"].as_str().unwrap()), "{result}");
        assert!(result["message"]["text"].as_str().is_some_and(|text| text.ends_with('.')));
        let prints = result["partialFingerprints"].as_object().unwrap();
        assert!(prints.values().all(Value::is_string));
        assert!(fingerprints.insert(prints.values().next().unwrap().as_str().unwrap()), "{result}");
        for location in result["locations"].as_array().unwrap() {
            let physical = &location["physicalLocation"];
            let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.is_ascii() && !uri.contains(' '), "{uri}");
            if let Some(region) = physical.get("region") {
                assert!(region["startLine"].as_u64().is_some_and(|line| line > 0), "{region}");
                let column = region.get("startColumn").map(|column| column.as_u64().unwrap());
                assert!(column.is_none_or(|column| column > 0), "{region}");
            }
        }
    }
}

#[test]
fn the_machine_is_looked_at_when_nothing_is_named() {
    let mut user = tree();
    user.set("DOCKER_CONTENT_TRUST", "1");
    user.set("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "very secret");
    fs::write(user.home().join(".zshrc"), "export DOCKER_CONTENT_TRUST=1\n").unwrap();
    let places = |args: &[&str]| {
        let args = [&["audit", "--no-network", "--fail-on", "never", "--json"], args].concat();
        let printed = user.trust(&args).success();
        assert!(!printed.stdout.contains("very secret"));
        let document: Value = serde_json::from_str(&printed.stdout).unwrap();
        let findings = document["findings"].as_array().unwrap().clone();
        findings.iter().map(|found| found["place"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let profile = format!("{}:1:8", user.home().join(".zshrc").display());
    let alone = places(&["tree/Makefile"]);
    assert_eq!(alone, ["tree/Makefile:2:2"]);
    let both = places(&["tree/Makefile", "--machine"]);
    for place in ["$DOCKER_CONTENT_TRUST", "$DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", &profile] {
        assert!(both.iter().any(|found| found == place), "{both:?}");
    }
    // The present folder, which is the home folder, and the machine.
    let all = places(&[]);
    assert!(all.contains(&"tree/Makefile:2:2".to_owned()) && all.contains(&profile), "{all:?}");
}

#[test]
fn what_is_not_there_or_cannot_be_read_is_said() {
    let user = tree();
    user.trust(&["audit", "nowhere"]).expect_code(8);
    user.trust(&["audit", "./a.b/c"]).expect_code(8);
    user.trust(&["audit", "registry.example.com/App"]).expect_code(2);
    user.trust(&["audit", "tree", "--fail-on", "all"]).expect_code(2);
    let empty = user.home().join("empty");
    fs::create_dir(&empty).unwrap();
    let said = user.trust(&["audit", "empty"]).success();
    assert!(said.stdout.is_empty() && said.stderr.contains("nothing of content trust"), "{said:?}");
    // One that asks for all memory, and one that is all nesting.
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..40 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs.extend([format!("a{level}: &a{level} [{below}]\n")]);
    }
    fs::write(empty.join("laughs.yaml"), format!("{laughs}image: ImagePolicy\n")).unwrap();
    fs::write(empty.join("deep.json"), format!("{}{{\"image\": 1", "[".repeat(100_000))).unwrap();
    let said = user.trust(&["audit", "empty", "--fail-on", "note"]).expect_code(15);
    assert!(said.stdout.contains("TR031") && !said.stdout.contains("laughs"), "{said:?}");
    assert!(Path::new(&empty).exists());
}
