//! Docker's two ways of showing signatures, byte for byte: the JSON of `docker trust inspect` and
//! the text of `docker trust inspect --pretty` (notary.md §5.3).
//!
//! The caller says what is signed by whom; the order of everything shown is decided here, but for
//! lists that docker's JSON shows in the order of the metadata.

use serde::Serialize;
use serde_json::ser::PrettyFormatter;

use crate::cli::natural_order::natural_order;

/// What is shown about one repository or one tag of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inspection {
    /// The reference as it was typed.
    pub name: String,
    /// What is released, in any order.
    pub signed_tags: Vec<SignedTag>,
    /// Who may sign (delegations but `targets/releases`), in any order.
    pub signers: Vec<SignerKeys>,
    /// Key ids of the root role as in metadata: those of certificates.
    pub root_keys: Vec<String>,
    /// Key ids of the targets role.
    pub repository_keys: Vec<String>,
    /// What waits for more signatures, which docker does not know: without any, nothing is shown
    /// that docker does not show.
    pub proposals: Vec<ShownProposal>,
}

/// A role's next file that not enough people have signed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShownProposal {
    /// The role.
    pub role: String,
    /// The version that its file would have.
    pub version: u64,
    /// Different keys that have signed it.
    pub signatures: usize,
    /// Signatures needed.
    pub threshold: u32,
    /// Who has signed it.
    pub signed_by: Vec<String>,
    /// Who could sign it.
    pub waiting_for: Vec<String>,
    /// Tags it adds or changes.
    pub adds: Vec<ProposedTag>,
    /// Tags it takes away.
    pub removes: Vec<String>,
    /// Whether it changes who may sign.
    pub changes_signers: bool,
}

/// A tag that is to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProposedTag {
    /// The tag.
    pub tag: String,
    /// SHA-256 of the manifest, in hex.
    pub digest: Option<String>,
}

/// A tag that is released: it is in `targets` or in `targets/releases`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTag {
    /// The tag.
    pub tag: String,
    /// SHA-256 of the manifest, in hex.
    pub digest_hex: String,
    /// Signers of this tag with this digest, without `targets/`, in the order of the delegations;
    /// none means that the owner of the repository alone signed it.
    pub signers: Vec<String>,
}

/// A signer and the keys that count for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerKeys {
    /// The name, without `targets/`.
    pub name: String,
    /// Canonical key ids, in the order of the delegation.
    pub key_ids: Vec<String>,
}

/// The JSON of `docker trust inspect` for these repositories, with the final newline.
pub fn json(inspections: &[Inspection]) -> Result<String, serde_json::Error> {
    indented(&documents(inspections))
}

/// JSON as docker's `inspect` prints it: indented by four spaces, escaped as Go does, with the
/// final newline.
pub fn indented(documents: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    documents.serialize(&mut serializer)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(escape_as_go(&text) + "\n")
}

/// What docker's JSON holds, one document a repository.
pub fn documents(inspections: &[Inspection]) -> Vec<impl Serialize> {
    inspections.iter().map(json::Repository::of).collect()
}

/// The text of `docker trust inspect --pretty` for these repositories.
pub fn pretty(inspections: &[Inspection]) -> String {
    inspections.iter().map(pretty_one).collect::<Vec<_>>().join("\n\n")
}

fn pretty_one(inspection: &Inspection) -> String {
    let name = &inspection.name;
    let signatures = if inspection.signed_tags.is_empty() {
        format!("\nNo signatures for {name}\n\n")
    } else {
        format!("\nSignatures for {name}\n\n{}", tags_table(&inspection.signed_tags))
    };
    let signers = if inspection.signers.is_empty() {
        String::new()
    } else {
        let table = signers_table(&inspection.signers);
        format!("\nList of signers and their keys for {name}\n\n{table}")
    };
    let key = |kind: &str, ids: &[String]| format!("  {kind} Key:\t{}\n", sorted(ids).join(", "));
    let repository = key("Repository", &inspection.repository_keys);
    let root = key("Root", &inspection.root_keys);
    let proposals = if inspection.proposals.is_empty() {
        String::new()
    } else {
        format!("\nProposals for {name}\n\n{}", proposals_table(&inspection.proposals))
    };
    format!(
        "{signatures}{signers}\nAdministrative keys for {name}\n\n{repository}{root}{proposals}"
    )
}

