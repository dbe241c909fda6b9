//! What a hostile or broken trust server may try, each attack against the program and the library
//! alike: the exit code, the rule that was broken, and a trust directory that is as it was.

mod arbitrary;
mod delegations;
mod endless_data;
mod freeze;
mod malformed;
mod mix_and_match;
mod pinning;
mod publishing;
mod redirects;
mod rollback;
mod root_rotation;
mod rows;
mod scale;
mod switches;
mod table;
mod threshold;

/// Asserts that something matches a pattern, and shows it if not.
macro_rules! assert_matches {
    ($value:expr, $pattern:pat $(if $guard:expr)? $(,)?) => {{
        let value = $value;
        assert!(matches!(&value, $pattern $(if $guard)?), "unexpected: {value:?}");
    }};
}
pub(crate) use assert_matches;

/// The threat model names tests by how their names begin, and files.
#[test]
fn every_attack_that_the_threat_model_lists_has_its_tests() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    for folder in ["src/tuf", "tests/it/attacks"] {
        let mut folders = vec![root.join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    sources.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
    }
    let text = std::fs::read_to_string(root.join("spec/threat-model.md")).unwrap();
    let (_, text) = text.split_once("### 3.9").unwrap();
    let (text, _) = text.split_once("\n## ").unwrap();
    let mut named = 0;
    for row in text.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for name in tests.split('`').skip(1).step_by(2) {
            let found = if name.contains('/') {
                root.join("tests/it").join(name).exists()
            } else {
                sources.contains(&format!("fn {name}"))
            };
            assert!(found, "no test begins with {name}: {row}");
            named += 1;
        }
    }
    assert!(named > 50, "only {named} tests are named");
}
