//! Images that are named where no rule of Kubernetes or compose says so: in the pipelines of CI
//! systems, in the values of charts, and in kustomizations.

use std::collections::BTreeSet;

use crate::actions::audit::kind::FileKind;
use crate::actions::image_files::{Outline, Value};
use crate::oci::Reference;

/// An image as a file names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The line, from 1.
    pub(super) line: usize,
    /// As it is written, or put together from its parts.
    pub(super) written: String,
    /// Whether it can be told from the file: nothing in it is filled in later.
    pub(super) is_told: bool,
    /// Whether it is about all tags of a repository.
    pub(super) is_whole: bool,
}

/// The images that a file names; `name` is that of the file alone, in small letters.
pub(super) fn named(kind: FileKind, name: &str, text: &str) -> Vec<Named> {
    if kind == FileKind::Pipeline("Jenkins") {
        return jenkins(text);
    }
    let Some(outline) = Outline::read(text) else { return Vec::new() };
    let mut found = Vec::new();
    // The machines of CircleCI are named like images, and are none.
    let machines: BTreeSet<usize> = outline
        .mappings()
        .filter_map(|mapping| mapping.at(&["machine", "image"]).map(Value::line))
        .collect();
    for mapping in outline.mappings() {
        match kind {
            FileKind::Pipeline("AppVeyor" | "CodeBuild") => {}
            FileKind::Pipeline(system) => pipeline(system, mapping, &mut found),
            _ => elsewhere(mapping, &mut found),
        }
        chart(mapping, &mut found);
    }
    if name.starts_with("kustomization.") {
        let lists = outline.documents().filter_map(|document| document.get("images"));
        lists.flat_map(Value::items).for_each(|item| kustomize(item, &mut found));
    }
    found.retain(|named| !machines.contains(&named.line));
    found
}

fn pipeline(system: &str, mapping: Value<'_>, found: &mut Vec<Named>) {
    let mut add = |value: Value<'_>, text: &str| found.extend(as_image(value.line(), text));
    if let Some(image) = mapping.get("image") {
        let texts = [Some(image), image.get("name")].into_iter().flatten().chain(image.items());
        texts.for_each(|value| {
            if let Some(text) = value.text() {
                add(value, text);
            }
        });
    }
    if let Some(value) = mapping.get("uses")
        && let Some(text) = value.text().and_then(|text| text.strip_prefix("docker://"))
    {
        add(value, text);
    }
    // A name without either is that of a container described elsewhere.
    if let Some(value) = mapping.get("container")
        && let Some(text) = value.text().filter(|text| text.contains([':', '/']))
    {
        add(value, text);
    }
    if system == "GitLab CI" {
        for item in mapping.get("services").into_iter().flat_map(Value::items) {
            if let Some(text) = item.text().or_else(|| item.text_of("name")) {
                add(item, text);
            }
        }
    }
    if system == "Cloud Build" {
        for step in mapping.get("steps").into_iter().flat_map(Value::items) {
            if let Some(text) = step.text_of("name") {
                add(step, text);
            }
        }
    }
}

/// In YAML and JSON of no known kind an image is believed to be one if it has all that an image
/// has: `image` is the key of pictures, too.
fn elsewhere(mapping: Value<'_>, found: &mut Vec<Named>) {
    let Some(image) = mapping.get("image") else { return };
    if let Some(text) = image.text().filter(|text| is_surely_one(text)) {
        found.extend(as_image(image.line(), text));
    }
}

/// `image` of the values of a chart: `repository`, with `registry`, `tag` and `digest` beside it.
fn chart(mapping: Value<'_>, found: &mut Vec<Named>) {
    let Some(image) = mapping.get("image") else { return };
    let part = |key: &str| image.text_of(key).filter(|text| !text.is_empty());
    let Some(repository) = part("repository") else { return };
    let registry = part("registry").map(|registry| format!("{registry}/")).unwrap_or_default();
    let name = format!("{registry}{repository}");
    found.extend(put_together(image.line(), &name, part("tag"), part("digest")));
}

/// What a kustomization puts in the place of an image.
fn kustomize(item: Value<'_>, found: &mut Vec<Named>) {
    let part = |key: &str| item.text_of(key).filter(|text| !text.is_empty());
    let Some(name) = part("newName").or_else(|| part("name")) else { return };
    found.extend(put_together(item.line(), name, part("newTag"), part("digest")));
}

fn put_together(line: usize, name: &str, tag: Option<&str>, digest: Option<&str>) -> Option<Named> {
    let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
    let is_whole = tag.is_empty() && digest.is_empty();
    as_image(line, &format!("{name}{tag}{digest}")).map(|named| Named { is_whole, ..named })
}