fn tags_table(tags: &[SignedTag]) -> String {
    let mut rows = vec![["SIGNED TAG", "DIGEST", "SIGNERS"].map(str::to_owned).to_vec()];
    for tag in in_order(tags) {
        let signers = match tag.signers.as_slice() {
            [] => format!("({OWNER})"),
            signers => sorted(signers).join(", "),
        };
        rows.push(vec![tag.tag.clone(), tag.digest_hex.clone(), signers]);
    }
    table(&rows)
}

fn signers_table(signers: &[SignerKeys]) -> String {
    let mut signers: Vec<&SignerKeys> = signers.iter().collect();
    signers.sort_by(|a, b| natural_order(&a.name, &b.name));
    let mut rows = vec![["SIGNER", "KEYS"].map(str::to_owned).to_vec()];
    for signer in signers {
        let cut = |id: String| id.chars().take(SHORT_ID_CHARS).collect::<String>();
        let keys: Vec<String> = sorted(&signer.key_ids).into_iter().map(cut).collect();
        rows.push(vec![signer.name.clone(), keys.join(", ")]);
    }
    table(&rows)
}

/// What waits for signatures, one row a change: `+` adds or changes a tag, `-` takes it away.
pub fn proposals_table(proposals: &[ShownProposal]) -> String {
    let header = ["ROLE", "CHANGE", "SIGNATURES", "SIGNED BY", "WAITING FOR"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for proposal in proposals {
        let adds = proposal.adds.iter().map(|added| format!("+{}", added.tag));
        let removes = proposal.removes.iter().map(|tag| format!("-{tag}"));
        let signers = proposal.changes_signers.then(|| "(signers)".to_owned());
        let mut changes: Vec<String> = adds.chain(removes).chain(signers).collect();
        if changes.is_empty() {
            changes.push("(renewal)".to_owned());
        }
        for change in changes {
            rows.push(vec![
                proposal.role.clone(),
                change,
                format!("{} of {}", proposal.signatures, proposal.threshold),
                proposal.signed_by.join(", "),
                proposal.waiting_for.join(", "),
            ]);
        }
    }
    table(&rows)
}

/// Columns as Go's `text/tabwriter` makes them with docker's settings: each is three wider than
/// its widest cell and at least ten wide; the last is not padded.
fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or_default();
        (widest + 3).max(10)
    };
    let columns = rows.first().map(Vec::len).unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            text.push_str(cell);
            if column + 1 < columns {
                let missing = width.saturating_sub(cell.chars().count());
                text.extend(std::iter::repeat_n(' ', missing));
            }
        }
        text.push('\n');
    }
    text
}

/// Tags in natural order; the same tag with several digests (an owner and a signer disagree) in
/// the order of the digests, where docker's order is random.
fn in_order(tags: &[SignedTag]) -> Vec<&SignedTag> {
    let mut tags: Vec<&SignedTag> = tags.iter().collect();
    tags.sort_by(|a, b| {
        natural_order(&a.tag, &b.tag).then_with(|| a.digest_hex.cmp(&b.digest_hex))
    });
    tags
}

fn sorted(texts: &[String]) -> Vec<String> {
    let mut texts = texts.to_vec();
    texts.sort();
    texts
}

/// Go writes these characters of strings as escapes; they occur nowhere else in JSON.
fn escape_as_go(json: &str) -> String {
    let escape = |character| match character {
        '<' => Some("\\u003c"),
        '>' => Some("\\u003e"),
        '&' => Some("\\u0026"),
        '\u{2028}' => Some("\\u2028"),
        '\u{2029}' => Some("\\u2029"),
        _ => None,
    };
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match escape(character) {
            Some(escaped) => text.push_str(escaped),
            None => text.push(character),
        }
    }
    text
}

/// Who signed a tag that no signer signed.
const OWNER: &str = "Repo Admin";
/// Characters of a key id in the table of signers.
const SHORT_ID_CHARS: usize = 12;

/// The shape of docker's JSON.
mod json {
    use serde::Serialize;

    use super::{Inspection, OWNER, ShownProposal, in_order};

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Repository<'a> {
        name: &'a str,
        signed_tags: Vec<Tag<'a>>,
        signers: Vec<Holder<'a>>,
        administrative_keys: Vec<Holder<'a>>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        proposals: &'a [ShownProposal],
    }

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Tag<'a> {
        #[serde(rename = "SignedTag")]
        name: &'a str,
        digest: &'a str,
        signers: Vec<&'a str>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Holder<'a> {
        #[serde(skip_serializing_if = "str::is_empty")]
        name: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keys: Vec<Key<'a>>,
    }

    #[derive(Serialize)]
    struct Key<'a> {
        #[serde(rename = "ID")]
        id: &'a str,
    }

    impl<'a> Repository<'a> {
        pub(super) fn of(inspection: &'a Inspection) -> Self {
            let tag = |tag: &'a super::SignedTag| Tag {
                name: &tag.tag,
                digest: &tag.digest_hex,
                signers: match tag.signers.as_slice() {
                    [] => vec![OWNER],
                    signers => signers.iter().map(String::as_str).collect(),
                },
            };
            let mut signers: Vec<Holder<'_>> = inspection
                .signers
                .iter()
                .map(|signer| holder(&signer.name, &signer.key_ids))
                .collect();
            signers.sort_by(|a, b| b.name.cmp(a.name));
            Self {
                name: &inspection.name,
                signed_tags: in_order(&inspection.signed_tags).into_iter().map(tag).collect(),
                signers,
                administrative_keys: vec![
                    holder("Root", &inspection.root_keys),
                    holder("Repository", &inspection.repository_keys),
                ],
                proposals: &inspection.proposals,
            }
        }
    }

    fn holder<'a>(name: &'a str, ids: &'a [String]) -> Holder<'a> {
        Holder { name, keys: ids.iter().map(|id| Key { id }).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSCRIPT: &str =
        include_str!("../../tests/data/notary-vectors/docker-cli-transcript.txt");

    /// What docker printed to stdout for the `nth` run (from 0) of a command.
    fn printed(command: &str, nth: usize) -> String {
        let start = format!("$ {command}");
        let mut runs = TRANSCRIPT.lines().enumerate().filter(|(_, line)| *line == start);
        let (line, _) = runs.nth(nth).expect("the command was run");
        let lines = TRANSCRIPT.lines().skip(line + 1).take_while(|line| !line.starts_with("[rc="));
        let lines = lines.filter_map(|line| line.strip_prefix("out| "));
        lines.flat_map(|line| [line, "\n"]).collect()
    }

    fn signer(name: &str, key_ids: &[&str]) -> SignerKeys {
        let key_ids = key_ids.iter().map(|id| (*id).to_owned()).collect();
        SignerKeys { name: name.to_owned(), key_ids }
    }

    fn tag(tag: &str, signers: &[&str]) -> SignedTag {
        SignedTag {
            tag: tag.to_owned(),
            digest_hex: DIGEST.to_owned(),
            signers: signers.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn repository(name: &str, signed_tags: Vec<SignedTag>) -> Inspection {
        Inspection {
            name: name.to_owned(),
            signed_tags,
            signers: vec![signer("alice", &[ALICE])],
            root_keys: vec![
                "60618c65f31b916e7ee48bb619d73687da30962feeaeed43b421db56e90beec4".into(),
            ],
            repository_keys: vec![
                "7cac86a581920a4c349d60c64aaa5681c391258e92bb2b4761ff8a2e603a5b10".into(),
            ],
            proposals: vec![],
        }
    }

    const GV: &str = "localhost:15005/survey/gv";
    const DIGEST: &str = "cfce334a21d51ac49b90732db5b3392a93a68dbdc67b79f8fc4e6d83f39a5ca5";
    const ALICE: &str = "56c977d8fea1afac4b78a35c62d52b9c1105aa89c7eec8b1b6f2b6add5d11bb2";
    const BOB: &str = "8153a59a13f7db070a12df06083656b1d2baa61a1768191cde6b3a008ecc72d1";

    #[test]
    fn json_without_signatures() {
        let shown = json(&[repository(GV, vec![])]).unwrap();
        // The first run in the transcript is before the repository existed.
        assert_eq!(shown, printed(&format!("docker trust inspect {GV}"), 1));
        assert_eq!(json(&[]).unwrap(), printed(&format!("docker trust inspect {GV}"), 0));
    }

    #[test]
    fn json_with_signatures() {
        let tags = vec![tag("v2", &["alice"]), tag("v1", &["alice"])];
        let shown = json(&[repository(GV, tags)]).unwrap();
        assert_eq!(shown, printed(&format!("docker trust inspect {GV}"), 2));
    }

    #[test]
    fn json_of_a_tag_that_is_not_signed() {
        let name = format!("{GV}:nope");
        let shown = json(&[repository(&name, vec![])]).unwrap();
        assert_eq!(shown, printed(&format!("docker trust inspect {name}"), 0));
    }

    #[test]
    fn pretty_without_signatures() {
        let shown = pretty(&[repository(GV, vec![])]);
        assert_eq!(shown, printed(&format!("docker trust inspect --pretty {GV}"), 1));
    }

    #[test]
    fn pretty_with_signatures() {
        let tags = vec![tag("v2", &["alice"]), tag("v1", &["alice"])];
        let shown = pretty(&[repository(GV, tags)]);
        assert_eq!(shown, printed(&format!("docker trust inspect --pretty {GV}"), 2));
        let name = format!("{GV}:v1");
        let shown = pretty(&[repository(&name, vec![tag("v1", &["alice"])])]);
        assert_eq!(shown, printed(&format!("docker trust inspect --pretty {name}"), 0));
    }

    #[test]
    fn pretty_with_two_signers() {
        let mut two = repository(GV, vec![]);
        two.signers.insert(0, signer("bob", &[BOB]));
        assert_eq!(pretty(&[two]), printed(&format!("docker trust inspect --pretty {GV}"), 4));
    }

    #[test]
    fn pretty_without_signers_names_the_owner() {
        let name = "localhost:15005/survey/gv2";
        let shown = pretty(&[Inspection {
            name: name.to_owned(),
            signed_tags: vec![tag("v1", &[])],
            signers: vec![],
            root_keys: vec![
                "1a346ff8a855e615e989094b7a43f8ef29b57a91b413be998715f782c88b0193".into(),
            ],
            repository_keys: vec![
                "dd69c5a3eb32c1bd473b59bbd63f0ba2439bc563a16c66f267568052e837cd4c".into(),
            ],
            proposals: vec![],
        }]);
        assert_eq!(shown, printed(&format!("docker trust inspect --pretty {name}"), 0));
    }

    /// A repository that docker 28.2.2 was asked about: signers were added in the order s10, s2,
    /// alice, s1; all but s1 signed, and s1 has two keys.
    fn several_signers(name: &str, signed_tags: Vec<SignedTag>) -> Inspection {
        let signed_tags = signed_tags.into_iter().map(|tag| SignedTag {
            digest_hex: "54811cbc6c86311729b0a33e26c89087881b36b9ca3217d15cb5196e35f9a7e3".into(),
            ..tag
        });
        Inspection {
            name: name.to_owned(),
            signed_tags: signed_tags.collect(),
            signers: vec![
                signer(
                    "s10",
                    &["1b3e824930859b8a5d9b996a0f3f0b62b05c65def470f6b54e092b9bac145f84"],
                ),
                signer("s2", &["de9e6ba7eb2c89312fbcec352f051b1c6f5e83e4be50e2e84e3d064a7518d267"]),
                signer(
                    "alice",
                    &["a3ed59aeee3cd14a39e57f3e48e9874398c5657ca9fcf2feee822f7b43907b16"],
                ),
                signer(
                    "s1",
                    &[
                        "9ba704237680030638241f360bca53359fe83c1f2bb09fc469b833215f3fd33f",
                        "6f052da4f50f51d406882375c44a95032e28eef11644c190c692ce71bf05a959",
                    ],
                ),
            ],
            root_keys: vec![
                "5ada2e389f463bc73f159136b395e097a1aa055ba533d9fac00eaa1713e32136".into(),
            ],
            repository_keys: vec![
                "1085c603c92ddacb64782259df90b041988aadface5d57975878597f193872e1".into(),
            ],
            proposals: vec![],
        }
    }

    const SIGNERS: &[&str] = &["s10", "s2", "alice"];

    #[test]
    fn several_signers_and_tags_are_in_dockers_order() {
        let mut tags: Vec<SignedTag> =
            ["v2", "v10", "latest", "v01", "v1"].map(|name| tag(name, SIGNERS)).to_vec();
        tags.extend(["adminonly", "a<b&c>"].map(|name| tag(name, &[])));
        let shown = several_signers("localhost:15999/x/y", tags);
        assert_eq!(
            json(std::slice::from_ref(&shown)).unwrap(),
            include_str!("../../tests/data/docker-inspect/several-signers.json")
        );
        assert_eq!(
            pretty(&[shown]),
            include_str!("../../tests/data/docker-inspect/several-signers.txt")
        );
    }

    #[test]
    fn several_references_are_shown_one_after_the_other() {
        let shown = ["v1", "v2"].map(|name| {
            several_signers(&format!("localhost:15999/x/y:{name}"), vec![tag(name, SIGNERS)])
        });
        assert_eq!(
            pretty(&shown),
            include_str!("../../tests/data/docker-inspect/two-references.txt")
        );
    }
}