/// The images of a Jenkinsfile: `docker.image('X')`, `image 'X'`, and `image: X` of a pod in it.
fn jenkins(text: &str) -> Vec<Named> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        if trimmed.starts_with(['*', '#']) || trimmed.starts_with("//") {
            continue;
        }
        let number = number.saturating_add(1);
        for (at, word) in line.match_indices("image") {
            let before = line.get(..at).unwrap_or_default().chars().next_back();
            if before.is_some_and(|char| char.is_ascii_alphanumeric() || char == '_') {
                continue;
            }
            let rest = line.get(at.saturating_add(word.len())..).unwrap_or_default();
            let rest = rest.trim_start_matches([' ', '(', ':']);
            let quoted = ['\'', '"'].iter().find_map(|quote| rest.strip_prefix(*quote));
            let quoted = quoted.and_then(|rest| rest.split(['\'', '"']).next());
            let named = if let Some(text) = quoted {
                as_image(number, text)
            } else {
                let is_yaml = trimmed.trim_start_matches(['-', ' ']).starts_with("image:");
                let text = rest.split_whitespace().next().filter(|_| is_yaml);
                text.and_then(|text| as_image(number, text))
            };
            found.extend(named);
        }
    }
    found
}

/// What is written, if it is an image or will be when something is filled in.
fn as_image(line: usize, text: &str) -> Option<Named> {
    let text = text.trim();
    let is_told = !["$", "{{", "<<", "<%", "%("].iter().any(|mark| text.contains(mark));
    let is_one = !text.is_empty()
        && text.len() <= LONGEST
        && !text.starts_with(['/', '.'])
        && (!is_told || Reference::parse(text).is_ok());
    let written = text.to_owned();
    is_one.then_some(Named { line, written, is_told, is_whole: false })
}

/// Whether it has a registry, and a tag or a digest.
fn is_surely_one(text: &str) -> bool {
    let Some((host, rest)) = text.split_once('/') else { return false };
    let is_host = host == "localhost" || host.contains(['.', ':']);
    is_host && rest.contains([':', '@']) && !text.contains("//")
}

/// Bytes of the longest name that is taken for one.
const LONGEST: usize = 512;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const GITHUB: FileKind = FileKind::Pipeline("GitHub Actions");
    const GITLAB: FileKind = FileKind::Pipeline("GitLab CI");
    const JENKINS: FileKind = FileKind::Pipeline("Jenkins");

    fn names(kind: FileKind, name: &str, text: &str) -> String {
        let show = |named: Named| {
            let whole = if named.is_whole { "*" } else { "" };
            let told = if named.is_told { "" } else { "?" };
            format!("{}:{}{whole}{told}", named.line, named.written)
        };
        named(kind, name, text).into_iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test_case("a:\n  container: a/b:1\n", GITHUB, "2:a/b:1")]
    #[test_case("a:\n  container: {image: a/b}\n", GITHUB, "2:a/b")]
    #[test_case("uses: docker://a/b:1\n", GITHUB, "1:a/b:1")]
    #[test_case("uses: actions/checkout@v4\n", GITHUB, "")]
    #[test_case("container: linux\n", GITHUB, ""; "a container of another name")]
    #[test_case("image: $REGISTRY/a:1\n", GITLAB, "1:$REGISTRY/a:1?")]
    #[test_case("image: {name: a:1}\nservices: [b:2, {name: c:3}]\n", GITLAB, "1:a:1 2:b:2 2:c:3")]
    #[test_case("x: &x {image: a:1}\ny: *x\nz: [*x, *x]\n", GITLAB, "1:a:1"; "aliases are one")]
    #[test_case("machine:\n  image: ubuntu-2204:current\n", FileKind::Pipeline("CircleCI"), "")]
    #[test_case(
        "docker { image 'a:1' }\n// image 'b'\ndocker.image(\"c:$X\")\n",
        JENKINS,
        "1:a:1 3:c:$X?"
    )]
    #[test_case("  - image: a/b:1\n", JENKINS, "1:a/b:1"; "a pod in a jenkinsfile")]
    #[test_case("image: Visual Studio 2022\n", FileKind::Pipeline("AppVeyor"), "")]
    #[test_case(
        "image: {registry: r.example.com, repository: a/b, tag: '1'}\n",
        FileKind::Yaml,
        "1:r.example.com/a/b:1"
    )]
    #[test_case(
        "image:\n  repository: r.example.com/a\n  tag: ''\n",
        FileKind::Yaml,
        "2:r.example.com/a*"
    )]
    #[test_case("image: r.example.com/a:1\n", FileKind::Yaml, "1:r.example.com/a:1")]
    #[test_case("image: /img/logo.png\nx: {image: logo.png}\n", FileKind::Yaml, ""; "pictures")]
    #[test_case("image: https://cdn.example.com/a:1.png\n", FileKind::Yaml, ""; "a picture elsewhere")]
    #[test_case("image: [\n", FileKind::Yaml, ""; "broken")]
    fn images_are_found(text: &str, kind: FileKind, expected: &str) {
        assert_eq!(names(kind, "x.yaml", text), expected);
    }

    #[test]
    fn a_kustomization_puts_images_in_the_place_of_others() {
        let text = "images:\n- name: app\n  newName: r.example.com/app\n  newTag: '2'\n- name: b\n";
        let found = names(FileKind::Yaml, "kustomization.yaml", text);
        assert_eq!(found, "2:r.example.com/app:2 5:b*");
        assert_eq!(names(FileKind::Yaml, "other.yaml", text), "");
    }
}
